"""The model: attention, losses, semantics, and the paper's own form (`reference.py`). Imports `features`."""
