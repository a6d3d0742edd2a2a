"""From options to a finished output folder: the plan, the pools that run cells, one cell's training, the display.

Imports `cells`, `reporting` and `gate`.
"""
