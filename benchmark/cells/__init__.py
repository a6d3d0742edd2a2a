"""What a cell is and what it leaves: the matrix, datasets, records, the manifest and the output folder.

Imports `ablations` and `dazle`, no other room; never torch or Optuna when it is loaded.
"""
