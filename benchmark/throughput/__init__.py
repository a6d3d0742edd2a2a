"""The speed of a training step, of inference and of a loader on one device. Imports `machine`, `progress`, `dazle`."""
