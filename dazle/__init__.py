"""The DAZLE method: dense attribute attention for zero-shot learning (Huynh & Elhamifar, CVPR 2020).

Also everything that every method needs: features, datasets, training, metrics. Imports none of `ablations`,
`benchmark` and `reports`. This file imports nothing, so that reading the settings does not import torch.
"""
