"""One sequence in several batches, with the carry handed on, gives what it gives in one."""

from collections.abc import Iterator
from functools import cache
from itertools import pairwise, product

import pytest
import torch
from naive import relative_error
from problems import CELLS, Case, Problem, make_problem, record, shared_problem, tensors_in, train

# Each with the number of steps from one update to the next: a batch may end only there.
ONLINE = {
    "truncated(k1=1, k2=5)": 1,
    "truncated(k1=2, k2=2)": 2,
    "truncated(k1=2, k2=4)": 2,
    "truncated(k1=2, k2=5)": 2,
    "truncated(k1=3, k2=7)": 3,
    "online(depth=1)": 1,
    "online(depth=4)": 1,
    "rtrl": 1,
    "rtrl(update_every=2)": 2,
    "snap": 1,
    "snap(update_every=3)": 3,
    "eprop": 1,
    "readout_only": 1,
    "readout_only(update_every=3)": 3,
    "blocked_rtrl(block=2)": 2,
    "dni(k=2, learning_rate=0.1)": 2,
    "fptt(every=2)": 2,
}
# Where batches end, in updates; the first batch of "1" is shorter than every k2 > k1.
BORDERS = {"short-first": [1], "three": [2, 5], "one-update-each": [1, 2, 3, 4, 5, 6]}
FORCINGS = ["teacher", "free", "coins"]
each_online = pytest.mark.parametrize("spec", ONLINE)
each_spec = pytest.mark.parametrize("spec", [*ONLINE, "full", "online", "stochastic(length=6)"])


def in_pairs(spec: str, masks: list[str]) -> Iterator[tuple[Case, list[int]]]:
    """Each pair of a cell, a forcing and a place where batches end, with a mask; others for the next algorithm."""
    turn = list(ONLINE).index(spec)
    for (i, cell), (j, forcing) in product(enumerate(CELLS), enumerate(FORCINGS)):
        mask = masks[(turn + i * len(FORCINGS) + j) % len(masks)]
        yield long_case(cell, mask, spec, forcing), list(BORDERS.values())[(turn + i + j) % len(BORDERS)]


def all_together(spec: str, masks: list[str]) -> Iterator[tuple[Case, list[int]]]:
    """Every combination, for the long tests."""
    for cell, forcing, mask, borders in product(CELLS, FORCINGS, masks, BORDERS.values()):
        yield long_case(cell, mask, spec, forcing), borders


def split(problem: Problem, spec: str, borders: list[int]) -> list[Problem]:
    edges = [0, *(border * ONLINE[spec] for border in borders), problem.batch.length]
    return [problem.part(start, stop) for start, stop in pairwise(edges)]


