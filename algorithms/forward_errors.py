"""Errors forward through time: BPTT's own recursion for the errors, solved from the first step to the last.

    δ_t = D_{t+1}ᵀ δ_{t+1} + q_t     ⟺     δ_{t+1} = D_{t+1}^{−ᵀ} (δ_t − q_t),     D_t = ∂s_t/∂s_{t-1},  q_t = ∂ℓ_t/∂s_t

δ_t is all that the losses from step t on owe to s_t, so Σ_t δ_tᵀ ∂s_t/∂θ|immediate is full BPTT's gradient. A first
pass forward gathers where to begin, δ_1 = Σ_t (D_t … D_2)ᵀ q_t, a second one goes on from there: nothing is walked
back, no state is kept, and the memory is O(B n²) at any length. (Zucchet, Pourcel & Ernoult, 2026: "forward propagation
of errors through time".)

Exact in exact arithmetic. In floating point a rounding error is multiplied by D^{−ᵀ} at every step: it grows as fast as
the network forgets, and what is left after some tens of steps of a forgetting network is noise. Where a D_t is
singular, as saturated or dead units make it, there is no δ_{t+1} to go to: `NoGradient` says so, and a run ends with
that reason.
"""

import math
from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor

from throughtime.networks import (
    DenseLinearization,
    DiagonalCell,
    DiagonalLinearization,
    Linearization,
    Network,
    State,
)
from throughtime.tasks.base import Batch

from .base import Algorithm, NoGradient, Update, no_update
from .influence import cell_gradients, cell_of
from .stepwise import StepGradients
from .window import Windows

AnyLinearization = Linearization | DiagonalLinearization | DenseLinearization


class ForwardErrors(Algorithm):
    """The exact gradient of a whole sequence, once, by two passes forward."""

    exact_up_to = math.inf
    unbiased = True
    online = False  # its memory does not grow, but an error knows of all losses to come: a stream can't be cut anywhere
    backward_mode = False
    expected_failures: ClassVar[dict[str, str]] = {
        "is_exact_up_to": "rounding errors grow as fast as the network forgets: at T = 200 nothing else is left",
        "is_exact_where_nothing_is_remembered": "where nothing is handed on a Jacobian is singular, and it says so",
        "is_online": "rounding errors outgrow float32 before T = 64, in a network that forgets",
        "serves_each_precision_and_device": "float32's rounding errors have grown too large by T = 7",
    }

    def updates(
        self, network: Network, batch: Batch, carry: Any = None, *, generator: torch.Generator | None = None
    ) -> Iterator[Update]:
        """One update: ∂L/∂θ of the mean loss L over the batch's targets.

        Raises:
            NoGradient: a step's Jacobian is singular, or the errors outgrew the numbers.
        """
        start = network.initial_state(batch.size) if carry is None else carry
        network.check(batch.inputs, start)
        if not batch.total:
            yield no_update(network, Windows(network, batch).carried_on(start, 0, batch.length))
            return
        found = StepGradients(network, batch.total)
        error = _first_error(network, batch, start, found)
        again, state = StepGradients(network, batch.total), start
        for t in range(batch.length):
            local = network.linearize(batch.inputs[t], state)
            if t:
                error = _next_error(error, _jacobian(local), t)
            found.add(_immediate(network, state, local, error))
            state = local.state
            if batch.counts[t]:
                error = error - _padded(again.add_readout(batch, t, state[0]), state)
        yield found.update(batch, 0, batch.length, state)


def _first_error(network: Network, batch: Batch, state: State, found: StepGradients) -> Tensor:
    """δ_1, (B, D) for a state of D numbers; the readout's gradients are added to what was found."""
    product, error = None, torch.cat([torch.zeros_like(part) for part in state], dim=1)
    for t in range(batch.length):
        local = network.linearize(batch.inputs[t], state)
        jacobian = _jacobian(local)
        if product is None:
            product = torch.eye(jacobian.shape[1], dtype=jacobian.dtype, device=jacobian.device).expand_as(jacobian)
        else:
            product = torch.bmm(jacobian, product)  # D_t … D_2
        state = local.state
        if batch.counts[t]:
            by_hidden = found.add_readout(batch, t, state[0])
            error = error + torch.bmm(by_hidden[:, None], product[:, : by_hidden.shape[1]])[:, 0]
    return error


