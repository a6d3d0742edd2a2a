"""What holds for all tests.

One thread a process: on a busy machine, threads that wait for each other make the suite many times slower.
"""

import torch
from hypothesis import settings

torch.set_num_threads(1)
# How long an example takes says nothing on a busy machine.
settings.register_profile("project", deadline=None)
settings.load_profile("project")
