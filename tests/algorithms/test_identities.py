"""What each gradient must equal, and what it must differ from, at frozen parameters."""

from dataclasses import replace

import pytest
import torch
from naive import Naive, relative_error
from problems import (
    CASES,
    CELLS,
    LOSSES,
    OPEN,
    Case,
    Problem,
    estimate,
    full_gradient,
    make_problem,
    record,
    shared_problem,
    third,
    thirds,
    together,
)

T = CASES[0].T
EXACT = [
    f"truncated(k1=1, k2={T})",
    f"truncated(k1=3, k2={T})",
    f"truncated(k1={T}, k2={T})",
    "online",
    f"online(depth={T})",
    f"stochastic(length={T})",
    "rtrl",
    "rtrl(update_every=3)",
    "rtrl(update_every=None)",
]
APPROXIMATE = {
    "truncated(k1=3, k2=3)": lambda naive: naive.truncated(3, 3),
    "truncated(k1=1, k2=3)": lambda naive: naive.truncated(1, 3),
    "truncated(k1=2, k2=3)": lambda naive: naive.truncated(2, 3),
    "truncated(k1=2, k2=4)": lambda naive: naive.truncated(2, 4),
    "online(depth=1)": lambda naive: naive.online(1),
    "online(depth=2)": lambda naive: naive.online(2),
    "readout_only": Naive.readout_only,
    "readout_only(update_every=None)": Naive.readout_only,
}


def recurrent_difference(found, expected) -> float:
    name = "cell.weight_hh_l0"
    return float((found[name] - expected[name]).norm() / expected[name].norm())


def nn_twin(problem: Problem) -> tuple[torch.nn.Module, torch.nn.Linear]:
    case = problem.case
    module = getattr(torch.nn, case.cell.upper())(case.m, case.n).double()
    readout = torch.nn.Linear(case.n, case.o).double()
    module.load_state_dict(problem.network.cell.state_dict())
    readout.load_state_dict(problem.network.readout.state_dict())
    return module, readout


@together("case", CASES)
def test_full_equals_autograd_over_the_step_loop(case):
    assert relative_error(estimate(case, "full"), full_gradient(case)) <= 1e-9


@together("case", OPEN)
def test_full_equals_torch_nn(case):
    problem = shared_problem(case)
    module, readout = nn_twin(problem)
    outputs = readout(module(problem.batch.inputs)[0])
    if case.loss == "regression":
        losses = torch.nn.functional.mse_loss(outputs, problem.batch.targets, reduction="none").mean(dim=2)
    else:
        losses = torch.nn.functional.cross_entropy(outputs.mT, problem.batch.targets, reduction="none")
    mask = torch.ones_like(losses) if problem.batch.mask is None else problem.batch.mask
    ((losses * mask).sum() / mask.sum()).backward()
    expected = {f"cell.{name}": p.grad for name, p in module.named_parameters()}
    expected |= {f"readout.{name}": p.grad for name, p in readout.named_parameters()}
    assert relative_error(problem.estimate("full"), expected) <= 1e-9


# All algorithms of a case are one test each: thousands of tests take longer to be dealt out than to be run.


@together("case", CASES)
def test_exact_algorithms_equal_full(case):
    for spec in EXACT:
        assert relative_error(estimate(case, spec), estimate(case, "full")) <= 1e-9, spec


@together("case", CASES)
def test_approximations_equal_their_definitions(case):
    naive = shared_problem(case).twin
    for spec, definition in APPROXIMATE.items():
        assert relative_error(estimate(case, spec), definition(naive)) <= 1e-9, spec


@together("case", [case for case in CASES if case.batch == 3])
def test_approximations_differ_from_full(case):
    for spec in APPROXIMATE:
        assert recurrent_difference(estimate(case, spec), full_gradient(case)) > 1e-4, spec


@together("loss", LOSSES)
@together("batch", [1, 3])
@together("mask", ["unmasked", "masked", "lengths", "gap"])  # a last step sees k2 steps in both
@together("cell", CELLS)
def test_chunked_truncation_differs_from_truncation_at_every_step(cell, mask, batch, loss):
    problem = shared_problem(Case(cell, mask, batch, loss, T=12))
    chunked, sliding = problem.estimate("truncated(k1=3, k2=3)"), problem.estimate("truncated(k1=1, k2=3)")
    assert recurrent_difference(chunked, sliding) > 1e-4


@together("case", CASES)
def test_online_is_truncation_at_every_step(case):
    problem = shared_problem(case)
    assert relative_error(problem.estimate("online(depth=3)"), problem.estimate("truncated(k1=1, k2=3)")) <= 1e-12


