"""Tuning by Optuna, on validation classes only, with an equal budget for every variant.

Imports `cells`, `reporting` and `run`.
"""
