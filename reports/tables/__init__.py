"""Tables of a run, made from a data frame of records. Imports `analysis`."""
