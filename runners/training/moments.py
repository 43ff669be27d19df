"""Mean and variance of vectors that come one by one, in constant memory and without cancellation.

One value at a time as Welford (Technometrics 4, 1962), two sets at once as Chan, Golub & LeVeque (The American
Statistician 37, 1983):

    n = n_a + n_b,   δ = m_b − m_a,   m = m_a + δ n_b / n,   M = M_a + M_b + δ² n_a n_b / n

A thousand gradients of 100,000 parameters take no more memory than two of them.
"""

import torch
from torch import Tensor


class Moments:
    """Running moments of tensors of one shape, in float64.

    Args:
        shape: of each value.
        device: where the sums live.
    """

    def __init__(self, *shape: int, device: torch.device | str = "cpu") -> None:
        self.count = 0
        self.mean = torch.zeros(shape, dtype=torch.float64, device=device)
        self.deviations = torch.zeros_like(self.mean)

    def add(self, value: Tensor) -> None:
        """One more value."""
        self.count += 1
        delta = value.double() - self.mean
        self.mean += delta / self.count
        self.deviations += delta * (value.double() - self.mean)

    def merge(self, other: "Moments") -> None:
        """All values of another set too."""
        if not other.count:
            return
        count = self.count + other.count
        delta = other.mean - self.mean
        self.mean += delta * (other.count / count)
        self.deviations += other.deviations + delta * delta * (self.count * other.count / count)
        self.count = count

    @property
    def variance(self) -> Tensor:
        """Of one value, unbiased; nan with fewer than two."""
        return self.deviations / (self.count - 1) if self.count > 1 else torch.full_like(self.mean, torch.nan)

    @property
    def standard_error(self) -> Tensor:
        """Of the mean; nan with fewer than two values."""
        return (self.variance / max(self.count, 1)).sqrt()
