"""The command `throughput`: the speed of a training step and of inference on one device.

Imports `cells` (options only), `machine`, `progress`, `ablations`, `dazle` and `reports`.
"""
