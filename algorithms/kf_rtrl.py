"""KF-RTRL: RTRL's influence matrix kept as one Kronecker product (Mujika, Meier & Steger, "Approximating Real-Time
Recurrent Learning with Random Kronecker Factors", NeurIPS 2018).

    u_t = p1 u_{t-1} + ν p2 â_t,     A_t = D_t A_{t-1} / p1 + ν K_t / p2,     M̃_t = u_t ⊗ A_t

K_t ⊗ â_t is the step's immediate influence (see `kronecker`); p1 = √(‖D_t A_{t-1}‖ / ‖u_{t-1}‖) and
p2 = √(‖K_t‖ / ‖â_t‖) make the noise least. The paper has a sign for each of the two terms; only their product matters,
which is ν, drawn anew at each step for each sequence. The mean over ν is exact. Time O(G n³) a step, memory O(G n²).
"""

from copy import copy
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from throughtime.networks import Linearization, Network, State

from . import kronecker
from .forward import ForwardMode
from .kronecker import KroneckerSum

if TYPE_CHECKING:
    from .compiled.calls import Kernels


class KfRtrl(ForwardMode):
    """A random, unbiased influence matrix of one Kronecker product.

    Args:
        update_every: steps from one update to the next; None: one update at the sequence's end.
    """

    exact_up_to = 1
    unbiased = True

    def begin(self, network: Network, batch_size: int, generator: torch.Generator | None) -> "Product":
        """A product of zeros: the first step's then is that step's immediate influence, without noise."""
        return Product(network, batch_size, terms=1)

    @torch.no_grad()
    def advance(self, influence: Any, state: State, local: Any, generator: torch.Generator | None) -> None:
        """One step on."""
        moved, seen = influence.forward(local)[:, 0], influence.seen(state, local)
        u = influence.features[:, 0]
        p1, by_p1 = _balance(_norm(moved), _norm(u))
        p2, by_p2 = _balance(_immediate_norm(local), _norm(seen))
        nu = kronecker.signs(seen, 1, generator)[:, 0]
        influence.features = torch.addcmul((nu * p2)[:, None] * seen, p1[:, None], u)[:, None]
        moved *= by_p1[:, None, None]
        influence.factors = influence.add_immediate(moved, local, nu * by_p2)[:, None]


class Product(KroneckerSum):
    """One product, which a kernel may change in place."""

    kernel = "kf_rtrl"

    def copy(self) -> "Product":
        other = copy(self)
        other.features, other.factors = self.features.clone(), self.factors.clone()
        return other

    def by_kernel(
        self, kernels: "Kernels", t: int, old: Tensor, new: Tensor, targets: int, generator: torch.Generator | None
    ) -> float:
        """See `forward.ByKernel`."""
        nu = kronecker.signs(new[0], 1, generator)[:, 0]
        return kernels.kf_rtrl(t, old, new, nu, self.features[:, 0], self.factors[:, 0], targets)


def _balance(above: Tensor, below: Tensor) -> tuple[Tensor, Tensor]:
    """√(above / below) and its inverse; a product that is zero stays out, with zeros for both."""
    there = (above > 0) & (below > 0)
    ratio = torch.where(there, above / below, 1.0).sqrt()
    return torch.where(there, ratio, 0.0), torch.where(there, 1 / ratio, 0.0)


def _norm(values: Tensor) -> Tensor:
    """Of each sequence's numbers, (B,)."""
    size: Tensor = values.flatten(1).norm(dim=1)
    return size


def _immediate_norm(local: Linearization) -> Tensor:
    """‖K‖ of each sequence, (B,)."""
    square: Tensor = local.by_gate.square().sum(dim=(0, 1, 3))
    if local.by_output is not None:
        square = square + local.by_output.square().sum(dim=(1, 2))
    return square.sqrt()
