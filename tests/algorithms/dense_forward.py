"""Any recursion of the influence ∂s/∂θ written out naively: dense Jacobians by autograd, one sequence at a time."""

from collections.abc import Callable

import torch
from naive import Gradient, Naive, fed, step
from torch import Tensor

Rule = Callable[[Tensor, Tensor, Tensor], Tensor]
"""From ∂s_t/∂s_{t-1} (D, D), M_{t-1} (D, P) and ∂s_t/∂θ at fixed s_{t-1} (D, P) to M_t."""


class DenseForward:
    """A naive twin's forward-mode gradient by a rule of its own.

    Args:
        naive: the parameters, which `run` moves, and the data.
        rule: how the influence goes on.
        step: one step, from parameters, input (1, m) and state; None: the cell's.
        feedback: (o, n) in place of the readout's weights on the way from the loss to h.
    """

    def __init__(self, naive: Naive, rule: Rule, step=None, feedback: Tensor | None = None) -> None:
        self.naive, self.rule, self.feedback = naive, rule, feedback
        self.step = step or naive.step
        self.names = list(naive.parameters)
        self.shapes = {name: value.shape for name, value in naive.parameters.items()}
        self.n = naive.parameters["cell.weight_hh_l0"].shape[1]

    def units(self) -> Tensor:
        """For each parameter of the cell the unit that it belongs to, (P,); −1 for those of the readout."""
        found = []
        for name, shape in self.shapes.items():
            rows = torch.arange(shape[0]) % self.n if name.startswith("cell.") else torch.full((shape[0],), -1)
            found.append(rows.repeat_interleave(shape.numel() // shape[0]))
        return torch.cat(found)

    def jacobians(self, b: int, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The new state, ∂s/∂s and ∂s/∂θ of one sequence."""
        sizes = [shape.numel() for shape in self.shapes.values()]

        def flat_step(theta: Tensor, state: Tensor) -> Tensor:
            pieces = dict(zip(self.names, theta.split(sizes), strict=True))
            parameters = {name: piece.view(self.shapes[name]) for name, piece in pieces.items()}
            parts = tuple(part[None] for part in state.split(self.n))
            return torch.cat([part[0] for part in self.step(parameters, x[None], parts)])

        theta = torch.cat([self.naive.parameters[name].detach().flatten() for name in self.names])
        by_theta, by_state = torch.autograd.functional.jacobian(flat_step, (theta, state))
        return flat_step(theta, state), by_state, by_theta

    def run(self, update_every: int = 1, rate: float = 0.0) -> tuple[list[float], Gradient]:
        """A descent step after each update; the updates' losses, and the gradient weighted by their shares."""
        naive = self.naive
        states = [torch.cat([part[b] for part in naive.zero_state()]) for b in range(naive.B)]
        P = sum(shape.numel() for shape in self.shapes.values())
        influences = [torch.zeros(len(states[0]), P, dtype=torch.float64) for _ in range(naive.B)]
        losses, estimate = [], naive.zero_gradient()
        for start in range(0, naive.T, update_every):
            stop = min(start + update_every, naive.T)
            total, gradient = 0.0, naive.zero_gradient()
            for t in range(start, stop):
                for b in range(naive.B):
                    states[b], by_state, by_theta = self.jacobians(b, naive.inputs[t, b], states[b])
                    influences[b] = self.rule(by_state, influences[b], by_theta)
                if naive.counts[t]:
                    total += self.add_step(t, states, influences, gradient)
            targets = max(sum(naive.counts[start:stop]), 1)
            losses.append(total / targets)
            for name, value in gradient.items():
                estimate[name] += value / naive.total
            naive.descend({name: value / targets for name, value in gradient.items()}, rate)
        return losses, estimate

    def add_step(self, t: int, states: list[Tensor], influences: list[Tensor], gradient: Gradient) -> float:
        """Add step t's gradient of the losses' sum, which is returned."""
        hidden = torch.stack([state[: self.n] for state in states]).requires_grad_()
        loss = self.naive.step_loss(t, (hidden,))
        keys = ["readout.weight", "readout.bias"]
        by_hidden, *by_readout = torch.autograd.grad(loss, [hidden, *(self.naive.parameters[key] for key in keys)])
        if self.feedback is not None:
            weight = self.naive.parameters["readout.weight"].detach()
            by_hidden = by_hidden @ torch.linalg.pinv(weight) @ self.feedback
        for key, value in zip(keys, by_readout, strict=True):
            gradient[key] += value
        flat = sum(by_hidden[b] @ influences[b][: self.n] for b in range(self.naive.B))
        for name, piece in zip(self.names, flat.split([shape.numel() for shape in self.shapes.values()]), strict=True):
            gradient[name] += piece.view(self.shapes[name])
        return loss.item()


def gates_blind(naive: Naive):
    """The step whose gates see h_{t-1} as a constant; what a unit keeps of its own state is as it was."""

    def blind(parameters: Gradient, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        constant = state[0].detach()
        seen = fed(parameters, x, constant, naive.loss == "classification")
        if naive.cell != "gru":
            return step(naive.cell, parameters, seen, (constant, *state[1:]))
        W, b = parameters["cell.weight_ih_l0"], parameters["cell.bias_ih_l0"]
        U, d = parameters["cell.weight_hh_l0"], parameters["cell.bias_hh_l0"]
        (Wr, Wu, Wc), (br, bu, bc) = W.chunk(3), b.chunk(3)
        (Ur, Uu, Uc), (dr, du, dc) = U.chunk(3), d.chunk(3)
        r = torch.sigmoid(seen @ Wr.T + br + constant @ Ur.T + dr)
        u = torch.sigmoid(seen @ Wu.T + bu + constant @ Uu.T + du)
        c = torch.tanh(seen @ Wc.T + bc + r * (constant @ Uc.T + dc))
        return ((1 - u) * c + u * state[0],)

    return blind
