"""The definitions of all gradients, written out naively and shared with nothing.

Three cells step by step from their parameters, and for every single loss its own autograd walk, cut at the step where
the algorithm's definition ends it. Slow on purpose: every line can be held against its equation.
"""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import torch
from torch import Tensor

Gradient = dict[str, Tensor]
State = tuple[Tensor, ...]


@torch.no_grad()
def relative_error(found: Gradient, expected: Gradient) -> float:
    """The largest relative error (2-norm) of any parameter's gradient; infinite where it should have been zero."""
    assert found.keys() == expected.keys()
    errors = []
    for name, right in expected.items():
        difference, scale = float((found[name] - right).norm()), float(right.norm())
        errors.append(difference / scale if scale else (torch.inf if difference else 0.0))
    return max(errors)


def step(cell: str, parameters: Gradient, x: Tensor, state: State) -> State:
    """One step of a cell, gate by gate."""
    W, b = parameters["cell.weight_ih_l0"], parameters["cell.bias_ih_l0"]
    U, d = parameters["cell.weight_hh_l0"], parameters["cell.bias_hh_l0"]
    n, h = U.shape[1], state[0]

    def from_input(gate: int) -> Tensor:
        return x @ W[gate * n : (gate + 1) * n].T + b[gate * n : (gate + 1) * n]

    def from_hidden(gate: int) -> Tensor:
        return h @ U[gate * n : (gate + 1) * n].T + d[gate * n : (gate + 1) * n]

    if cell == "rnn":
        return (torch.tanh(from_input(0) + from_hidden(0)),)
    if cell == "lstm":
        i, f, g, o = (from_input(gate) + from_hidden(gate) for gate in range(4))
        c = torch.sigmoid(f) * state[1] + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c
    assert cell == "gru"
    r, u = (torch.sigmoid(from_input(gate) + from_hidden(gate)) for gate in range(2))
    candidate = torch.tanh(from_input(2) + r * from_hidden(2))
    return ((1 - u) * candidate + u * h,)


def fed(parameters: Gradient, x: Tensor, hidden: Tensor, symbolic: bool) -> Tensor:
    """What the cell is given, sequence by sequence: x itself, or with its last numbers mixed with the last output.

    In a closed loop x holds, one after the other, m numbers, how much of the last o of them is to be believed, and for
    sampled symbols o numbers to be added to the logits before the largest is chosen.
    """
    m, o = parameters["cell.weight_ih_l0"].shape[1], len(parameters["readout.bias"])
    rows = []
    for row, h in zip(x, hidden, strict=True):
        if len(row) == m:
            rows.append(row)
            continue
        own, believed = parameters["readout.weight"] @ h + parameters["readout.bias"], row[m]
        if symbolic:
            scores = own.detach() + row[m + 1 :] if len(row) > m + 1 else own.detach()
            own = torch.tensor([float(k == int(scores.argmax())) for k in range(o)], dtype=row.dtype)
        rows.append(torch.cat([row[: m - o], believed * row[m - o : m] + (1 - believed) * own]))
    return torch.stack(rows)


def step_losses(loss: str, outputs: Tensor, targets: Tensor) -> Tensor:
    """The loss of one step of every sequence, (B,), from outputs (B, o)."""
    if loss == "regression":
        return ((outputs - targets) ** 2).sum(dim=1) / outputs.shape[1]
    assert loss == "classification"
    return torch.stack([row.exp().sum().log() - row[target] for row, target in zip(outputs, targets, strict=True)])


def once(method: Callable[..., Any]) -> Callable[..., Any]:
    """A method of `Naive` that computes the same but once while the parameters stay."""

    @wraps(method)
    def kept(self: "Naive", *args: Any) -> Any:
        key = (method.__name__, args)
        if key not in self.known:
            self.known[key] = method(self, *args)
        return self.known[key]

    return kept


