"""Does it many times: the matrix of cells, their records, who runs them, and the command line."""

__version__ = "0.4.0"
