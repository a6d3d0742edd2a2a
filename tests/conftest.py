"""What holds for all tests.

One thread a process: on a busy machine, threads that wait for each other make the suite many times slower.
"""

import os

import torch
from hypothesis import settings

torch.set_num_threads(1)
# How long an example takes says nothing on a busy machine.
settings.register_profile("project", deadline=None, max_examples=40)
# What `tox -e slow` tries of hostile input.
settings.register_profile("thorough", deadline=None, max_examples=1500)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "project"))
