"""Accepted results and verdicts on a run. Imports `cells` and `reports`."""
