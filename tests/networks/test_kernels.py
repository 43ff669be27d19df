"""The hand-written backward pass of the tanh recurrence."""

import pytest
import torch

from throughtime.networks.kernels import TanhRecurrence

NAMES = ["x", "h0", "W", "U", "b"]


def make_arguments(T: int = 4, B: int = 2, m: int = 3, n: int = 2) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = [(T, B, m), (B, n), (n, m), (n, n), (n,)]
    return [torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_() for shape in shapes]


@pytest.mark.parametrize("B", [1, 2], ids=["batch1", "batch2"])
@pytest.mark.parametrize("T", [1, 2, 5], ids=["1step", "2steps", "5steps"])
def test_gradcheck(T, B):
    assert torch.autograd.gradcheck(TanhRecurrence.apply, make_arguments(T, B))


@pytest.mark.parametrize("wanted", range(5), ids=NAMES)
def test_gradcheck_of_one_argument_alone(wanted):
    arguments = [argument.detach().requires_grad_(i == wanted) for i, argument in enumerate(make_arguments())]
    assert torch.autograd.gradcheck(TanhRecurrence.apply, arguments)


def test_gradient_of_the_last_state_alone():
    arguments = make_arguments()
    assert torch.autograd.gradcheck(lambda *values: TanhRecurrence.apply(*values)[-1], arguments)


def test_gradcheck_of_inputs_that_are_not_contiguous():
    x, *rest = make_arguments()
    x = x.detach().transpose(0, 1).contiguous().transpose(0, 1).requires_grad_()
    assert not x.is_contiguous()
    assert torch.autograd.gradcheck(TanhRecurrence.apply, [x, *rest])


def test_states_follow_the_equation():
    x, h, W, U, b = make_arguments()
    for t, state in enumerate(TanhRecurrence.apply(x, h, W, U, b)):
        h = torch.tanh(x[t] @ W.T + h @ U.T + b)
        torch.testing.assert_close(state, h, rtol=1e-12, atol=1e-12)


def test_arguments_stay():
    arguments = make_arguments()
    before = [argument.detach().clone() for argument in arguments]
    TanhRecurrence.apply(*arguments).sum().backward()
    assert all(map(torch.equal, before, arguments))


def test_second_derivative_is_refused_and_not_wrong():
    arguments = make_arguments()
    (slope,) = torch.autograd.grad(TanhRecurrence.apply(*arguments).square().sum(), arguments[3], create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        slope.sum().backward()
