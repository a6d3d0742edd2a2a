"""The method: dense attribute attention for zero-shot learning (Huynh & Elhamifar, CVPR 2020).

Imports nothing of `ablations`, `benchmark` or `reports`. Nothing is imported here, so that what needs only the
settings never waits for torch.
"""
