"""Features of a dataset: the feature set, its HDF5 file, splits, attribute vectors. Imports no other room."""
