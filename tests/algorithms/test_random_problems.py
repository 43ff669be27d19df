"""The identities on problems of any size, with any mask and any window."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import relative_error
from problems import CELLS, FORCINGS, LOSSES, Case, Problem, make_problem


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    loss = draw(st.sampled_from(LOSSES))
    o = draw(st.integers(1 if loss == "regression" else 2, 3))  # a single class has no gradient
    forcing = draw(st.sampled_from(["teacher", *FORCINGS]))
    case = Case(
        cell=draw(st.sampled_from(CELLS)),
        mask="drawn",
        batch=draw(st.integers(1, 3)),
        loss=loss,
        T=draw(st.integers(1, 9)),
        m=draw(st.integers(1, 3)) if forcing == "teacher" else o + draw(st.integers(0, 2)),
        n=draw(st.integers(1, 4)),
        o=o,
        forcing=forcing,
    )
    size = case.T * case.batch
    mask = torch.tensor(draw(st.lists(st.booleans(), min_size=size, max_size=size))).view(case.T, case.batch)
    return make_problem(case, seed=draw(st.integers(0, 1000)), mask=mask)


@settings(max_examples=40)
@given(problem=problems())
def test_full_equals_autograd_over_the_step_loop(problem):
    assert relative_error(problem.estimate("full"), problem.naive().full()) <= 1e-9


@settings(max_examples=60)
@given(problem=problems(), data=st.data())
def test_exact_algorithms_equal_full(problem, data):
    T = problem.case.T
    k1 = data.draw(st.integers(1, T), label="k1")
    every = data.draw(st.integers(1, T), label="update_every")
    k2 = data.draw(st.integers(T, T + 3), label="k2")
    spec = data.draw(
        st.sampled_from(
            [
                f"truncated(k1={k1}, k2={k2})",
                "online",
                f"online(depth={k2})",
                f"stochastic(length={k2})",
                f"rtrl(update_every={every})",
                "rtrl(update_every=None)",
            ]
        ),
        label="spec",
    )
    assert relative_error(problem.estimate(spec), problem.estimate("full")) <= 1e-9


@settings(max_examples=60)
@given(problem=problems(), data=st.data())
def test_truncated_equals_its_definition(problem, data):
    k1 = data.draw(st.integers(1, 6), label="k1")
    k2 = data.draw(st.integers(k1, 10), label="k2")
    found = problem.estimate(f"truncated(k1={k1}, k2={k2})")
    assert relative_error(found, problem.naive().truncated(k1, k2)) <= 1e-9


@settings(max_examples=25)
@given(problem=problems(), depth=st.integers(1, 9))
def test_online_equals_its_definition(problem, depth):
    assert relative_error(problem.estimate(f"online(depth={depth})"), problem.naive().online(depth)) <= 1e-9


@settings(max_examples=25)
@given(problem=problems(), update_every=st.integers(1, 9))
def test_readout_only_equals_its_definition(problem, update_every):
    found = problem.estimate(f"readout_only(update_every={update_every})")
    assert relative_error(found, problem.naive().readout_only()) <= 1e-9


@settings(max_examples=25)
@given(problem=problems(), length=st.integers(1, 9), burn_in=st.none() | st.integers(0, 4))
def test_stochastic_draw_is_one_of_the_windows(problem, length, burn_in):
    possible = problem.naive().windows(length, burn_in)
    found = problem.estimate(f"stochastic(length={length}, burn_in={burn_in})")
    errors = [
        relative_error(found, {name: weight * value for name, value in gradient.items()})
        for _, weight, gradient in possible
    ]
    assert min(errors) <= 1e-9
