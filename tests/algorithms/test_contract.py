"""What every algorithm owes its caller, whatever gradient it computes."""

import inspect
import itertools
import math
from pathlib import Path

import pytest
import torch
from naive import relative_error
from problems import (
    CELLS,
    Case,
    Problem,
    every,
    full_gradient,
    in_turn,
    make_problem,
    record,
    shared_problem,
    tensors_in,
)

import throughtime.algorithms
from throughtime.algorithms import ALGORITHMS, Algorithm, make_algorithm
from throughtime.parts.specs import snake_case

SPECS = [
    "full",
    "truncated(k1=1, k2=4)",
    "truncated(k1=2, k2=3)",
    "truncated(k1=3, k2=3)",
    "online",
    "online(depth=3)",
    "stochastic(length=3)",
    "stochastic(length=3, draws=4)",
    "stochastic(length=3, burn_in=2)",
    "rtrl",
    "rtrl(update_every=3)",
    "rtrl(update_every=None)",
    "readout_only",
    "readout_only(update_every=None)",
    "checkpointed",
    "checkpointed(slots=2)",
    "blocked_rtrl(block=3)",
    "artbp(mean_length=2)",
    "adaptive(delta=4, k_max=6)",
    "dni(k=3, learning_rate=0.1)",
    "fptt(every=3)",
]


def buildable_without_parameters(name: str) -> bool:
    parameters = inspect.signature(ALGORITHMS.get(name)).parameters.values()
    return all(parameter.default is not inspect.Parameter.empty for parameter in parameters)


# An algorithm that joins the folder joins these tests, if its name alone builds it.
LISTED = {spec.split("(")[0] for spec in SPECS}
SPECS += [name for name in ALGORITHMS.names() if name not in LISTED and buildable_without_parameters(name)]

WHOLE = [spec for spec in SPECS if not spec.startswith("stochastic")]  # its windows are tested with their enumeration
SHORT = {"forward_errors": 3}  # beyond, rounding errors have grown by as much as the network forgets
PROMISED = {spec: make_algorithm(spec).exact_up_to for spec in SPECS}

MASKS = ("masked", "gap", "empty")

each_spec = pytest.mark.parametrize("spec", SPECS)
# Each algorithm meets each cell and each mask; each pair of these where it is asked for.
chosen = pytest.mark.parametrize("choose", [in_turn, pytest.param(every, marks=pytest.mark.long)])


def clear(problem: Problem) -> None:
    for parameter in problem.network.parameters():
        parameter.grad = None


@chosen
@each_spec
def test_every_grad_is_filled(spec, choose):
    for case in choose(SPECS.index(spec), MASKS):
        problem = make_problem(case)
        clear(problem)
        for _ in problem.updates(spec):
            for name, parameter in problem.network.named_parameters():
                assert parameter.grad is not None, (case, name)
                assert (parameter.grad.shape, parameter.grad.dtype) == (parameter.shape, parameter.dtype), (case, name)
                assert not parameter.grad.requires_grad, (case, name)
            clear(problem)


@each_spec
def test_parameter_that_the_loss_does_not_see_gets_zeros(spec):
    for cell in CELLS:
        problem = make_problem(Case(cell, "masked"))
        problem.network.register_parameter("spare", torch.nn.Parameter(torch.ones(2, dtype=torch.float64)))
        for _ in problem.updates(spec):
            assert torch.equal(problem.network.spare.grad, torch.zeros(2, dtype=torch.float64)), cell
            clear(problem)


@each_spec
def test_grad_is_set_and_not_added_to(spec):
    for cell in CELLS:
        problem = make_problem(Case(cell, "gap"))
        expected = record(problem.updates(spec), problem.network)
        for parameter in problem.network.parameters():
            parameter.grad = torch.full_like(parameter, 7.0)
        found = record(problem.updates(spec), problem.network)
        for a, b in zip(found, expected, strict=True):
            assert all(torch.equal(a[2][name], b[2][name]) for name in a[2]), cell


@each_spec
def test_no_two_grads_share_memory(spec):
    """Clipping scales each in place: shared memory would be scaled twice."""
    for cell, batch, steps in itertools.product(CELLS, (1, 3), (1, 7)):
        problem = make_problem(Case(cell, batch=batch, T=steps))
        for _ in problem.updates(spec):
            grads = sorted((parameter.grad for parameter in problem.network.parameters()), key=torch.Tensor.data_ptr)
            assert all(grad.is_contiguous() for grad in grads), problem.case
            for one, next_one in itertools.pairwise(grads):
                assert one.data_ptr() + one.nbytes <= next_one.data_ptr(), problem.case


