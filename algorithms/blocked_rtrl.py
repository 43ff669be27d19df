"""Blocked RTRL: BPTT inside blocks of h steps, and the influence carried from block to block (Schmidhuber, "A fixed
size storage O(n³) time complexity learning algorithm", Neural Computation 4, 1992; Williams & Zipser, 1995).

    ∂L/∂θ = BPTT in the block + ∂L/∂s_start · M,     M ← J M + ∂s_end/∂θ in the block,     J = ∂s_end/∂s_start

L is the block's loss. J and the block's own ∂s_end/∂θ come from BPTT too, one walk back for each number of s_end, all
side by side. A block costs h steps of n such walks, O(h n³), and one product J M, O(n⁴), where RTRL multiplies M at
every step: with h = n a step is O(n³). Exact, and the memory is O(h n² + n P) at any length.
"""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from throughtime.networks import Linearization, Network, State, linearize_densely
from throughtime.tasks.base import Batch

from .base import Algorithm, Update, no_update
from .influence import DenseInfluence, Influence, StructuredInfluence, make_influence
from .window import Windows

AT_ONCE = 8
"""Steps of a block that are linearized at once: few calls, and memory that is used again."""


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

    def refuses(self, network: Network) -> str:
        """A diagonal cell, on which a block's product would be the dear part."""
        if network.diagonal:
            return (
                f"on a diagonal cell such as {type(network.cell).__name__} rtrl itself carries O(P) numbers: take rtrl"
            )
        return ""

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
        blocks = _OfBlocks(network, influence, min(self.block, batch.length), batch.size)
        for start in range(0, batch.length, self.block):
            stop = min(start + self.block, batch.length)
            if targets := sum(batch.counts[start:stop]):
                loss, after, leaving = windows.segment(state, start, start, stop, targets, nothing)
                _add(network, influence.by_name(_past(influence, leaving)))
                update = Update(loss, batch.share(start, stop), None)
            else:
                after, update = windows.carried_on(state, start, stop), no_update(network, None)
            blocks.advance(batch.inputs[start:stop], state)
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


class _OfBlocks:
    """Takes the influence over blocks, as fits the network's linearization."""

    def __init__(self, network: Network, influence: Influence[Any], block: int, batch_size: int) -> None:
        self.network, self.influence = network, influence
        self.walk = None
        if isinstance(influence, StructuredInfluence):
            self.walk = _WalkBack(influence, block, batch_size)

    def advance(self, inputs: Tensor, state: State) -> None:
        """M at the end of a block, from M and the state at its start; inputs (h, B, m)."""
        if self.walk is None:
            whole = linearize_densely(_Block(self.network), inputs.transpose(0, 1), state)
            named = {name.removeprefix("network."): slope for name, slope in whole.by_parameters.items()}
            self.influence.advance(state, replace(whole, by_parameters=named))
            return
        self.walk.advance(self.network, inputs, _states_before(self.network, inputs, state))


@torch.no_grad()
def _states_before(network: Network, inputs: Tensor, state: State) -> State:
    """The state before each step of a block: its parts, each (h, B, n)."""
    if len(state) == 1:  # the hidden states are all there is to know
        hidden, _ = network.hidden(inputs[:-1], state) if len(inputs) > 1 else (inputs.new_empty(0, *state[0].shape), 0)
        return (torch.cat([state[0][None], hidden]),)
    states = [state]
    for x in inputs[:-1].unbind():
        states.append(network.step(x, states[-1]))
    return tuple(map(torch.stack, zip(*states, strict=True)))


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


def _kept(found: Tensor, kept: Tensor) -> Tensor:
    """Of (S n, n, … n, 1), for x, h and 1, in each row only the units of h that a sparse cell keeps for it, (n, k)."""
    n, k = kept.shape
    before, hidden, bias = found.split([found.shape[2] - n - 1, n, 1], dim=2)
    return torch.cat([before, hidden.gather(2, kept.expand(len(found), n, k)), bias], dim=2)


