"""Cells and their files: the matrix, datasets, records, the manifest, outcomes of studies and the output folder.

Imports `ablations` and `dazle`, no other room; never torch or Optuna when it is loaded.
"""
