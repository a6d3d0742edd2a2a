"""The DAZLE model: attention, losses, semantics, and the paper's formulas (`reference.py`). Imports `features`."""
