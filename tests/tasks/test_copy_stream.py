"""Copy along one stream: what is shown, what is to be repeated, and that batches go on where the last one ended."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime.parts import BadInput
from throughtime.tasks import make_task
from throughtime.tasks.copy_stream import BLANK, MARKER


def stream(task, batches, size=3):
    drawn = task.batches(size, generator=torch.Generator().manual_seed(0))
    return list(itertools.islice(drawn, batches))


@settings(max_examples=20, deadline=None)
@given(symbols=st.integers(2, 6), more=st.integers(1, 30))
def test_every_blank_recalls_what_was_shown_so_many_steps_before(symbols, more):
    batches = stream(make_task("copy_stream", symbols=symbols, length=2 * symbols + more), 4)
    shown = torch.cat([batch.inputs.argmax(dim=2) for batch in batches]).T.tolist()
    targets = torch.cat([batch.targets for batch in batches]).T.tolist()
    for inputs, wanted in zip(shown, targets, strict=True):
        begins = inputs.index(MARKER)
        assert begins < 2 * symbols
        for start in range(begins, len(inputs) - 2 * symbols + 1, 2 * symbols):
            string = inputs[start : start + symbols]
            assert string[0] == MARKER
            assert all(2 <= symbol <= 5 for symbol in string[1:])
            assert wanted[start : start + symbols] == [BLANK] * symbols
            assert inputs[start + symbols : start + 2 * symbols] == [BLANK] * symbols
            assert wanted[start + symbols : start + 2 * symbols] == string


def test_streams_begin_at_places_of_their_own_and_only_the_first_batch_waits():
    first, second = stream(make_task("copy_stream", length=50), 2, size=200)
    begins = {int(row.tolist().index(MARKER)) for row in first.inputs.argmax(dim=2).T}
    assert begins == set(range(20))
    assert first.counts == [0] * 20 + [200] * 30
    assert (first.continues, second.continues, second.mask) == (False, True, None)


def test_the_floor_is_who_knows_the_place_and_no_symbol():
    task = make_task("copy_stream", length=2000)
    batch, floor = task.test(), task.references()[0]
    known = torch.zeros(*batch.targets.shape, 6)
    symbols = batch.targets > MARKER
    known.scatter_(2, batch.targets[..., None], 50.0)
    known[symbols] = torch.tensor([-50.0, -50, 0, 0, 0, 0])
    assert task.score(known, batch) == pytest.approx(floor.value, rel=0.002)
    assert floor.value == pytest.approx(4 ** (9 / 20), rel=1e-12)
    certain = torch.zeros(*batch.targets.shape, 6).scatter_(2, batch.targets[..., None], 50.0)
    assert task.score(certain, batch) == pytest.approx(1.0)
    assert task.score(torch.zeros(*batch.targets.shape, 6), batch) == pytest.approx(6.0)
    assert math.isfinite(floor.value)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [({"symbols": 1}, "symbols must be 2 or more"), ({"symbols": 4, "length": 8}, "length must exceed .* 8 steps")],
)
def test_bad_parameters_are_told(parameters, message):
    with pytest.raises(BadInput, match=message):
        make_task("copy_stream", **parameters)
