"""The hand-written backward passes of the tanh recurrence, of the GRU and of the LSTM."""

import pytest
import torch

from throughtime.networks.kernels import AT_ONCE, GRURecurrence, LSTMRecurrence, TanhRecurrence
from throughtime.parts import BadInput

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


def unrolled(step):
    """h_1 … h_T by plain steps."""

    def unroll(x, h, *weights):
        hidden = []
        for now in x:
            h = step(now, h, *weights)
            hidden.append(h)
        return torch.stack(hidden)

    return unroll


def lstm_unrolled(x, h, c, W, U, b_ih, b_hh):
    """h_1 … h_T and c_T."""
    hidden = []
    for now in x:
        i, f, g, o = (now @ W.T + b_ih + h @ U.T + b_hh).chunk(4, dim=1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        hidden.append(h)
    return torch.stack(hidden), c


def of_one_state(unroll):
    """An LSTM's hidden states as a function of h_0 alone, with c_0 = 2 h_0, as the other cells have them."""
    return lambda x, h, *weights: unroll(x, h, 2 * h, *weights)[0]


KERNELS = {
    "tanh": (TanhRecurrence.apply, 1, unrolled(tanh_step)),
    "gru": (GRURecurrence.apply, 3, unrolled(gru_step)),
    "lstm": (of_one_state(LSTMRecurrence.apply), 4, of_one_state(lstm_unrolled)),
}


@pytest.fixture(params=KERNELS)
def kernel(request):
    """The kernel, the blocks of its weights, and the same in plain torch."""
    return KERNELS[request.param]


@pytest.mark.parametrize("B", [1, 2], ids=["batch1", "batch2"])
@pytest.mark.parametrize("T", [1, 2, 5], ids=["1step", "2steps", "5steps"])
def test_gradcheck(kernel, T, B):
    recurrence, blocks, _ = kernel
    assert torch.autograd.gradcheck(recurrence, make_arguments(blocks, T, B))


@pytest.mark.parametrize("wanted", range(6), ids=NAMES)
def test_gradcheck_of_one_argument_alone(kernel, wanted):
    recurrence, blocks, _ = kernel
    arguments = [argument.detach().requires_grad_(i == wanted) for i, argument in enumerate(make_arguments(blocks))]
    assert torch.autograd.gradcheck(recurrence, arguments)


def test_gradient_of_the_last_state_alone(kernel):
    recurrence, blocks, _ = kernel
    assert torch.autograd.gradcheck(lambda *values: recurrence(*values)[-1], make_arguments(blocks))


def test_gradcheck_of_inputs_that_are_not_contiguous(kernel):
    recurrence, blocks, _ = kernel
    x, *rest = make_arguments(blocks)
    x = x.detach().transpose(0, 1).contiguous().transpose(0, 1).requires_grad_()
    assert not x.is_contiguous()
    assert torch.autograd.gradcheck(recurrence, [x, *rest])


@pytest.mark.parametrize("T", [AT_ONCE - 1, AT_ONCE, 2 * AT_ONCE + 1])
def test_equals_autograd_over_plain_steps(kernel, T):
    recurrence, blocks, plain = kernel
    arguments = make_arguments(blocks, T=T)
    expected = plain(*arguments)
    hidden = recurrence(*arguments)
    torch.testing.assert_close(hidden, expected, rtol=1e-12, atol=1e-12)
    judge = torch.randn(expected.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    slopes = [torch.autograd.grad((states * judge).sum(), arguments) for states in (hidden, expected)]
    torch.testing.assert_close(*slopes, rtol=1e-10, atol=1e-12)


def test_arguments_stay(kernel):
    recurrence, blocks, _ = kernel
    arguments = make_arguments(blocks)
    before = [argument.detach().clone() for argument in arguments]
    recurrence(*arguments).sum().backward()
    assert all(map(torch.equal, before, arguments))


def test_no_two_gradients_share_memory(kernel):
    recurrence, blocks, _ = kernel
    arguments = make_arguments(blocks)
    loss = recurrence(*arguments).sum()
    directly = torch.autograd.grad(loss, arguments, retain_graph=True)  # `backward` would part what is shared
    loss.backward()
    for gradients in (directly, [argument.grad for argument in arguments]):
        places = [gradient.untyped_storage().data_ptr() for gradient in gradients]
        assert len(set(places)) == len(places)


def test_walks_back_twice_through_a_graph_that_is_kept(kernel):
    recurrence, blocks, _ = kernel
    arguments = make_arguments(blocks)
    loss = recurrence(*arguments).square().sum()
    once, again = (torch.autograd.grad(loss, arguments, retain_graph=True) for _ in range(2))
    assert all(map(torch.equal, once, again))


def test_state_of_another_precision_is_refused(kernel):
    recurrence, blocks, _ = kernel
    x, h, *weights = make_arguments(blocks)
    with pytest.raises(BadInput, match=r"inputs of torch\.float64 and a state of torch\.float32"):
        recurrence(x, h.float(), *weights)


def test_second_derivative_is_refused_and_not_wrong(kernel):
    recurrence, blocks, _ = kernel
    arguments = make_arguments(blocks)
    (slope,) = torch.autograd.grad(recurrence(*arguments).square().sum(), arguments[3], create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        slope.sum().backward()


class TestCellOfTheLSTM:
    """What the hidden states alone don't show: the second part of the state."""

    @pytest.mark.parametrize("judged", [(1.0, 0.0), (0.0, 1.0), (1.0, 1.0)], ids=["hidden", "cell", "both"])
    def test_walk_back_from_either_part(self, judged):
        x, h, *weights = make_arguments(4, T=AT_ONCE + 2)
        c = torch.linspace(-2, 2, h.numel(), dtype=torch.float64).view(h.shape).requires_grad_()
        arguments = [x, h, c, *weights]

        def slopes(unroll):
            hidden, cell = unroll(*arguments)
            loss = judged[0] * hidden.square().sum() + judged[1] * cell.pow(3).sum()
            return [hidden, cell, *torch.autograd.grad(loss, arguments)]

        for found, expected in zip(slopes(LSTMRecurrence.apply), slopes(lstm_unrolled), strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)

    def test_gradient_that_arrives_stays(self):
        x, h, *weights = make_arguments(4)
        hidden, cell = LSTMRecurrence.apply(x, h, h, *weights)
        arriving = torch.ones_like(cell)
        torch.autograd.grad((hidden, cell), [h], (torch.ones_like(hidden), arriving))
        assert arriving.eq(1).all()
