"""Pendulum: balance by a torque too weak to lift, seeing positions only; the gradient runs through the plant.

    ω' = ω + (3 g / 2 l · sin φ + 3 / (m l²) · u) Δ,     φ' = φ + ω' Δ,     u = 2 tanh(v / 2),     φ = 0 upright

The classic pendulum with the constants of OpenAI Gym's Pendulum (Brockman et al. 2016): m = l = 1, g = 10, Δ = 0.05 s,
|u| < 2; a smooth squash stands for its clipping, and the speed has no bound. The controller is a recurrent network that
sees cos φ and sin φ, so it must work out the speed from what it saw before. The loss is the cost of what each action
leads to,

    2 (1 − cos φ') + 0.1 ω'² + 0.001 u²

Gym's φ² + 0.1 ω² + 0.001 u² near upright, and bounded for a pendulum that has fallen and turns over.
"""

import numpy as np
import torch
from torch import Tensor, nn

from throughtime.networks import DenseLinearization, Network, State
from throughtime.networks import make_network as make_controller
from throughtime.networks.dense import linearize_densely
from throughtime.networks.shortcuts import step_by_step

from .base import Batch, Metric, Reference
from .generated import GeneratedTask

MASS, LENGTH, GRAVITY, INTERVAL, LIMIT = 1.0, 1.0, 10.0, 0.05, 2.0


def plant(position: Tensor, torque: Tensor) -> Tensor:
    """One interval of the pendulum: (…, 2) of angle (rad) and speed (rad/s), torque (…, 1) (N m), to (…, 2)."""
    angle, speed = position.split(1, dim=-1)
    gravity = 3 * GRAVITY / (2 * LENGTH) * angle.sin()
    speed = speed + (gravity + 3 / (MASS * LENGTH**2) * torque) * INTERVAL
    return torch.cat([angle + speed * INTERVAL, speed], dim=-1)


def limited(demand: Tensor) -> Tensor:
    """The torque that is given for the one that is asked for: the same where it is small, never beyond ±2."""
    return LIMIT * (demand / LIMIT).tanh()


def cost(outputs: Tensor, targets: Tensor) -> Tensor:
    """The cost of each step: outputs and targets (T, B, 3) of angle, speed and torque, result (T, B)."""
    angle, speed, torque = (outputs - targets).unbind(dim=-1)
    return 2 * (1 - angle.cos()) + 0.1 * speed.square() + 0.001 * torque.square()


class Consequence(nn.Module):
    """The readout: from h and where the pendulum is, (…, n + 2), to where the action takes it, and the action, (…, 3).

    Args:
        policy: the linear map from h to the torque asked for.
    """

    def __init__(self, policy: nn.Module) -> None:
        super().__init__()
        self.policy = policy

    def forward(self, hidden: Tensor) -> Tensor:
        h, position = hidden.split([hidden.shape[-1] - 2, 2], dim=-1)
        torque = limited(self.policy(h))
        return torch.cat([plant(position, torque), torque], dim=-1)


