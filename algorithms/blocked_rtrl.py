"""Blocked RTRL: BPTT inside blocks of h steps, and the influence carried from block to block (Schmidhuber, "A fixed size
storage O(n³) time complexity learning algorithm", Neural Computation 4, 1992; Williams & Zipser 1995, "hybrid").

    ∂L_block/∂θ = BPTT in the block + ∂L_block/∂s_start · M,     M ← J M + ∂s_end/∂θ in the block,     J = ∂s_end/∂s_start

J and the block's own ∂s_end/∂θ come from BPTT too, one walk back for each number of s_end, all side by side. A block
costs h steps of n such walks, O(h n³), and one product J M, O(n⁴), where RTRL multiplies M at every step: with h = n a
step is O(n³). Exact, and the memory is O(h n² + n P) at any length.
"""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from throughtime.networks import Linearization, Network, State
from throughtime.networks.dense import linearize_densely
from throughtime.tasks.base import Batch

from .base import Algorithm, Update, no_update
from .influence import DenseInfluence, Influence, StructuredInfluence, make_influence
from .window import Windows


class BlockedRTRL(Algorithm):
    """The exact gradient at the end of every block.

    Args:
        block: h, the steps of a block, 1 or more; the last one of a batch may be shorter. The number of units is best.
    """

    exact_up_to = math.inf
    unbiased = True
    online = True

    def __init__(self, block: int) -> None:
        if block < 1:
            raise ValueError(f"block must be at least 1 step, got {block}")
        self.block = block

    def updates(
        self, network: Network, batch: Batch, carry: Any = None, *, generator: torch.Generator | None = None
    ) -> Iterator[Update]:
        """One update a block, of the mean loss over its targets."""
        if carry is None:
            state, influence = network.initial_state(batch.size), make_influence(network, batch.size)
        else:
            state, influence = carry[0], carry[1].copy()
        network.check(batch.inputs, state)
        windows, nothing = Windows(network, batch), tuple(torch.zeros_like(part) for part in state)
        for start in range(0, batch.length, self.block):
            stop = min(start + self.block, batch.length)
            if targets := sum(batch.counts[start:stop]):
                loss, after, leaving = windows.segment(state, start, start, stop, targets, nothing)
                _add(network, influence.by_name(_past(influence, leaving)))
                update = Update(loss, batch.share(start, stop), None)
            else:
                after, update = windows.carried_on(state, start, stop), no_update(network, None)
            _advance(influence, network, batch.inputs[start:stop], state)
            state = after
            yield update._replace(carry=(state, influence))


@torch.no_grad()
def _past(influence: Influence[Any], leaving: State) -> Tensor:
    """∂L/∂s_start · M, summed over the batch: (P,)."""
    assert isinstance(influence, StructuredInfluence | DenseInfluence)
    return torch.bmm(torch.cat(leaving, dim=1)[:, None], influence.matrix).sum(dim=(0, 1))


@torch.no_grad()
def _add(network: Network, gradients: dict[str, Tensor]) -> None:
    for name, parameter in network.named_parameters():
        if name in gradients:
            assert parameter.grad is not None
            parameter.grad += gradients[name]


def _advance(influence: Influence[Any], network: Network, inputs: Tensor, state: State) -> None:
    """M at the end of a block, from M and the state at its start; inputs (h, B, m)."""
    if isinstance(influence, StructuredInfluence):
        steps, before = [], state
        for x in inputs.unbind():
            local = network.linearize(x, before)
            assert isinstance(local, Linearization)
            steps.append((local, before[0]))
            before = local.state
        _walk_back(influence, steps)
    else:
        local_of_block = linearize_densely(_Block(network), inputs.transpose(0, 1), state)
        named = local_of_block.by_parameters
        by_parameters = {name.removeprefix("network."): slope for name, slope in named.items()}
        influence.advance(state, type(local_of_block)(local_of_block.state, local_of_block.by_state, by_parameters))


class _Block(nn.Module):
    """The steps of a block as one step, of an input (B, h, m)."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    @property
    def cell(self) -> nn.Module:
        """Of which an error speaks."""
        return self.network.cell

    def step(self, input: Tensor, state: State) -> State:
        """One after the other."""
        for x in input.unbind(1):
            state = self.network.step(x, state)
        return state


@torch.no_grad()
def _walk_back(influence: StructuredInfluence, steps: list[tuple[Linearization, Tensor]]) -> None:
    """All rows of ∂s_end/∂s_start and ∂s_end/∂θ at once, from each step's Jacobians and the hidden state before it."""
    last, cell = steps[-1][0], influence.cell
    S, G, B, n = last.by_gate.shape
    h, width = len(steps), cell.input_size + n + 1
    seen = last.input.new_ones(B, h, width)  # (x_t, h_{t-1}, 1)
    at_gates = last.input.new_empty(G, h, B, S * n, n)
    at_output = last.input.new_zeros(B, h, S * n, influence.outputs)
    rows = torch.eye(S * n, dtype=seen.dtype, device=seen.device).repeat(B, 1, 1)  # ∂s_end/∂s_t, (B, S n, S n)
    for t in range(h - 1, -1, -1):
        local, hidden = steps[t]
        seen[:, t, : cell.input_size], seen[:, t, cell.input_size : -1] = local.input, hidden
        parts = rows.split(n, dim=2)
        for g in range(G):
            torch.mul(parts[0], local.by_gate[0, g][:, None], out=at_gates[g, t])
            for p in range(1, S):
                at_gates[g, t].addcmul_(parts[p], local.by_gate[p, g][:, None])
        if local.by_output is not None:
            at_output[:, t] = rows @ local.by_output
        others = [sum(parts[p] * local.by_state[p, q][:, None] for p in range(S)) for q in range(1, S)]
        rows = torch.cat([torch.bmm(rows, local.transition), *others], dim=2)
    new = torch.bmm(rows, influence.matrix, out=influence.spare)
    column = 0
    for g, (i, of_hidden) in enumerate(zip(cell.input_blocks, cell.hidden_blocks, strict=True)):
        features = seen if of_hidden is not None else torch.cat([seen[..., : cell.input_size], seen[..., -1:]], dim=2)
        features = features if i is not None else features[..., cell.input_size :]
        size = n * features.shape[2]
        walked = at_gates[g].transpose(0, 1).flatten(2)  # (B, h, S n n)
        new[..., column : column + size] += torch.bmm(walked.mT, features).view(B, S * n, size)
        column += size
    if influence.outputs:
        walked = at_output.flatten(2)
        new[..., column:] += torch.bmm(walked.mT, seen[..., cell.input_size :]).view(B, S * n, -1)
    influence.turn()
