"""Training and evaluation of a model: steps, batches, curves, metrics. Imports `method` and `features`."""
