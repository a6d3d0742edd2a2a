"""Accepted results, and the verdicts of a run against them. Imports `cells`, `machine`, `dazle` and `reports`."""
