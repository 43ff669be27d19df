"""What a cell starts from: initial weights, and which of its recurrent weights there are.

Everything is drawn in float64 on the CPU, so float32 and float64 cells start from the same numbers.
"""

import math
from typing import Literal, get_args

import torch
from torch import Tensor

Start = Literal["default", "orthogonal", "identity"]
"""How the recurrent matrix of each gate begins: torch.nn's uniform(−1/√n, 1/√n); orthogonal, drawn evenly (Saxe et al.
2014); the identity (Le, Jaitly & Hinton 2015)."""


def uniform(units: int, *shape: int, generator: torch.Generator | None) -> Tensor:
    """Numbers between −1/√units and 1/√units, as torch.nn draws the parameters of a recurrent layer."""
    bound = 1 / math.sqrt(units)
    return torch.empty(shape, dtype=torch.float64, device="cpu").uniform_(-bound, bound, generator=generator)


def recurrent(start: str, drawn: Tensor, generator: torch.Generator | None) -> Tensor:
    """The recurrent matrices (blocks·n, n) of every gate, in place of those that were drawn by default."""
    if start not in get_args(Start):
        raise ValueError(f"init must be one of {', '.join(get_args(Start))}; got {start!r}")
    n = drawn.shape[1]
    blocks = drawn.split(n)
    if start == "orthogonal":
        return torch.cat([_orthogonal(n, generator) for _ in blocks])
    if start == "identity":
        return torch.cat([torch.eye(n, dtype=drawn.dtype) for _ in blocks])
    return drawn


def _orthogonal(n: int, generator: torch.Generator | None) -> Tensor:
    """Of all orthogonal matrices (n, n) with equal chances: the signs of R's diagonal make Q unique."""
    q, r = torch.linalg.qr(torch.empty(n, n, dtype=torch.float64, device="cpu").normal_(generator=generator))
    signed: Tensor = q * r.diagonal().sign()
    return signed


def kept(sparsity: float, rows: int, n: int, generator: torch.Generator | None) -> Tensor | None:
    """Which recurrent weights there are, (rows, n), as many in every row; None: all of them.

    Every row keeps (1 − sparsity) n of its weights, rounded and one at least, at places drawn evenly: no unit is left
    without a past, and what a row's weights need is of one size.
    """
    if not 0 <= sparsity < 1:
        raise ValueError(f"sparsity is the share of recurrent weights fixed at zero, from 0 to below 1; got {sparsity}")
    if sparsity == 0:
        return None
    number = max(1, round((1 - sparsity) * n))
    places = torch.empty(rows, n, dtype=torch.float64, device="cpu").uniform_(generator=generator)
    mask = torch.zeros(rows, n, dtype=torch.bool, device="cpu")
    return mask.scatter_(1, places.argsort(dim=1)[:, :number], True)