class Naive:
    """One network on one batch.

    Args:
        cell: "rnn", "lstm", "gru".
        loss: "regression" (mean squared error) or "classification" (cross-entropy).
        parameters: by name; copied.
        inputs: (T, B, m), or more in a closed loop (see `fed`), where a classification's output is a symbol.
        targets: (T, B, o) or (T, B).
        mask: (T, B) or None.
    """

    def __init__(
        self, cell: str, loss: str, parameters: Gradient, inputs: Tensor, targets: Tensor, mask: Tensor | None
    ) -> None:
        self.cell, self.loss = cell, loss
        self.parameters = {name: value.detach().clone().requires_grad_() for name, value in parameters.items()}
        self.inputs, self.targets = inputs, targets
        self.known: dict[tuple[str, tuple[Any, ...]], Any] = {}
        self.T, self.B = inputs.shape[:2]
        self.mask = torch.ones(self.T, self.B, dtype=torch.bool) if mask is None else mask
        self.counts = [int(row.sum()) for row in self.mask]
        self.total = sum(self.counts)

    def zero_state(self) -> State:
        n = self.parameters["cell.weight_hh_l0"].shape[1]
        return tuple(torch.zeros(self.B, n, dtype=torch.float64) for _ in range(2 if self.cell == "lstm" else 1))

    def walk(self, state: State, first: int, stop: int) -> State:
        """The state after the steps first … stop − 1."""
        for t in range(first, stop):
            state = self.step(self.parameters, self.inputs[t], state)
        return state

    def step(self, parameters: Gradient, x: Tensor, state: State) -> State:
        """One step, of the loop if it is closed."""
        return step(self.cell, parameters, fed(parameters, x, state[0], self.loss == "classification"), state)

    def forward(self, state: State, first: int, stop: int) -> State:
        """The same as a constant."""
        return tuple(part.detach() for part in self.walk(state, first, stop))

    @once
    def state_from(self, origin: int, stop: int) -> State:
        """The state before step `stop` as a constant, from zeros before step `origin`."""
        return self.forward(self.zero_state(), origin, stop)

    def step_loss(self, t: int, state: State) -> Tensor:
        """Step t's loss, summed over the sequences that have a target there, from the state after step t."""
        outputs = state[0] @ self.parameters["readout.weight"].T + self.parameters["readout.bias"]
        counted = [b for b in range(self.B) if self.mask[t, b]]
        losses = (step_losses(self.loss, outputs[[b]], self.targets[t, [b]])[0] for b in counted)
        return sum(losses, outputs.new_zeros(()))

    @torch.no_grad()
    def mean_loss(self, start: int, stop: int) -> float:
        """The mean loss over the targets of the steps start … stop − 1; 0 where there is none."""
        total = sum(self.step_loss(t, self.state_from(0, t + 1)).item() for t in range(start, stop))
        return total / max(sum(self.counts[start:stop]), 1)

    def differentiate(self, loss: Tensor) -> Gradient:
        """The derivative of a scalar by every parameter."""
        if not loss.requires_grad:
            return self.zero_gradient()
        gradients = torch.autograd.grad(loss, list(self.parameters.values()), allow_unused=True)
        pairs = zip(self.parameters.items(), gradients, strict=True)
        return {name: torch.zeros_like(value) if grad is None else grad for (name, value), grad in pairs}

    def zero_gradient(self) -> Gradient:
        return {name: torch.zeros_like(value) for name, value in self.parameters.items()}

    @once
    def loss_gradient(self, t: int, first: int, burn_in: int | None = None) -> Gradient:
        """The gradient of step t's summed loss, with the state before step `first` taken as a constant.

        That state is computed from the sequence's start, or from zeros `burn_in` steps before.
        """
        origin = 0 if burn_in is None else max(0, first - burn_in)
        state = self.state_from(origin, first)
        return self.differentiate(self.step_loss(t, self.walk(state, first, t + 1)))

    def cut_gradient(self, cuts: Sequence[int]) -> Gradient:
        """Σ_t of the mean loss's gradients, loss t walked back to the state before step cuts[t]."""
        total = self.zero_gradient()
        for t, first in enumerate(cuts):
            for name, gradient in self.loss_gradient(t, first).items():
                total[name] += gradient / max(self.total, 1)
        return total

    @once
    def full(self) -> Gradient:
        """One autograd walk over the whole step loop."""
        state, loss = self.zero_state(), torch.zeros((), dtype=torch.float64)
        for t in range(self.T):
            state = self.walk(state, t, t + 1)
            loss = loss + self.step_loss(t, state)
        return self.differentiate(loss / max(self.total, 1))

    @once
    def truncated(self, k1: int, k2: int) -> Gradient:
        """Loss t belongs to the update that ends at `stop`, which walks back to stop − k2."""
        stops = [min((t // k1 + 1) * k1, self.T) for t in range(self.T)]
        return self.cut_gradient([max(stop - k2, 0) for stop in stops])

    @once
    def online(self, depth: int) -> Gradient:
        """Loss t is walked back through the `depth` steps t − depth + 1 … t."""
        return self.cut_gradient([max(t + 1 - depth, 0) for t in range(self.T)])

    @once
    def readout_only(self) -> Gradient:
        """The state after step t is a constant for loss t."""
        return self.cut_gradient([t + 1 for t in range(self.T)])

    @once
    def windows(self, length: int, burn_in: int | None = None) -> list[tuple[float, float, Gradient]]:
        """Every window that stochastic truncation can draw: its weighted mean loss, its weight, and its gradient."""
        length = min(length, self.T)
        starts = range(self.T - length + 1)
        odds = [sum(start <= t < start + length for start in starts) / len(starts) for t in range(self.T)]
        windows = []
        for start in starts:
            loss, targets, gradient = 0.0, 0.0, self.zero_gradient()
            origin = 0 if burn_in is None else max(0, start - burn_in)
            for t in range(start, start + length):
                loss += self.step_loss(t, self.state_from(origin, t + 1)).item() / odds[t]
                targets += self.counts[t] / odds[t]
                for name, value in self.loss_gradient(t, start, burn_in).items():
                    gradient[name] += value / odds[t]
            scale = targets or 1.0
            mean = {name: value / scale for name, value in gradient.items()}
            windows.append((loss / scale, targets / max(self.total, 1), mean))
        return windows

    def stochastic(self, length: int, burn_in: int | None = None) -> Gradient:
        """The expectation over all window starts."""
        windows = self.windows(length, burn_in)
        return {
            name: sum(weight * gradient[name] for _, weight, gradient in windows) / len(windows)
            for name in self.parameters
        }

    def descend(self, gradient: Gradient, rate: float) -> None:
        """One step of gradient descent."""
        self.known.clear()
        with torch.no_grad():
            for name, value in self.parameters.items():
                value -= rate * gradient[name]

    def train_truncated(self, k1: int, k2: int, rate: float) -> list[float]:
        """TBPTT(k1, k2) with a descent step after each update; the updates' losses.

        The states where updates ended are kept as they were then. A window starts from the newest of them that does
        not lie after its first step, and goes on from there under the parameters of now.
        """
        kept, losses = {0: self.zero_state()}, []
        for start in range(0, self.T, k1):
            stop = min(start + k1, self.T)
            targets = sum(self.counts[start:stop])
            if not targets:
                kept[stop] = self.forward(kept[start], start, stop)
                losses.append(0.0)
                continue
            first = max(stop - k2, 0)
            origin = max(position for position in kept if position <= first)
            state = self.forward(kept[origin], origin, first)
            loss = torch.zeros((), dtype=torch.float64)
            for t in range(first, stop):
                state = self.walk(state, t, t + 1)
                if t >= start:
                    loss = loss + self.step_loss(t, state) / targets
            kept[stop] = tuple(part.detach() for part in state)
            losses.append(loss.item())
            self.descend(self.differentiate(loss), rate)
        return losses

    def train_readout_only(self, update_every: int, rate: float) -> list[float]:
        """The readout's descent on a stream of states; the updates' losses."""
        state, losses = self.zero_state(), []
        for start in range(0, self.T, update_every):
            stop = min(start + update_every, self.T)
            targets = sum(self.counts[start:stop])
            loss = torch.zeros((), dtype=torch.float64)
            for t in range(start, stop):
                state = self.forward(state, t, t + 1)
                loss = loss + self.step_loss(t, state) / max(targets, 1)
            losses.append(loss.item())
            self.descend(self.differentiate(loss), rate)
        return losses

    def train_rtrl(self, update_every: int, rate: float) -> list[float]:
        """RTRL with dense Jacobians for each sequence, and a descent step after each update; the updates' losses."""
        names = list(self.parameters)  # in a closed loop the state depends on the readout too
        shapes = {name: self.parameters[name].shape for name in names}
        P = sum(shape.numel() for shape in shapes.values())
        states = [torch.cat([part[b] for part in self.zero_state()]) for b in range(self.B)]
        influences = [torch.zeros(len(states[0]), P, dtype=torch.float64) for _ in range(self.B)]
        n = self.parameters["cell.weight_hh_l0"].shape[1]
        losses = []
        for start in range(0, self.T, update_every):
            stop = min(start + update_every, self.T)
            total, gradient = 0.0, self.zero_gradient()
            for t in range(start, stop):
                theta = torch.cat([self.parameters[name].detach().flatten() for name in names])
                for b in range(self.B):

                    def flat_step(theta: Tensor, state: Tensor, x: Tensor = self.inputs[t, b]) -> Tensor:
                        pieces = theta.split([shapes[name].numel() for name in names])
                        parameters = {name: piece.view(shapes[name]) for name, piece in zip(names, pieces, strict=True)}
                        parts = tuple(part[None] for part in state.split(n))
                        return torch.cat([part[0] for part in self.step(parameters, x[None], parts)])

                    by_theta, by_state = torch.autograd.functional.jacobian(flat_step, (theta, states[b]))
                    influences[b] = by_state @ influences[b] + by_theta
                    states[b] = flat_step(theta, states[b])
                hidden = torch.stack([state[:n] for state in states]).requires_grad_()
                loss = self.step_loss(t, (hidden,))
                total += loss.item()
                if not self.counts[t]:
                    continue
                keys = ["readout.weight", "readout.bias"]
                by_hidden, *by_readout = torch.autograd.grad(loss, [hidden, *(self.parameters[key] for key in keys)])
                for key, value in zip(keys, by_readout, strict=True):
                    gradient[key] += value
                flat = sum(by_hidden[b] @ influences[b][:n] for b in range(self.B))
                pieces = flat.split([shapes[name].numel() for name in names])
                for name, piece in zip(names, pieces, strict=True):
                    gradient[name] += piece.view(shapes[name])
            targets = max(sum(self.counts[start:stop]), 1)
            losses.append(total / targets)
            self.descend({name: value / targets for name, value in gradient.items()}, rate)
        return losses
