"""One torch thread everywhere, and the same random examples at every run."""

import os

import torch
from hypothesis import settings

os.environ["OMP_NUM_THREADS"] = "1"  # worker processes started by a test inherit it
torch.set_num_threads(1)
torch.set_warn_always(True)  # torch warns once a process; a test must not depend on those before it

settings.register_profile("repeatable", deadline=None, derandomize=True, database=None)
settings.load_profile("repeatable")
