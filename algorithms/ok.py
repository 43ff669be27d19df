"""OK, the optimal Kronecker-sum approximation of RTRL (Benzing, Gauy, Mujika, Martinsson & Steger, ICML 2019).

    M̃_t = Σ_{i ≤ r} u_i ⊗ A_i  from  Σ_i u_i ⊗ D_t A_i + â_t ⊗ K_t,  r + 1 products

of which r are made at random so that the mean stays and the variance is least. With QR decompositions of all u and of
all A the sum is a core, a matrix of r + 1 rows and columns, in two orthonormal bases, and an SVD makes it diagonal. Its
largest singular values stay as they are. The k + 1 smallest, of sum s, become k: with z_i = √(1 − k σ_i / s), a vector
of length 1, Z its orthonormal complement and random signs ν, X = √(s/k) diag(ν) Z has E[X Xᵀ] = diag(σ). As many are
mixed as leave every z_i real. Where r ≥ m + n + 1 nothing is lost, and it is RTRL; until step r too.
"""

from typing import Any

import torch
from torch import Tensor

from throughtime.networks import Network, State

from . import kronecker
from .forward import ForwardMode
from .kronecker import KroneckerSum


class OK(ForwardMode):
    """A random, unbiased influence matrix of a few Kronecker products.

    Args:
        rank: r, the products.
        update_every: steps from one update to the next; None: one update at the sequence's end.
    """

    unbiased = True

    def __init__(self, rank: int = 4, update_every: int | None = 1) -> None:
        super().__init__(update_every)
        if rank < 1:
            raise ValueError(f"rank must be at least 1 product; got {rank}")
        self.rank = rank
        self.exact_up_to = rank

    def begin(self, network: Network, batch_size: int, generator: torch.Generator | None) -> KroneckerSum:
        """No product yet."""
        return KroneckerSum(network, batch_size)

    @torch.no_grad()
    def advance(self, influence: Any, state: State, local: Any, generator: torch.Generator | None) -> None:
        """One step on, and back to `rank` products where there are more."""
        influence.advance(state, local)
        u, A = influence.features, influence.factors
        if u.shape[1] > self.rank:
            influence.features, reduced = _reduce(u, A.flatten(2), self.rank, generator)
            influence.factors = reduced.unflatten(2, A.shape[2:])


def _reduce(u: Tensor, A: Tensor, rank: int, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
    """Σ_i u_i ⊗ A_i of r + 1 products (B, r + 1, ·) as one of r, or fewer, whose mean it is."""
    (Q_u, R_u), (Q_A, R_A) = torch.linalg.qr(u.mT), torch.linalg.qr(A.mT)
    left, sigma, right = torch.linalg.svd(R_u @ R_A.mT, full_matrices=False)
    if sigma.shape[1] <= rank:  # as many as u has numbers: nothing is to be lost
        mixing = torch.diag_embed(sigma.sqrt())
    else:
        mixing = _mixing(sigma, kronecker.signs(sigma, sigma.shape[1], generator))
    return (left @ mixing).mT @ Q_u.mT, (right.mT @ mixing).mT @ Q_A.mT


def _mixing(sigma: Tensor, signs: Tensor) -> Tensor:
    """X, (B, q, q − 1), with E[X Xᵀ] = diag(σ) over the signs (B, q); σ (B, q) from the largest to the smallest."""
    q = sigma.shape[1]
    place, one = torch.arange(q, device=sigma.device), torch.eye(q, dtype=sigma.dtype, device=sigma.device)
    rounding = q * torch.finfo(sigma.dtype).eps
    sigma = sigma * (sigma > rounding * sigma[:, :1])
    rest = sigma @ torch.ones_like(one).tril()  # with all that are smaller
    too_large = sigma * (q - 1 - place) >= rest * (1 - rounding)  # if mixing began here, of k
    kept = too_large[:, : q - 1].sum(1, keepdim=True).clamp_max_(q - 2)
    mixed = place >= kept
    k, s = q - 1 - kept, rest.gather(1, kept)
    last = one[-1]
    z = torch.where(s > 0, 1 - k * sigma / s, last).clamp_min_(0).sqrt_() * mixed
    # The reflection that takes the last unit vector to −z: its other columns are z's orthonormal complement.
    v = z + last
    reflection = one - v[:, :, None] * (v / (1 + z[:, -1:]))[:, None]
    scale = torch.where(mixed, s / k, sigma).sqrt_()
    return torch.where(mixed, signs, 1.0)[:, :, None] * (reflection * scale[:, None])[:, :, :-1]
