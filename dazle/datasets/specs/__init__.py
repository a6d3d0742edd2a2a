"""The datasets, one file each: its reader, sizes and simulated shape. A new file is a new dataset.

Imports the readers of common formats in `dazle.datasets`.
"""
