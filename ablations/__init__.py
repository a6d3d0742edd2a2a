"""The registry of variants, and the suites made of them. Imports `dazle` alone."""
