"""Fitting a model and evaluating it: steps, batches, curves, metrics. Imports `method` and `features`."""
