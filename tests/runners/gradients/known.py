"""Problems whose gradients are known in closed form."""

import torch
from torch import nn

from throughtime.networks import Cell, Network
from throughtime.tasks import Batch

A = 0.9


class Leaky(Cell):
    """h_t = a h_{t−1} + w x_t + b: its one gate is its state."""

    state_parts = 1
    input_blocks = (0,)
    hidden_blocks = (0,)

    def activate(self, state, z):
        return (z[0],)

    def derivatives(self, state, z):
        return (
            (z[0],),
            torch.zeros(1, 1, *z[0].shape, dtype=z[0].dtype),
            torch.ones(1, 1, *z[0].shape, dtype=z[0].dtype),
        )


def sum_of_outputs(outputs, targets):
    """ℓ_t = y_t − target: its slope is 1 everywhere."""
    return (outputs - targets).sum(dim=-1)


def leaky(a=A):
    """h_t = a h_{t−1} + x_t, y_t = h_t."""
    network = Network(Leaky(1, 1, dtype=torch.float64), nn.Linear(1, 1, dtype=torch.float64))
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.fill_(a if "weight_hh" in name else 1.0 if "weight" in name else 0.0)
    return network


def ones(length, sequences=1):
    """x_t = 1, and a loss at every step."""
    one = torch.ones(length, sequences, 1, dtype=torch.float64)
    return Batch(one, 0 * one, sum_of_outputs)


def by_a(a, length, steps=None):
    """∂/∂a of the mean of all h_t, each walked back `steps` steps (None: all): the naive double sum.

    h_t = Σ_{j<t} a^j, and ∂h_t/∂a = Σ_{k<t} a^k h_{t−1−k}, whose first `steps` terms are what is walked back.
    """
    h = [sum(a**j for j in range(t)) for t in range(length + 1)]
    return sum(a**k * h[t - 1 - k] for t in range(1, length + 1) for k in range(t)[:steps]) / length
