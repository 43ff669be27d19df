"""The hand-written backward passes of the tanh recurrence and of the GRU."""

import pytest
import torch

from throughtime.networks.kernels import AT_ONCE, GRURecurrence, TanhRecurrence

NAMES = ["x", "h0", "W", "U", "b_ih", "b_hh"]


def make_arguments(blocks: int, T: int = 4, B: int = 2, m: int = 3, n: int = 2) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = [(T, B, m), (B, n), (blocks * n, m), (blocks * n, n), (blocks * n,), (blocks * n,)]
    return [torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_() for shape in shapes]


def tanh_step(x, h, W, U, b_ih, b_hh):
    return torch.tanh(x @ W.T + b_ih + h @ U.T + b_hh)


def gru_step(x, h, W, U, b_ih, b_hh):
    from_input, from_hidden = (x @ W.T + b_ih).chunk(3, dim=1), (h @ U.T + b_hh).chunk(3, dim=1)
    r, u = (torch.sigmoid(from_input[gate] + from_hidden[gate]) for gate in (0, 1))
    candidate = torch.tanh(from_input[2] + r * from_hidden[2])
    return (1 - u) * candidate + u * h


KERNELS = {"tanh": (TanhRecurrence, 1, tanh_step), "gru": (GRURecurrence, 3, gru_step)}


@pytest.fixture(params=KERNELS)
def kernel(request):
    """The kernel, the blocks of its weights, and its step in plain torch."""
    return KERNELS[request.param]


@pytest.mark.parametrize("B", [1, 2], ids=["batch1", "batch2"])
@pytest.mark.parametrize("T", [1, 2, 5], ids=["1step", "2steps", "5steps"])
def test_gradcheck(kernel, T, B):
    recurrence, blocks, _ = kernel
    assert torch.autograd.gradcheck(recurrence.apply, make_arguments(blocks, T, B))


@pytest.mark.parametrize("wanted", range(6), ids=NAMES)
def test_gradcheck_of_one_argument_alone(kernel, wanted):
    recurrence, blocks, _ = kernel
    arguments = [argument.detach().requires_grad_(i == wanted) for i, argument in enumerate(make_arguments(blocks))]
    assert torch.autograd.gradcheck(recurrence.apply, arguments)


def test_gradient_of_the_last_state_alone(kernel):
    recurrence, blocks, _ = kernel
    assert torch.autograd.gradcheck(lambda *values: recurrence.apply(*values)[-1], make_arguments(blocks))


def test_gradcheck_of_inputs_that_are_not_contiguous(kernel):
    recurrence, blocks, _ = kernel
    x, *rest = make_arguments(blocks)
    x = x.detach().transpose(0, 1).contiguous().transpose(0, 1).requires_grad_()
    assert not x.is_contiguous()
    assert torch.autograd.gradcheck(recurrence.apply, [x, *rest])


@pytest.mark.parametrize("T", [AT_ONCE - 1, AT_ONCE, 2 * AT_ONCE + 1])
def test_equals_autograd_over_plain_steps(kernel, T):
    recurrence, blocks, step = kernel
    arguments = make_arguments(blocks, T=T)
    x, h, *weights = arguments
    expected = []
    for t in range(T):
        h = step(x[t], h, *weights)
        expected.append(h)
    expected = torch.stack(expected)
    hidden = recurrence.apply(*arguments)
    torch.testing.assert_close(hidden, expected, rtol=1e-12, atol=1e-12)
    judge = torch.randn(expected.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    slopes = [torch.autograd.grad((states * judge).sum(), arguments) for states in (hidden, expected)]
    torch.testing.assert_close(*slopes, rtol=1e-10, atol=1e-12)


def test_arguments_stay(kernel):
    recurrence, blocks, _ = kernel
    arguments = make_arguments(blocks)
    before = [argument.detach().clone() for argument in arguments]
    recurrence.apply(*arguments).sum().backward()
    assert all(map(torch.equal, before, arguments))


def test_no_two_gradients_share_memory(kernel):
    recurrence, blocks, _ = kernel
    arguments = make_arguments(blocks)
    recurrence.apply(*arguments).sum().backward()
    places = [argument.grad.untyped_storage().data_ptr() for argument in arguments]
    assert len(set(places)) == len(places)


def test_walks_back_twice_through_a_graph_that_is_kept(kernel):
    recurrence, blocks, _ = kernel
    arguments = make_arguments(blocks)
    loss = recurrence.apply(*arguments).square().sum()
    once, again = (torch.autograd.grad(loss, arguments, retain_graph=True) for _ in range(2))
    assert all(map(torch.equal, once, again))


def test_second_derivative_is_refused_and_not_wrong(kernel):
    recurrence, blocks, _ = kernel
    arguments = make_arguments(blocks)
    (slope,) = torch.autograd.grad(recurrence.apply(*arguments).square().sum(), arguments[3], create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        slope.sum().backward()
