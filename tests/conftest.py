"""One torch thread everywhere, and the same random examples at every run."""

import os

import pytest
import torch
from hypothesis import settings

os.environ["OMP_NUM_THREADS"] = "1"  # worker processes started by a test inherit it
torch.set_num_threads(1)
torch.set_warn_always(True)  # torch warns once a process; a test must not depend on those before it

settings.register_profile("repeatable", deadline=None, derandomize=True, database=None)
settings.load_profile("repeatable")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Run each benchmark once and untimed, unless they are asked for: `--benchmark-only`, `--benchmark-enable`."""
    if not (config.option.benchmark_only or config.option.benchmark_enable):
        config.option.benchmark_disable = True