@each_spec
def test_caller_may_overwrite_the_grads(spec):
    for cell in CELLS:
        problem = make_problem(Case(cell, "masked"))
        expected = record(problem.updates(spec), problem.network)
        found = []
        for update in problem.updates(spec):
            found.append((update.loss.clone(), [parameter.grad.clone() for parameter in problem.network.parameters()]))
            for parameter in problem.network.parameters():
                parameter.grad.fill_(torch.nan)
        for (loss, grads), (right_loss, _, right_grads) in zip(found, expected, strict=True):
            assert float(loss) == right_loss, cell
            assert all(map(torch.equal, grads, right_grads.values())), cell


@chosen
@pytest.mark.parametrize("spec", WHOLE)
def test_weights_sum_to_one_and_losses_average_to_the_batch_loss(spec, choose):
    for case in choose(SPECS.index(spec), ("unmasked", "masked", "lengths", "gap", "last")):
        problem = shared_problem(case)
        updates = [(update.weight, float(update.loss)) for update in problem.updates(spec)]
        assert sum(weight for weight, _ in updates) == pytest.approx(1, rel=1e-12), case
        mean = sum(weight * loss for weight, loss in updates)
        assert mean == pytest.approx(problem.twin.mean_loss(0, case.T), rel=1e-9), case


@chosen
@each_spec
def test_update_without_targets_has_zero_grad(spec, choose):
    for case in choose(SPECS.index(spec), MASKS):
        problem = shared_problem(case)
        for _, weight, gradient in record(problem.updates(spec), problem.network):
            assert weight > 0 or not any(bool(value.any()) for value in gradient.values()), case
            assert weight == 0 or case.mask != "empty", case


@chosen
@each_spec
def test_loss_and_carry_are_detached_and_autograd_is_on_at_every_yield(spec, choose):
    for case in choose(SPECS.index(spec) + 1, MASKS):
        for update in shared_problem(case).updates(spec):
            assert torch.is_grad_enabled(), case
            assert update.loss.shape == (), case
            assert not update.loss.requires_grad, case
            carried = list(tensors_in(update.carry))
            assert not any(tensor.requires_grad or tensor.grad_fn is not None for tensor in carried), case
        assert carried, "the last update has a carry"


@each_spec
def test_parameters_and_batch_stay(spec):
    for cell in CELLS:
        problem = make_problem(Case(cell, "masked"))
        batch = problem.batch
        before = {name: parameter.detach().clone() for name, parameter in problem.network.named_parameters()}
        data = [tensor.clone() for tensor in (batch.inputs, batch.targets, batch.mask)]
        list(problem.updates(spec))
        assert all(torch.equal(before[name], parameter) for name, parameter in problem.network.named_parameters()), cell
        assert all(map(torch.equal, data, (batch.inputs, batch.targets, batch.mask))), cell
        assert not batch.inputs.requires_grad, cell


@each_spec
def test_same_seed_gives_the_same_and_the_global_random_state_stays(spec):
    for cell in CELLS:
        problem, before = shared_problem(Case(cell, "masked")), torch.get_rng_state()
        once, twice = problem.estimate(spec, seed=5), problem.estimate(spec, seed=5)
        assert all(torch.equal(once[name], twice[name]) for name in once), cell
        assert torch.equal(before, torch.get_rng_state()), cell


@each_spec
def test_float32_stays_float32(spec):
    for cell in CELLS:
        problem = make_problem(Case(cell, "masked"))
        network, batch = problem.network.float(), problem.batch.to(dtype=torch.float32)
        for update in make_algorithm(spec).updates(network, batch, generator=torch.Generator().manual_seed(0)):
            assert {tensor.dtype for tensor in tensors_in(update.carry)} <= {torch.float32}, cell
            found = {update.loss.dtype, *(parameter.grad.dtype for parameter in network.parameters())}
            assert found == {torch.float32}, cell