@thirds
@pytest.mark.parametrize("cell", CELLS)
def test_finite_differences_agree_with_full(cell, of):
    for case in third([case for case in CASES if case.batch == 3 and case.cell == cell], CELLS.index(cell), of):
        hold_against_finite_differences(case)


def hold_against_finite_differences(case):
    small = replace(case, T=6, n=2, batch=2)
    problem = make_problem(small, seed=1)
    naive, expected = problem.naive(), {}
    for name, value in naive.parameters.items():
        flat, slopes = value.data.view(-1), []
        for index in range(len(flat)):
            center, losses = float(flat[index]), []
            for shifted in (center + 1e-5, center - 1e-5):
                flat[index] = shifted
                losses.append(float(loss_of(naive)))
            flat[index] = center
            slopes.append((losses[0] - losses[1]) / 2e-5)
        expected[name] = torch.tensor(slopes, dtype=torch.float64).view(value.shape)
    assert relative_error(problem.estimate("full"), expected) <= 1e-6, case


@torch.no_grad()
def loss_of(naive: Naive) -> torch.Tensor:
    state, total = naive.zero_state(), 0.0
    for t in range(naive.T):
        state = naive.walk(state, t, t + 1)
        total = total + naive.step_loss(t, state)
    return total / naive.total


@together("loss", LOSSES)
@together("cell", CELLS)
def test_last_window_shorter_than_k1(cell, loss):
    problem = shared_problem(Case(cell, "masked", loss=loss, T=8))
    assert relative_error(problem.estimate("truncated(k1=3, k2=4)"), problem.twin.truncated(3, 4)) <= 1e-9


@together("cell", CELLS)
def test_last_window_shorter_than_k1_is_an_update_of_its_own(cell):
    problem = shared_problem(Case(cell, T=8))
    weights = [update.weight for update in problem.updates("truncated(k1=3, k2=4)")]
    assert weights == pytest.approx([3 / 8, 3 / 8, 2 / 8])


@pytest.mark.parametrize("spec", ["truncated(k1=1, k2=9)", "truncated(k1=2, k2=9)", "truncated(k1=9, k2=9)"])
@together("cell", CELLS)
def test_sequence_shorter_than_k2(cell, spec):
    problem = shared_problem(Case(cell, "masked", T=3))
    assert relative_error(problem.estimate(spec), problem.twin.full()) <= 1e-9


@pytest.mark.parametrize(("k1", "k2"), [(2, 3), (3, 4), (3, 5), (4, 7)])
@together("cell", CELLS)
def test_k2_not_a_multiple_of_k1(cell, k1, k2):
    problem = shared_problem(Case(cell, "masked", T=11))
    assert relative_error(problem.estimate(f"truncated(k1={k1}, k2={k2})"), problem.twin.truncated(k1, k2)) <= 1e-9


@pytest.mark.parametrize("spec", ["truncated(k1=1, k2=2)", "truncated(k1=2, k2=3)", "online(depth=2)", "rtrl", "full"])
@together("cell", CELLS)
def test_sequence_of_one_step(cell, spec):
    problem = shared_problem(Case(cell, T=1))
    assert relative_error(problem.estimate(spec), problem.twin.full()) <= 1e-9


@pytest.mark.parametrize(
    ("spec", "every"),
    [
        ("full", 7),
        ("truncated(k1=3, k2=5)", 3),
        ("online(depth=2)", 1),
        ("online", 1),
        ("rtrl", 1),
        ("rtrl(update_every=3)", 3),
        ("rtrl(update_every=None)", 7),
        ("readout_only", 1),
        ("readout_only(update_every=3)", 3),
    ],
)
@together("mask", ["unmasked", "masked", "gap"])
@together("cell", CELLS)
def test_update_loss_is_the_mean_over_its_targets(cell, mask, spec, every):
    problem = shared_problem(Case(cell, mask))
    naive = problem.twin
    found = [float(update.loss) for update in problem.updates(spec)]
    assert found == pytest.approx([naive.mean_loss(t, min(t + every, T)) for t in range(0, T, every)], rel=1e-9)


@together("cell", CELLS)
def test_rtrl_update_has_the_gradient_of_its_own_step(cell):
    problem = shared_problem(Case(cell, "masked"))
    naive = problem.twin
    for t, (_, weight, gradient) in enumerate(record(problem.updates("rtrl"), problem.network)):
        if weight:
            expected = {name: value / naive.counts[t] for name, value in naive.loss_gradient(t, 0).items()}
            assert relative_error(gradient, expected) <= 1e-9
