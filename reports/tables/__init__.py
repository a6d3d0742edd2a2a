"""The tables of a run, from the data frame of its records. Imports `analysis`."""
