"""Layer by layer RTRL: each layer carries its own influence, and credit goes down through the layers of one step alone.

    M^l_t = I^l_t + D^l_t M^l_{t-1},     δ^L_t = ∂ℓ_t/∂h^L_t,     δ^{l-1}_t = (∂h^l_t/∂h^{l-1}_t)ᵀ δ^l_t

What a lower layer's past did to an upper layer's state, and so to the loss, is left out: exact with one layer, where it
is `rtrl`, and over one step; biased with more. On diagonal cells it costs O(P), where the exact influence of stacked
layers is dense: it is what "exact" RTRL of deep diagonal networks is in practice (Zucchet et al., NeurIPS 2023; Irie,
Gopalakrishnan & Schmidhuber, ICLR 2024). A closed loop of several layers takes its own output as given.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from throughtime.networks import AnyCell, Cell, ClosedLoop, DiagonalCell, Network, Stacked, State
from throughtime.tasks.base import Batch

from .base import Update
from .diagonal_influence import DiagonalInfluence
from .influence import Influence, StructuredInfluence
from .rtrl import RTRL
from .stepwise import StepGradients


class LayerwiseRTRL(RTRL):
    """RTRL within each layer, backpropagation between them at each step.

    Args:
        update_every: steps from one update to the next; None: one update at the sequence's end.
    """

    exact_up_to = 1
    unbiased = False
    shown_on = ("rnn(layers=2)", "lstm(layers=2)", "lru(layers=2)", "elstm(layers=3)")

    def refuses(self, network: Network) -> str:
        """Layers without a structure of their own, or within a step that is none of theirs."""
        cell = network.cell
        if not isinstance(cell, Stacked):
            return ""
        if type(network).step not in (Network.step, ClosedLoop.step):
            return f"{type(network).__name__} has a step of its own around the layers, whose credit can't be told apart"
        with cell.layers() as layers:
            strange = [type(one).__name__ for one in layers if not one.structured]
        return f"{strange[0]} has a step of its own: its Jacobians are dense, and rtrl is as cheap" if strange else ""

    def updates(
        self, network: Network, batch: Batch, carry: Any = None, *, generator: torch.Generator | None = None
    ) -> Iterator[Update]:
        """One update every `update_every` steps, of the mean loss over the targets since the last."""
        if not isinstance(network.cell, Stacked):
            yield from super().updates(network, batch, carry, generator=generator)
            return
        if carry is None:
            with network.cell.layers() as layers:
                influences = [_influence(layer, batch.size) for layer in layers]
            state = network.initial_state(batch.size)
        else:
            state, influences = carry[0], [one.copy() for one in carry[1]]
        network.check(batch.inputs, state)
        every = self.update_every or batch.length
        for start in range(0, batch.length, every):
            stop = min(start + every, batch.length)
            steps = StepGradients(network, targets=sum(batch.counts[start:stop]))
            for t in range(start, stop):
                downward, state = _advance(network, influences, batch.inputs[t], state)
                if not batch.counts[t]:
                    continue
                credit = steps.add_readout(batch, t, state[0])
                for number in reversed(range(len(influences))):
                    found = influences[number].by_name(influences[number].gradient(credit))
                    steps.add({network.cell.name_of(name, number): value for name, value in found.items()})
                    credit = downward[number](credit)
            yield steps.update(batch, start, stop, carry=(state, influences))


Downward = Callable[[Tensor], Tensor]
"""From ∂ℓ/∂h_t of a layer to that of what it was given, through this step alone."""


def _influence(layer: AnyCell, batch_size: int) -> Influence[Any]:
    if isinstance(layer, DiagonalCell):
        return DiagonalInfluence(layer, batch_size)
    assert isinstance(layer, Cell)
    return StructuredInfluence(None, layer, batch_size)


@torch.no_grad()
def _advance(
    network: Network, influences: list[Influence[Any]], x: Tensor, state: State
) -> tuple[list[Downward], State]:
    """Every layer's influence one step on, how credit goes down through each at this step, and the state after it."""
    cell = network.cell
    assert isinstance(cell, Stacked)
    x = network.seen(x, state[0]) if isinstance(network, ClosedLoop) else x
    states, downward = [], []
    with cell.layers() as layers:
        for layer, influence, old in zip(layers, influences, cell.by_layer(state), strict=True):
            assert isinstance(layer, Cell | DiagonalCell)
            local = layer.linearize(x, old)
            influence.advance(old, local)
            downward.append(_through(layer, local.by_gate))
            states.append(local.state)
            x = local.state[0]
    return downward, cell.joined(states)


def _through(layer: Cell | DiagonalCell, by_gate: Tensor) -> Downward:
    """δ_x = Σ_g W_gᵀ (φ_z[g] ∘ δ_h), of a diagonal cell over all planes of h."""
    weight, planes = layer.weight_ih_l0.detach(), 1
    blocks: Sequence[int | None] = layer.input_blocks if isinstance(layer, Cell) else range(layer.gates)
    if isinstance(layer, DiagonalCell):
        planes = layer.planes
    slopes = by_gate[:planes]  # of a gated cell's state part 0 alone, which is all that the layer above is given
    rows = weight.split(by_gate.shape[-1])

    def down(credit: Tensor) -> Tensor:
        parts = credit.unflatten(1, (planes, -1)).transpose(0, 1)
        by_z = (slopes * parts[:, None]).sum(dim=0)
        terms = [by_z[gate] @ rows[block] for gate, block in enumerate(blocks) if block is not None]
        by_input: Tensor = sum(terms[1:], terms[0])
        return by_input

    return down
