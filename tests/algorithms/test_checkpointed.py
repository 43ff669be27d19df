"""Checkpointed BPTT: full's gradient whatever is kept, by the fewest steps that its slots allow."""

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import relative_error
from problems import CASES, CELLS, Case, estimate, full_gradient, make_problem, shared_problem, together, train

from throughtime.algorithms import checkpointed, make_algorithm
from throughtime.algorithms.window import Windows
from throughtime.runners.training.measure import count_updates
from throughtime.runners.training.workload import Workload

SPECS = ["checkpointed", *(f"checkpointed(slots={slots})" for slots in (1, 2, 3, 9))]


@together("case", CASES)
def test_it_is_full(case):
    for spec in SPECS:
        assert relative_error(estimate(case, spec), full_gradient(case)) <= 1e-9, spec


@settings(max_examples=25)
@given(cell=st.sampled_from(CELLS), T=st.integers(1, 20), slots=st.none() | st.integers(1, 8), seed=st.integers(0, 99))
def test_of_any_length(cell, T, slots, seed):
    problem = make_problem(Case(cell, "masked", T=T, batch=2), seed=seed)
    found = problem.estimate(f"checkpointed(slots={slots})")
    assert relative_error(found, problem.estimate("full")) <= 1e-9


@pytest.mark.parametrize("spec", ["checkpointed", "checkpointed(slots=2)"])
@together("cell", CELLS)
def test_descent_over_20_batches_ends_where_a_naive_loops_does(cell, spec):
    problem = make_problem(Case(cell, "masked"))
    naive = problem.naive()
    losses = [loss for _ in range(20) for loss in train(problem.updates(spec), problem.network, 0.3)]
    expected = []
    for _ in range(20):
        expected.append(naive.mean_loss(0, naive.T))
        naive.descend(naive.full(), 0.3)
    assert losses == pytest.approx(expected, rel=1e-9)
    assert relative_error(dict(problem.network.named_parameters()), naive.parameters) <= 1e-9


@cache
def fewest(steps: int, slots: int) -> int:
    """C(t, m), by trying every y."""
    if steps == 1:
        return 1
    if slots == 1:
        return steps * (steps + 1) // 2
    return min(y + fewest(steps - y, slots - 1) + fewest(y, slots) for y in range(1, steps))


@pytest.mark.parametrize("slots", [1, 2, 3, 4, 7, 30])
@pytest.mark.parametrize("steps", [1, 2, 5, 12, 21])
def test_it_goes_forward_as_few_steps_as_the_recursion_says(monkeypatch, steps, slots):
    problem, gone, kept, most = make_problem(Case("rnn", T=steps, batch=1)), [], set(), []
    carried_on, segment = Windows.carried_on, Windows.segment

    def counted_on(self, state, first, stop):
        gone.append(stop - first)
        kept.add(first)
        return carried_on(self, state, first, stop)

    def counted(self, state, first, start, stop, *rest, **options):
        gone.append(stop - first)
        kept.add(first)
        most.append(len([position for position in kept if position <= first]))
        return segment(self, state, first, start, stop, *rest, **options)

    monkeypatch.setattr(Windows, "carried_on", counted_on)
    monkeypatch.setattr(Windows, "segment", counted)
    problem.estimate(f"checkpointed(slots={slots})")
    assert sum(gone) == fewest(steps, slots)


def test_the_table_of_a_longer_sequence_holds_that_of_a_shorter_one():
    cost, _ = checkpointed._table(64, 5)
    assert [int(cost[5, t]) for t in range(1, 65)] == [fewest(t, 5) for t in range(1, 65)]


def test_slots_bound_the_states_that_are_kept():
    """A step's activations and so many states: three slots take two states more than one."""
    peaks = {}
    for slots in (1, 3):
        made = Workload(f"checkpointed(slots={slots})", "rnn", 100, 16, 8).prepare()
        peaks[slots] = count_updates(made.algorithm, made.network, made.batch).peak_bytes
    assert peaks[3] - peaks[1] <= 3 * 8 * 16 * 4


def test_memory_grows_as_the_root_of_the_length():
    peaks = []
    for length in (256, 1024, 4096):
        made = Workload("checkpointed", "rnn", length, 8, 16).prepare()
        peaks.append(count_updates(made.algorithm, made.network, made.batch).peak_bytes)
    assert 1.8 <= peaks[1] / peaks[0] <= 2.2
    assert 1.8 <= peaks[2] / peaks[1] <= 2.2


@together("cell", CELLS)
def test_the_carry_is_the_state_at_the_end(cell):
    problem = shared_problem(Case(cell))
    for spec in SPECS:
        (update,) = problem.updates(spec)
        naive = problem.twin
        for part, right in zip(update.carry, naive.forward(naive.zero_state(), 0, naive.T), strict=True):
            assert float((part - right).abs().max()) <= 1e-12


def test_no_slot_at_all_is_refused():
    with pytest.raises(ValueError, match=r"slots must be at least 1, or None for one every 2 √T steps; got 0"):
        make_algorithm("checkpointed", slots=0)
