"""What throughtime is compared with: torch.nn with autograd, a bare batched product, and RTRL in plain numpy.

Each is written as its users would write it, and computes the same as the algorithm beside it.
"""

import numpy as np
import torch
from torch import Tensor, nn

from throughtime.networks import Cell, Network
from throughtime.runners.training.workload import Prepared
from throughtime.tasks.losses import squared_error


class TorchNN:
    """A module of torch.nn with a linear readout and the same loss, differentiated by autograd.

    Args:
        cell: ``"rnn"``, ``"gru"`` or ``"lstm"``.
        prepared: whose parameters and batch it takes.
    """

    def __init__(self, cell: str, prepared: Prepared) -> None:
        self.inputs, self.targets = prepared.batch.inputs, prepared.batch.targets
        network = prepared.network
        assert isinstance(network.cell, Cell)
        kind = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[cell]
        self.layer = kind(network.cell.input_size, network.cell.hidden_size, dtype=self.inputs.dtype)
        self.layer.load_state_dict(network.cell.state_dict())
        self.readout = nn.Linear(network.cell.hidden_size, self.targets.shape[2], dtype=self.inputs.dtype)
        self.readout.load_state_dict(network.readout.state_dict())
        self.parameters = [*self.layer.parameters(), *self.readout.parameters()]

    @property
    def known(self) -> list[Tensor]:
        """What exists before an update."""
        return [*self.parameters, self.inputs, self.targets]

    def run(self) -> None:
        """One update's forward and backward pass."""
        for parameter in self.parameters:
            parameter.grad = None
        hidden, _ = self.layer(self.inputs)
        squared_error(self.readout(hidden), self.targets).mean().backward()


class Products:
    """The products of RTRL's step alone: A (B, S n, n) times M (B, n, P), from one buffer into the other and back."""

    def __init__(self, network: Network, batch_size: int) -> None:
        cell = network.cell
        assert isinstance(cell, Cell)
        n, m, S = cell.hidden_size, cell.input_size, cell.state_parts
        gates = zip(cell.input_blocks, cell.hidden_blocks, strict=True)
        P = sum(n * (m * (i is not None) + n * (h is not None) + 1) for i, h in gates)
        draws = torch.Generator().manual_seed(0)
        turned = torch.linalg.qr(torch.randn(batch_size, n, n, generator=draws)).Q  # M neither grows nor vanishes
        self.A = turned.repeat(1, S, 1)
        self.now, self.next = (torch.randn(batch_size, S * n, P, generator=draws) for _ in range(2))

    def run(self, steps: int) -> None:
        """So many steps."""
        n = self.A.shape[2]
        for _ in range(steps):
            torch.bmm(self.A, self.now[:, :n], out=self.next)
            self.now, self.next = self.next, self.now


class NumpyRTRL:
    """RTRL of the tanh RNN for one sequence, dense, with Adam: matrix products and einsum, nothing structured.

    θ = (W | U | b), row by row: P = n (m + n + 1) columns of M = ∂h/∂θ.

    Args:
        prepared: whose parameters it takes, and the first sequence of whose batch.
        learning_rate: Adam's; 0 leaves the parameters alone.
    """

    def __init__(self, prepared: Prepared, learning_rate: float) -> None:
        p = {name: value.detach().numpy().copy() for name, value in prepared.network.named_parameters()}
        bias = p["cell.bias_ih_l0"] + p["cell.bias_hh_l0"]
        self.weights = np.concatenate([p["cell.weight_ih_l0"], p["cell.weight_hh_l0"], bias[:, None]], axis=1)
        self.V, self.c = p["readout.weight"], p["readout.bias"]
        self.inputs, self.targets = (x[:, 0].numpy() for x in (prepared.batch.inputs, prepared.batch.targets))
        n = len(bias)
        self.h = np.zeros(n, dtype=self.weights.dtype)
        self.M = np.zeros((n, self.weights.size), dtype=self.weights.dtype)
        self.parameters = [self.weights, self.V, self.c]
        self.moments = [(np.zeros_like(one), np.zeros_like(one)) for one in self.parameters]
        self.learning_rate, self.t = learning_rate, 0

    def run(self, steps: int) -> None:
        """So many steps, each with its update."""
        for _ in range(steps):
            self._adam(self.step())

    def step(self) -> list[np.ndarray]:
        """The next step: the gradient of its loss in the weights (n, m + n + 1), in V and in c."""
        n, m = len(self.h), self.inputs.shape[1]
        x, y = self.inputs[self.t % len(self.inputs)], self.targets[self.t % len(self.inputs)]
        self.t += 1
        seen = np.concatenate([x, self.h, np.ones(1, dtype=x.dtype)])
        self.h = np.tanh(self.weights @ seen)
        slope = 1 - self.h**2
        A = slope[:, None] * self.weights[:, m : m + n]
        immediate = np.einsum("ij,k->ijk", np.diag(slope), seen).reshape(self.M.shape)
        self.M = A @ self.M + immediate
        error = 2 * (self.V @ self.h + self.c - y) / len(y)
        gradient = (error @ self.V) @ self.M
        return [gradient.reshape(self.weights.shape), np.outer(error, self.h), error]

    def _adam(self, gradients: list[np.ndarray]) -> None:
        for parameter, gradient, (mean, square) in zip(self.parameters, gradients, self.moments, strict=True):
            mean += 0.1 * (gradient - mean)
            square += 0.001 * (gradient**2 - square)
            spread = np.sqrt(square / (1 - 0.999**self.t)) + 1e-8
            parameter -= self.learning_rate / (1 - 0.9**self.t) * mean / spread