class Loop(Network):
    """A controller and its plant. The state's part 0 is h and the pendulum's angle and speed, (B, n + 2).

    Each step the pendulum moves by the last action, or is put where the input says; then the controller sees it.
    """

    @property
    def input_sizes(self) -> tuple[int, ...]:
        return (3,)

    @property
    def structured(self) -> bool:
        """The plant is no elementwise map."""
        return False

    def initial_state(self, batch_size: int) -> State:
        """Zeros: h at rest, and the pendulum upright until an input puts it elsewhere."""
        h, *rest = self.cell.initial_state(batch_size)
        return torch.cat([h, h.new_zeros(batch_size, 2)], dim=1), *rest

    def hidden(self, inputs: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Step by step: inputs (T, B, 3) to part 0 of the states, (T, B, n + 2), and the state after them."""
        self.check(inputs, state)
        return step_by_step(self, inputs, state or self.initial_state(inputs.shape[1]))

    def step(self, input: Tensor, state: State) -> State:
        """One step: input (B, 3), whether the pendulum is put somewhere (1 or 0), and the angle and speed there."""
        put, place = input.split([1, 2], dim=1)
        moved = self.readout(state[0])[:, :2]
        position = torch.where(put > 0, place, moved)
        angle = position[:, :1]
        seen = torch.cat([angle.cos(), angle.sin()], dim=1)
        h, *rest = self.cell.step(seen, (state[0][:, :-2], *state[1:]))
        return torch.cat([h, position], dim=1), *rest

    def linearize(self, input: Tensor, state: State) -> DenseLinearization:
        return linearize_densely(self, input, state)


class Pendulum(GeneratedTask):
    """Balance a pendulum that starts near upright, by a recurrent controller inside the loop.

    The torque holds the pendulum at up to 0.41 rad, and a push of ω counts as ω / 3.9 rad more: with `start` up to 0.25
    every start can be saved.

    Args:
        length: time steps, 0.05 s each.
        start: the largest angle at the start, in rad, above 0 and up to π; the largest speed is twice it, in rad/s.
    """

    metric = Metric("mean cost", better="lower")
    input_size = 3
    output_size = 3
    validation_size, test_size = 500, 2000

    def __init__(self, length: int = 60, start: float = 0.2) -> None:
        if length < 1:
            raise ValueError(f"length must be at least 1, got {length}")
        if not 0 < start <= torch.pi:
            raise ValueError(f"start must be above 0 and at most π, an angle in rad; got {start}")
        self.length, self.start = length, start

    def sample(self, batch_size: int, *, generator: torch.Generator) -> Batch:
        """Inputs (T, B, 3) that put the pendulum somewhere at the first step; targets (T, B, 3) of zeros: upright."""
        inputs = torch.zeros(self.length, batch_size, 3)
        drawn = 2 * torch.rand(batch_size, 2, generator=generator) - 1
        inputs[0, :, 0] = 1
        inputs[0, :, 1:] = self.start * drawn * torch.tensor([1.0, 2.0])
        return Batch(inputs, torch.zeros(self.length, batch_size, 3), cost)

    def references(self) -> list[Reference]:
        """No torque at all, and a proportional-derivative controller that sees what the network does.

        Its speed is the difference of the last two angles, 0 at the first step; it is tuned on the validation data.
        """
        from scipy.optimize import minimize

        validation, test = self.validation(), self.test()

        def judged(gains: np.ndarray) -> float:
            return self.score(drive(validation.inputs, *gains.tolist()), validation)

        found = minimize(judged, (8.0, 2.0), method="Nelder-Mead", options={"maxfev": 80})
        tuned = drive(test.inputs, *found.x.tolist())
        return [
            Reference("no torque", self.score(drive(test.inputs, 0.0, 0.0), test), "floor", "simulation"),
            Reference("PD controller", self.score(tuned, test), "baseline", "simulation, tuned on the validation data"),
        ]

    def make_network(
        self, cell: str, *, hidden_size: int, seed: int, dtype: torch.dtype, device: str | torch.device
    ) -> Network:
        """A controller with the two numbers it sees and the one it decides, in a loop with the pendulum."""
        sizes = {"input_size": 2, "hidden_size": hidden_size, "output_size": 1}
        controller = make_controller(cell, **sizes, seed=seed, dtype=dtype, device=device)
        return Loop(controller.cell, Consequence(controller.readout))


def drive(inputs: Tensor, proportional: float, derivative: float) -> Tensor:
    """What a proportional-derivative controller's actions lead to, (T, B, 3), from inputs (T, B, 3)."""
    position, before, outputs = inputs[0, :, 1:], inputs[0, :, 1:2], []
    for _ in inputs:
        angle = position[:, :1]
        torque = limited(-proportional * angle - derivative * (angle - before) / INTERVAL)
        position, before = plant(position, torque), angle
        outputs.append(torch.cat([position, torque], dim=1))
    return torch.stack(outputs)
