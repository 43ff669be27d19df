"""The two products of a step that a vector on either side of its Jacobians asks for, sequence by sequence: no matrix of
the state by the parameters is ever made.

    (∂F/∂s) s̃     and     νᵀ ∂F/∂θ      for the step s_t = F(s_{t−1}, x_t, θ)

By a cell's structure where it has one: of a gate that feeds unit i, a row of weights gets ν_i's slope times what the
gate sees. By torch's transformations elsewhere, which cost ten times as much.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, vjp, vmap

from throughtime.networks import DiagonalCell, DiagonalLinearization, Linearization, Network, State, transformable

from .influence import by_block, cell_of

Gradients = dict[str, Tensor]
"""Of each parameter, by name and for each sequence, (B, …)."""


def step_products(network: Network, x: Tensor, state: State, s: State, nu: State) -> tuple[State, State, Tensor]:
    """A step and its two products, all detached.

    Args:
        network: whose step.
        x: (B, m), as the network takes it.
        state: before the step, parts (B, n).
        s: s̃, like the state.
        nu: ν, likewise.

    Returns:
        The state after the step, (∂F/∂s) s̃, and νᵀ ∂F/∂θ, (B, P) in the order of the network's parameters, zero for
        those on which the state does not depend.

    Raises:
        BadInput: the step can't be differentiated twice, as fused layers can't, and has no structure.
    """
    with torch.no_grad():
        new, along, parts = _products(network, x, state, s, nu)
        rows = [
            parts[name].flatten(1) if name in parts else parameter.new_zeros(len(x), parameter.numel())
            for name, parameter in network.named_parameters()
        ]
        return new, along, torch.cat(rows, dim=1)


def _products(network: Network, x: Tensor, state: State, s: State, nu: State) -> tuple[State, State, Gradients]:
    if not network.structured and not network.diagonal:
        return _Step(network).products(x, state, s, nu)
    local = network.linearize(x, state)
    if isinstance(local, DiagonalLinearization):
        return local.state, *_of_diagonal(network, local, s, nu)
    assert isinstance(local, Linearization)
    return local.state, *_of_structured(network, local, state[0], s, nu)


def _of_structured(
    network: Network, local: Linearization, hidden: Tensor, s: State, nu: State
) -> tuple[State, Gradients]:
    cell, n = cell_of(network), hidden.shape[1]
    along = list(torch.bmm(local.transition, s[0][:, :, None])[:, :, 0].split(n, dim=1))
    for p in range(len(along)):
        for q in range(1, len(s)):
            along[p] = along[p] + local.by_state[p, q] * s[q]
    slopes = _weighed(nu, local.by_gate)
    by_input, by_hidden = (by_block(slopes, blocks, dim=1) for blocks in (cell.input_blocks, cell.hidden_blocks))
    recurrent = by_hidden[:, :, None] * hidden[:, None]
    back = {
        "cell.weight_ih_l0": by_input[:, :, None] * local.input[:, None],
        "cell.weight_hh_l0": recurrent if cell.mask is None else recurrent * cell.mask,
        "cell.bias_ih_l0": by_input,
        "cell.bias_hh_l0": by_hidden,
    }
    if local.by_output is not None:
        by_output = torch.bmm(torch.cat(nu, dim=1)[:, None], local.by_output)[:, 0]
        back |= {"readout.weight": by_output[:, :, None] * hidden[:, None], "readout.bias": by_output}
    return tuple(along), back


def _of_diagonal(network: Network, local: DiagonalLinearization, s: State, nu: State) -> tuple[State, Gradients]:
    cell = network.cell
    assert isinstance(cell, DiagonalCell)
    planes, signs = (part[0].split(cell.units, dim=1) for part in (s, nu))
    along = [_total(local.by_state[p, q] * planes[q] for q in range(cell.planes)) for p in range(cell.planes)]
    by_input = torch.cat(_weighed(signs, local.by_gate), dim=1)
    back = {"cell.weight_ih_l0": by_input[:, :, None] * local.input[:, None]}
    if cell.biased:
        back["cell.bias_ih_l0"] = by_input
    own = _weighed(signs, local.by_unit)
    return (torch.cat(along, dim=1),), back | {
        f"cell.{name}_l0": one for name, one in zip(cell.unit_parameters, own, strict=True)
    }


def _weighed(nu: Sequence[Tensor], slopes: Tensor) -> list[Tensor]:
    """Σ_p ν_p φ[p, k] for each k, (B, n), from slopes (S, K, B, n)."""
    return [_total(one * slope for one, slope in zip(nu, of_parts, strict=True)) for of_parts in slopes.unbind(1)]


def _total(parts: Iterable[Tensor]) -> Tensor:
    first, *rest = parts
    return sum(rest, start=first)


class _Step(nn.Module):
    """One step of one sequence, as a module's forward: `functional_call` calls that."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, state: State) -> State:
        return tuple(part[0] for part in self.network.step(x[None], tuple(part[None] for part in state)))

    def products(self, x: Tensor, state: State, s: State, nu: State) -> tuple[State, State, Gradients]:
        parameters = {name: p.detach() for name, p in self.named_parameters()}

        def of_one(x: Tensor, state: State, s: State, nu: State) -> tuple[State, State, Gradients]:
            new, pull = vjp(lambda *of: functional_call(self, of[0], (x, of[1])), parameters, state)  # type: ignore[misc]
            # The transpose of the transpose, which is jvp in reverse mode.
            _, push = vjp(lambda cotangent: pull(cotangent)[1], nu)  # type: ignore[misc]
            return new, push(s)[0], pull(nu)[0]

        with transformable(self.network, x, state):
            new, along, back = vmap(of_one)(x, state, s, nu)
        return new, along, {name.removeprefix("network."): part for name, part in back.items()}