class _WalkBack:
    """All rows of ∂s_end/∂s_start and ∂s_end/∂θ of a block at once, from the Jacobians of its steps.

    What is large is kept from block to block: fresh memory costs as much as the products that fill it.
    """

    def __init__(self, influence: StructuredInfluence, block: int, batch_size: int) -> None:
        self.influence, cell = influence, influence.cell
        self.n, self.m, self.S = cell.hidden_size, cell.input_size, cell.state_parts
        self.gates = list(zip(cell.input_blocks, cell.hidden_blocks, strict=True))
        like, rows = cell.weight_hh_l0, self.S * self.n
        self.at_gates = like.new_empty(len(self.gates), batch_size, block, rows, self.n)
        self.at_output = like.new_zeros(batch_size, block, rows, influence.outputs)
        self.seen = like.new_ones(batch_size, block, self.m + self.n + 1)  # (x_t, h_{t-1}, 1)
        self.eye = torch.eye(rows, dtype=like.dtype, device=like.device).repeat(batch_size, 1, 1)

    @torch.no_grad()
    def advance(self, network: Network, inputs: Tensor, states: State) -> None:
        """M at the block's end from M at its start, by the inputs (h, B, m) and the states before each step."""
        n, m, h, new = self.n, self.m, len(inputs), self.influence.spare
        rows = self.eye  # ∂s_end/∂s_t, (B, S n, S n)
        for stop in range(h, 0, -AT_ONCE):
            start = max(stop - AT_ONCE, 0)
            before = tuple(part[start:stop].flatten(0, 1) for part in states)
            local = network.linearize(inputs[start:stop].flatten(0, 1), before)
            assert isinstance(local, Linearization)
            steps = _by_step(local, stop - start)
            for t in range(stop - 1, start - 1, -1):
                rows = self._step(t, rows, steps[t - start], states[0][t])
        column = 0
        for g, (i, of_hidden) in enumerate(self.gates):
            columns = [*range(m * (i is None), m), *range(m, m + n * (of_hidden is not None)), -1]
            features = self.seen if len(columns) == m + n + 1 else self.seen[..., columns]
            size = n * self.influence.widths[g]
            for b, target in enumerate(new):
                walked = self.at_gates[g, b, :h].flatten(1)  # (h, S n n)
                found = (walked.T @ features[b, :h]).view(self.S * n, n, -1)
                if of_hidden is not None and self.influence.kept is not None:
                    found = _kept(found, self.influence.kept[of_hidden])
                target[:, column : column + size] = found.flatten(1)
            column += size
        if self.influence.outputs:
            by_readout = torch.bmm(self.at_output[:, :h].flatten(2).mT, self.seen[:, :h, m:])
            new[..., column:] = by_readout.view(len(new), self.S * n, -1)
        new.baddbmm_(rows, self.influence.matrix)
        self.influence.turn()

    def _step(self, t: int, rows: Tensor, local: Linearization, hidden: Tensor) -> Tensor:
        """∂s_end/∂s_{t-1} from ∂s_end/∂s_t; what is at the gates and at the output is kept."""
        self.seen[:, t, : self.m], self.seen[:, t, self.m : -1] = local.input, hidden
        parts, S = rows.split(self.n, dim=2), self.S
        for g, at_gate in enumerate(self.at_gates[:, :, t]):
            torch.mul(parts[0], local.by_gate[0, g][:, None], out=at_gate)
            for p in range(1, S):
                at_gate.addcmul_(parts[p], local.by_gate[p, g][:, None])
        if local.by_output is not None:
            self.at_output[:, t] = rows @ local.by_output
        elif self.influence.outputs:
            self.at_output[:, t] = 0
        through = torch.bmm(rows, local.transition)
        others = [sum(parts[p] * local.by_state[p, q][:, None] for p in range(S)) for q in range(1, S)]
        return torch.cat([through, *others], dim=2) if others else through


def _by_step(local: Linearization, steps: int) -> list[Linearization]:
    """Each step's, of that of all sequences of some steps, one step's behind another's."""
    of_inputs, of_transitions = local.input.chunk(steps), local.transition.chunk(steps)
    of_states, of_gates = local.by_state.chunk(steps, dim=2), local.by_gate.chunk(steps, dim=2)
    of_outputs = [None] * steps if local.by_output is None else local.by_output.chunk(steps)
    pieces = zip(of_inputs, of_states, of_gates, of_transitions, of_outputs, strict=True)
    return [Linearization(x, (), by_state, by_gate, A, by_output) for x, by_state, by_gate, A, by_output in pieces]