@each_spec
def test_estimate_gradient_restores_the_grads_and_is_keyed_by_parameter_name(spec):
    for cell in CELLS:
        problem = make_problem(Case(cell))
        kept = [torch.full_like(parameter, 3.0) for parameter in problem.network.parameters()]
        kept[0] = None
        for parameter, grad in zip(problem.network.parameters(), kept, strict=True):
            parameter.grad = grad
        found = problem.estimate(spec)
        assert all(parameter.grad is grad for parameter, grad in zip(problem.network.parameters(), kept, strict=True))
        assert all(bool((grad == 3).all()) for grad in kept[1:]), cell
        shapes = {name: value.shape for name, value in found.items()}
        assert shapes == {name: parameter.shape for name, parameter in problem.network.named_parameters()}, cell


def test_estimate_gradient_restores_the_grads_after_an_error():
    class Failing(Algorithm):
        def updates(self, network, batch, carry=None, *, generator=None):
            for parameter in network.parameters():
                parameter.grad = torch.ones_like(parameter)
            raise RuntimeError("fails on the way")
            yield

    problem = make_problem(Case("rnn"))
    clear(problem)
    with pytest.raises(RuntimeError, match="fails on the way"):
        throughtime.algorithms.estimate_gradient(Failing(), problem.network, problem.batch)
    assert all(parameter.grad is None for parameter in problem.network.parameters())


@pytest.mark.parametrize("spec", [spec for spec, promised in PROMISED.items() if promised])
def test_equals_full_as_far_as_promised(spec):
    for cell in CELLS:
        case = Case(cell, T=SHORT.get(spec, 9) if math.isinf(PROMISED[spec]) else int(PROMISED[spec]))
        assert relative_error(shared_problem(case).estimate(spec), full_gradient(case)) <= 1e-9, cell


@pytest.mark.parametrize(  # one that shows its bias on other cells has tests of its own
    "spec",
    [spec for spec, promised in PROMISED.items() if not (math.isinf(promised) or make_algorithm(spec).shown_on)],
)
def test_differs_from_full_beyond_the_promise(spec):
    for cell in CELLS:
        case = Case(cell, T=int(PROMISED[spec]) + 1 if PROMISED[spec] else 3)
        assert relative_error(shared_problem(case).estimate(spec), full_gradient(case)) > 1e-4, cell


@each_spec
def test_promises_fit_each_other_and_are_of_the_declared_types(spec):
    algorithm = make_algorithm(spec)
    assert algorithm.unbiased or not math.isinf(algorithm.exact_up_to)
    assert isinstance(algorithm.exact_up_to, (int, float))
    assert isinstance(algorithm.unbiased, bool)
    assert isinstance(algorithm.online, bool)


@pytest.mark.parametrize(
    ("spec", "promises"),
    {
        "full": (math.inf, True, False),
        "truncated(k1=2, k2=5)": (5, False, True),
        "online(depth=4)": (4, False, True),
        "online(depth=None)": (math.inf, True, False),
        "stochastic(length=3)": (3, False, False),
        "rtrl": (math.inf, True, True),
        "readout_only": (0, False, True),
        "readout_only(update_every=None)": (0, False, False),
        "checkpointed": (math.inf, True, False),
        "blocked_rtrl(block=3)": (math.inf, True, True),
        "artbp(mean_length=2)": (1, True, False),
        "adaptive(delta=4, k_max=6)": (6, False, True),
        "adaptive(delta=0, k_max=3)": (5, False, True),
        "dni(k=3)": (3, False, True),
        "fptt(every=3)": (3, False, True),
        "forward_errors": (math.inf, True, False),
    }.items(),
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_promises(spec, promises):
    algorithm = make_algorithm(spec)
    assert (algorithm.exact_up_to, algorithm.unbiased, algorithm.online) == promises


def test_names_are_file_names():
    files = {path.stem for path in Path(throughtime.algorithms.__file__).parent.glob("*.py")}
    assert set(ALGORITHMS.names()) <= files


def test_names_are_class_names():
    assert [snake_case(ALGORITHMS.get(name).__name__) for name in ALGORITHMS.names()] == ALGORITHMS.names()


def test_the_six_are_there():
    assert {"full", "truncated", "online", "stochastic", "rtrl", "readout_only"} <= set(ALGORITHMS.names())


def test_helpers_are_no_algorithms():
    assert not {"base", "registry", "influence", "stepwise"} & set(ALGORITHMS.names())
