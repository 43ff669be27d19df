"""Random numbers of a run: one source for each use."""

import torch

from throughtime.runners.training.seeds import generator


def test_a_source_depends_on_its_seed_and_use_and_on_nothing_else():
    torch.manual_seed(5)
    drawn = {(seed, use): draw(seed, use) for seed in (0, 1) for use in ("data", "algorithm", "probe")}
    assert len(set(drawn.values())) == len(drawn)
    torch.manual_seed(6)
    assert all(draw(*about) == value for about, value in drawn.items())


def draw(seed, use):
    return float(torch.rand((), generator=generator(seed, use)))
