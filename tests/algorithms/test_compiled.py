"""The compiled kernels and torch give the same."""

import math
from contextlib import nullcontext

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import relative_error
from problems import CASES, CELLS, FORCINGS, LOSSES, Case, fifths, make_problem, record, shared_problem, third

from throughtime.algorithms.compiled.choose import available, kernels_of, torch_alone
from throughtime.networks import make_network
from throughtime.tasks import Batch
from throughtime.tasks.losses import cross_entropy

SPECS = [
    "full",
    "truncated(k1=2, k2=4)",
    "truncated(k1=3, k2=3)",
    "online(depth=3)",
    "stochastic(length=3, draws=3)",
    "stochastic(length=3, draws=3, burn_in=2)",
    "readout_only",
    "readout_only(update_every=3)",
    "rtrl",
    "rtrl(update_every=3)",
    "uoro",
    "snap",
    "snap(update_every=3)",
    "kf_rtrl",
    "kf_rtrl(update_every=2)",
    "eprop(feedback='random')",
    "checkpointed",
    "blocked_rtrl(block=3)",
    "artbp(mean_length=3)",
    "adaptive(delta=4, k_max=3)",
    "dni(k=2, learning_rate=0.1)",
    "fptt(every=2)",
]

pytestmark = pytest.mark.skipif(not available(), reason="Numba is not installed")


def both(problem, spec):
    """What two batches of a stream give, by the kernels and by torch: losses, weights, gradients and last states."""

    def streamed():
        found, carry = [], None
        for _ in range(2):
            for update in problem.updates(spec, carry):
                gradient = torch.cat([p.grad.flatten() for p in problem.network.parameters()])
                found.append(
                    torch.cat([gradient, update.loss.reshape(1), torch.full((1,), update.weight).to(gradient)])
                )
                carry = update.carry
        return torch.stack(found)

    by_kernels = streamed()
    with torch_alone():
        return by_kernels, streamed()


def differ(problem, spec):
    found, expected = both(problem, spec)
    return float((found - expected).abs().max())


@fifths
@pytest.mark.parametrize("loop", ["open", "closed"])
@pytest.mark.parametrize("cell", CELLS)
def test_both_forms_give_the_same(cell, loop, of):
    for number, case in enumerate(CASES):
        if case.cell == cell and (case.forcing == "teacher") == (loop == "open"):
            for spec in third(SPECS, number, of):
                assert differ(shared_problem(case), spec) <= 1e-12, (case, spec)


def in_two_forms(problem, spec, first, then):
    """The gradients of a stream's second batch, whose first was computed in another form or in the same."""
    with first():
        *_, last = problem.updates(spec)
    with then():
        return [gradient for *_, gradient in record(problem.updates(spec, last.carry), problem.network)]


@pytest.mark.parametrize("cell", CELLS)
def test_rtrl_goes_on_in_the_other_form(cell):
    # In torch's form the influence matrix lies by unit, in the kernel's by parameter.
    problem = shared_problem(Case(cell))
    expected = in_two_forms(problem, "rtrl", torch_alone, torch_alone)
    for forms in ((torch_alone, nullcontext), (nullcontext, torch_alone)):
        found = in_two_forms(problem, "rtrl", *forms)
        assert max(map(relative_error, found, expected)) <= 1e-12, forms


def in_float32(problem):
    batch = problem.batch
    targets = batch.targets.float() if batch.targets.is_floating_point() else batch.targets
    network = make_network(problem.case.cell, input_size=problem.case.m, hidden_size=problem.case.n,
                           output_size=problem.case.o, seed=0)  # fmt: skip
    return type(problem)(problem.case, network, Batch(batch.inputs.float(), targets, batch.loss, batch.mask))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("cell", CELLS)
def test_in_float32_too(cell, loss):
    problem = in_float32(make_problem(Case(cell, "masked", loss=loss, T=9, n=5)))
    assert kernels_of(problem.network, problem.batch) is not None
    for spec in SPECS:
        assert differ(problem, spec) <= 3e-6, spec


