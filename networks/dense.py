"""The local Jacobians of any recurrence, dense, by torch.func: slower than a cell's own structure, and as exact.

For what has no elementwise structure: a plant inside the loop, or any cell that brings only its `step`.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from throughtime.parts.errors import BadInput

from .base import State
from .shortcuts import Steps


@dataclass(frozen=True)
class DenseLinearization:
    """One step and its local Jacobians, all detached; D is the size of the whole state, its parts one after the other.

    Attributes:
        state: the state after the step.
        by_state: ∂s_t/∂s_{t-1}, (B, D, D).
        by_parameters: ∂s_t/∂θ at fixed s_{t-1}, for each parameter of the network by name, (B, D, size of θ).
    """

    state: State
    by_state: Tensor
    by_parameters: dict[str, Tensor]


class _Forward(nn.Module):
    """`functional_call` calls a module's forward; here it is one step of one sequence, from and to a flat state."""

    def __init__(self, stepping: Any, sizes: list[int]) -> None:
        super().__init__()
        self.stepping, self.sizes = stepping, sizes

    def forward(self, input: Tensor, state: Tensor) -> Tensor:
        parts = tuple(part[None] for part in state.split(self.sizes))
        return torch.cat([part[0] for part in self.stepping.step(input[None], parts)])


@contextmanager
def transformable(network: Steps, input: Tensor, state: State) -> Iterator[None]:
    """What torch.func says of a step that it can't transform, as words about the recurrence; other errors as they are.

    Raises:
        BadInput: in the block, though a plain step can be made.
    """
    try:
        yield
    except RuntimeError as error:
        try:
            with torch.no_grad():
                network.step(input, state)
        except Exception:
            raise error from None
        step = f"{type(getattr(network, 'cell', network)).__name__}.step"
        raise BadInput(
            f"{step} can be run and not be differentiated in each sequence by itself, which this algorithm needs: "
            f"{str(error).partition(chr(10))[0]}; write it in operators that torch.func knows (a fused layer such as "
            f"torch.nn.LSTM lacks its second derivative, a custom autograd.Function its setup_context), or take an "
            f"algorithm that walks back, such as full or truncated"
        ) from error


def linearize_densely(network: Steps, input: Tensor, state: State) -> DenseLinearization:
    """One step with its Jacobians by reverse-mode differentiation, each sequence by itself.

    Args:
        network: a module whose `step` uses differentiable operators only and treats the sequences alike.
        input: (B, m).
        state: tensors (B, …) with one further dimension each.
    """
    sizes = [part.shape[1] for part in state]
    forward = _Forward(network, sizes)
    parameters = {name: parameter.detach() for name, parameter in forward.named_parameters()}
    flat = torch.cat(state, dim=1).detach()

    def advance(parameters: Mapping[str, Tensor], state: Tensor, input: Tensor) -> tuple[Tensor, Tensor]:
        new = torch.func.functional_call(forward, dict(parameters), (input, state))
        return new, new

    jacobians = torch.func.jacrev(advance, argnums=(0, 1), has_aux=True)
    over_sequences = torch.func.vmap(jacobians, in_dims=(None, 0, 0))
    with transformable(network, input, state):
        (by_parameters, by_state), new = over_sequences(parameters, flat, input.detach())
    named = {
        name.removeprefix("stepping."): slope.reshape(*slope.shape[:2], -1) for name, slope in by_parameters.items()
    }
    return DenseLinearization(new.split(sizes, dim=1), by_state, named)