def _next_error(rest: Tensor, jacobian: Tensor, t: int) -> Tensor:
    """δ of step t from δ − q of the step before it."""
    error: Tensor
    error, info = torch.linalg.solve_ex(jacobian.mT, rest)
    singular = info.nonzero()
    if len(singular):
        raise NoGradient(
            f"∂s/∂s of step {t} is singular in sequence {int(singular[0])} of the batch, so no error follows from the "
            f"one before it: units are saturated or dead; smaller weights, float64, or an algorithm that walks back"
        )
    if not bool(error.isfinite().all()):
        raise NoGradient(
            f"the errors outgrew {str(error.dtype).removeprefix('torch.')} by step {t}: they grow as fast as the "
            f"network forgets; shorter sequences, float64, or an algorithm that walks back"
        )
    return error


def _jacobian(local: AnyLinearization) -> Tensor:
    """D_t, (B, D, D)."""
    if isinstance(local, DenseLinearization):
        return local.by_state
    if isinstance(local, Linearization) and len(local.by_state) == 1:
        return local.transition
    S, _, B, n = local.by_state.shape
    jacobian = local.by_state.new_zeros(B, S, n, S, n)
    unit_by_unit = range(S)
    if isinstance(local, Linearization):
        jacobian[:, :, :, 0] = local.transition.view(B, S, n, n)
        unit_by_unit = range(1, S)
    for p in range(S):
        for q in unit_by_unit:
            jacobian[:, p, :, q].diagonal(dim1=1, dim2=2).copy_(local.by_state[p, q])
    return jacobian.view(B, S * n, S * n)


def _padded(by_hidden: Tensor, state: State) -> Tensor:
    """∂ℓ_t/∂s_t, (B, D): of the other parts it is zero."""
    return torch.cat([by_hidden, *(torch.zeros_like(part) for part in state[1:])], dim=1)


def _immediate(network: Network, state: State, local: AnyLinearization, error: Tensor) -> dict[str, Tensor]:
    """δ_tᵀ ∂s_t/∂θ|immediate, summed over the batch, by parameter name; state: before the step."""
    if isinstance(local, DenseLinearization):
        owed = error.flatten()
        shapes = {name: parameter.shape for name, parameter in network.named_parameters()}
        return {name: (owed @ slopes.flatten(0, 1)).view(shapes[name]) for name, slopes in local.by_parameters.items()}
    owed = error.unflatten(1, (len(local.by_state), -1)).transpose(0, 1)[:, None]
    by_gate = (owed * local.by_gate).sum(0)  # (G, B, n)
    if isinstance(local, DiagonalLinearization):
        return _of_diagonal(network, local, by_gate, (owed * local.by_unit).sum(0))
    hidden, cell = state[0], cell_of(network)
    seen = torch.cat([local.input, hidden, hidden.new_ones(len(hidden), 1)], dim=1)
    gradients = cell_gradients(cell, (by_gate.mT @ seen).unbind(), cell.mask)
    if local.by_output is not None:
        by_output = (error[:, None] @ local.by_output)[:, 0]
        gradients |= {"readout.weight": by_output.T @ hidden, "readout.bias": by_output.sum(0)}
    return gradients


def _of_diagonal(network: Network, local: DiagonalLinearization, by_gate: Tensor, by_unit: Tensor) -> dict[str, Tensor]:
    """Of a diagonal cell, by the slopes at its gates (G, B, u) and at its units' own parameters (K, B, u)."""
    cell = network.cell
    assert isinstance(cell, DiagonalCell)
    gradients = {"cell.weight_ih_l0": (by_gate.mT @ local.input).flatten(0, 1)}
    if cell.biased:
        gradients["cell.bias_ih_l0"] = by_gate.sum(1).flatten()
    own = zip(cell.unit_parameters, by_unit.sum(1), strict=True)
    return gradients | {f"cell.{name}_l0": one for name, one in own}
