"""Cells and their files: the matrix, datasets, records, the manifest, outcomes of studies and the output folder.

It also holds what every room above needs: the declaration of options, and the exit codes. Imports `machine`,
`ablations` and `dazle`; never torch or Optuna when it is loaded.
"""
