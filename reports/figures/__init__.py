"""The figures of a run: one module a figure; `drawing` draws all of them. Imports `tables` and `analysis`."""