@given(
    cell=st.sampled_from(CELLS),
    loss=st.sampled_from(LOSSES),
    mask=st.sampled_from(["unmasked", "masked"]),
    sizes=st.tuples(*[st.integers(1, 6)] * 4),
    steps=st.integers(1, 12),
    turn=st.integers(0, 2),
)
@settings(max_examples=40)
def test_of_any_size(cell, loss, mask, sizes, steps, turn):
    batch, m, n, o = sizes
    problem = make_problem(Case(cell, mask, batch, loss, T=steps, m=m, n=n, o=o))
    for spec in third(SPECS, turn):
        assert differ(problem, spec) <= 1e-12, spec


@pytest.mark.parametrize("cell", CELLS)
@given(
    forcing=st.sampled_from(FORCINGS),
    mask=st.sampled_from(["unmasked", "masked"]),
    sizes=st.tuples(*[st.integers(1, 6)] * 3, st.integers(0, 3)),
    steps=st.integers(1, 9),
    turn=st.integers(0, 2),
)
@settings(max_examples=8)
def test_in_a_closed_loop_of_any_size(cell, forcing, mask, sizes, steps, turn):
    batch, n, o, outside = sizes
    problem = make_problem(Case(cell, mask, batch, T=steps, m=outside + o, n=n, o=o, forcing=forcing))
    assert kernels_of(problem.network, problem.batch) is not None
    for spec in third(SPECS, turn):
        assert differ(problem, spec) <= 1e-11, spec


@pytest.mark.parametrize("cell", CELLS)
def test_what_a_closed_loop_is_not_given_does_not_matter(cell):
    problem = make_problem(Case(cell, m=3, forcing="free"))
    expected, _ = both(problem, "full")
    problem.batch.inputs[2:, :, 1:3] = math.nan  # the truth, of which no share is given
    found, _ = both(problem, "full")
    assert torch.equal(found, expected)


def test_a_loop_that_sees_otherwise_is_torchs():
    problem = make_problem(Case("rnn", m=3, forcing="free"))
    assert kernels_of(problem.network, problem.batch) is not None
    problem.network.seen = problem.network.seen
    assert kernels_of(problem.network, problem.batch) is None


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("cell", CELLS)
def test_what_is_not_finite_stays_so(cell, broken):
    problem = make_problem(Case(cell))
    problem.batch.inputs[3, 1, 0] = broken
    for spec in ("full", "online(depth=3)", "rtrl"):
        found, expected = both(problem, spec)
        assert torch.equal(found.isnan().any(dim=1), expected.isnan().any(dim=1)), spec
        finite = expected.isfinite()
        assert torch.allclose(found[finite], expected[finite], rtol=0, atol=1e-12), spec


@pytest.mark.parametrize("loss", LOSSES)
def test_a_target_that_does_not_count_may_be_anything(loss):
    problem = make_problem(Case("rnn", "masked", loss=loss))
    expected, _ = both(problem, "full")
    problem.batch.targets[~problem.batch.mask] = -7 if loss == "classification" else math.nan
    if loss == "classification":
        problem.batch.targets.clamp_(0)
    found, _ = both(problem, "full")
    assert torch.equal(found, expected)


def test_a_class_that_cross_entropy_ignores_has_no_slope():
    problem = make_problem(Case("rnn", loss="classification"))
    problem.batch.targets[2, 1] = -100
    assert differ(problem, "full") <= 1e-12


@pytest.mark.parametrize("target", [-1, 2])
def test_a_target_that_is_no_class_is_an_error_in_both(target):
    problem = make_problem(Case("rnn", loss="classification"))
    problem.batch.targets[2, 1] = target
    for block in (torch_alone, torch.enable_grad):
        with block(), pytest.raises(IndexError, match=r"Target|target"):
            problem.estimate("full")


def test_inputs_that_lie_otherwise_in_memory():
    problem = make_problem(Case("lstm"))
    batch = problem.batch
    turned = Batch(batch.inputs.transpose(0, 1).contiguous().transpose(0, 1), batch.targets, batch.loss, batch.mask)
    found = type(problem)(problem.case, problem.network, turned).estimate("online(depth=3)")
    assert relative_error(found, problem.estimate("online(depth=3)")) <= 1e-12


def test_cross_entropy_of_large_outputs_does_not_overflow():
    problem = make_problem(Case("rnn", loss="classification"))
    assert problem.batch.loss is cross_entropy
    with torch.no_grad():
        problem.network.readout.weight.mul_(1e5)
    found, expected = both(problem, "full")
    assert torch.allclose(found, expected, rtol=1e-12)
