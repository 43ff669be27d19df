"""A plugin to be loaded, a suite that runs it, and a process that is left without plugins."""

import sys

import pytest

from throughtime.parts import registry
from throughtime.runners.suite import plugins

GOOD = '''
"""A test's algorithm."""

from throughtime.algorithms import Algorithm, Update
from throughtime.tasks import Task


class Tenth(Algorithm):
    """A tenth of the gradient."""

    exact_up_to, unbiased, online = 0, False, False

    def __init__(self, share: float = 0.1) -> None:
        if share < 0:
            raise ValueError(f"share must be 0 or more, got {share}")
        self.share = share

    def updates(self, network, batch, carry=None, *, generator=None):
        outputs, _ = network.unroll(batch.inputs)
        loss = batch.mean_loss(outputs)
        network.zero_grad()
        (self.share * loss).backward()
        yield Update(loss.detach(), 1.0, None)
'''

TINY = """
tasks = ["two_lag(length=16)"]
algorithms = ["full", "tenth"]
hidden_size = 4
batch_size = 4
learning_rates = [0.01]
budget = { steps = 64 }
evaluations = 1
seeds = 1
deadline = 60
"""


@pytest.fixture
def nothing_stays():
    """Each test begins and ends without plugins."""
    path = list(sys.path)
    yield
    plugins.forget()
    sys.path[:] = path
    sys.modules.pop("beside_it", None)
    registry.installed.cache_clear()


@pytest.fixture
def write(tmp_path):
    """Write a plugin, by default the good one, and give its path."""

    def to(name="tenth.py", text=GOOD):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return to