def long_case(cell: str, mask: str, spec: str, forcing: str = "teacher") -> Case:
    every = ONLINE[spec]
    return Case(cell, mask, T=7 * every - every // 2, m=3, forcing=forcing)


def last_carry(problem: Problem, spec: str, carry=None):
    *_, last = problem.updates(spec, carry)
    return last.carry


chosen = pytest.mark.parametrize("choose", [in_pairs, pytest.param(all_together, marks=pytest.mark.long)])


@cache
def in_one(case: Case, spec: str):
    """All updates of the shared problem."""
    whole = shared_problem(case)
    return record(whole.updates(spec), whole.network)


@cache
def descended_in_one(case: Case, spec: str):
    """The parameters after a step of descent for each update."""
    whole = make_problem(case)
    train(whole.updates(spec), whole.network, 0.3)
    return dict(whole.network.named_parameters())


@chosen
@each_online
def test_split_sequence_gives_the_same_updates(spec, choose):
    for case, borders in choose(spec, ["unmasked", "gap"]):
        whole, expected = shared_problem(case), in_one(case, spec)
        found, carry = [], None
        for part in split(whole, spec, borders):
            updates, carries = part.updates(spec, carry), []
            for loss, weight, gradient in record((carries.append(u.carry) or u for u in updates), part.network):
                found.append((loss, weight * part.batch.total / whole.batch.total, gradient))
            carry = carries[-1]
        at = (case, borders)
        assert [loss for loss, *_ in found] == pytest.approx([loss for loss, *_ in expected], rel=1e-9), at
        assert [weight for _, weight, _ in found] == pytest.approx([weight for _, weight, _ in expected], rel=1e-9), at
        assert max(relative_error(a[2], b[2]) for a, b in zip(found, expected, strict=True)) <= 1e-9, at


@chosen
@each_online
def test_split_sequence_gives_the_same_weights_with_descent_on_the_way(spec, choose):
    for case, borders in choose(spec, ["masked"]):
        parted, carry = make_problem(case), None
        for part in split(parted, spec, borders):
            carries = []
            train((carries.append(u.carry) or u for u in part.updates(spec, carry)), part.network, 0.3)
            carry = carries[-1]
        found = dict(parted.network.named_parameters())
        assert relative_error(found, descended_in_one(case, spec)) <= 1e-9, (case, borders)


@each_spec
def test_carry_serves_twice(spec):
    for cell in CELLS:
        whole = make_problem(Case(cell, T=12))
        carry = last_carry(whole.part(0, 6), spec)
        before = [tensor.clone() for tensor in tensors_in(carry)]
        once, twice = (record(whole.part(6, 12).updates(spec, carry), whole.network) for _ in range(2))
        assert all(map(torch.equal, before, tensors_in(carry))), cell
        for (loss, weight, gradient), (loss_2, weight_2, gradient_2) in zip(once, twice, strict=True):
            assert (loss, weight) == (loss_2, weight_2), cell
            assert all(torch.equal(gradient[name], gradient_2[name]) for name in gradient), cell


@pytest.mark.parametrize("spec", ["full", "online", "stochastic(length=6)"])
@pytest.mark.parametrize("cell", CELLS)
def test_carried_state_is_a_constant(cell, spec):
    """What forgets at the border still starts there from the right state."""
    whole = make_problem(Case(cell, T=12))
    naive = whole.naive()
    naive_gradient = naive.zero_gradient()
    for t in range(6, 12):
        for name, value in naive.loss_gradient(t, 6).items():
            naive_gradient[name] += value / (6 * naive.B)
    carry = last_carry(whole.part(0, 6), spec)
    total = dict.fromkeys(naive_gradient, 0.0)
    part = whole.part(6, 12)
    for _, weight, gradient in record(part.updates(spec, carry), whole.network):
        total = {name: value + weight * gradient[name] for name, value in total.items()}
    assert relative_error(total, naive_gradient) <= 1e-9


@each_spec
def test_a_batch_without_targets_hands_its_last_state_on(spec):
    for cell in CELLS:
        whole = shared_problem(Case(cell, "last", T=12))
        carry = last_carry(whole.part(0, 6), spec)
        losses = record(whole.part(6, 12).updates(spec, carry), whole.network)
        expected = float(whole.batch.mean_loss(whole.network.unroll(whole.batch.inputs)[0]).detach())
        assert sum(weight * loss for loss, weight, _ in losses) == pytest.approx(expected, rel=1e-9), cell


@pytest.mark.parametrize("cell", CELLS)
def test_carried_influence_reaches_across_the_border(cell):
    """A target after the border gives credit to what happened before it."""
    whole = shared_problem(Case(cell, "last", T=12))
    carry = last_carry(whole.part(0, 6), "rtrl")
    *_, (_, _, gradient) = record(whole.part(6, 12).updates("rtrl", carry), whole.network)
    assert relative_error(gradient, whole.twin.full()) <= 1e-9


@each_online
def test_carry_does_not_grow_with_the_stream(spec):
    for cell in CELLS:
        whole = make_problem(Case(cell, T=36))
        sizes, carry = [], None
        for start in range(0, 36, 6):
            carry = last_carry(whole.part(start, start + 6), spec, carry)
            sizes.append(sum(tensor.numel() for tensor in tensors_in(carry)))
        assert sizes[-1] == sizes[3], cell


@each_spec
def test_carry_holds_no_more_than_its_tensors(spec):
    """A tensor that is a view keeps alive all that it is a view of: a window's states, a batch's inputs."""
    for cell in CELLS:
        tensors = list(tensors_in(last_carry(make_problem(Case(cell, T=40, m=1, n=8, batch=1)), spec)))
        held = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors}
        assert sum(held.values()) <= 8 * sum(tensor.numel() for tensor in tensors), cell
