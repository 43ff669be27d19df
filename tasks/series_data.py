"""A series made ready to be cut into batches: scaled by what may be learned from, and refused where that goes wrong."""

from dataclasses import dataclass

import torch
from torch import Tensor

from throughtime.parts import BadInput


@dataclass(frozen=True)
class Data:
    """A series of N values, ready to be cut into batches.

    Attributes:
        values: (N, o) float64 as measured, NaN where missing.
        mean: (o,) of the values to learn from.
        deviation: (o,) of the same.
        scaled: (N, o) float64: less the mean, divided by the deviation; 0 where missing.
        present: (N,) whether a value is there.
        inputs: (N, m) float32.
    """

    values: Tensor
    mean: Tensor
    deviation: Tensor
    scaled: Tensor
    present: Tensor
    inputs: Tensor


def moments(values: Tensor) -> tuple[Tensor, Tensor]:
    """The mean and the deviation of each column's given values: (N, k) to (k,) and (k,)."""
    columns = [column[~column.isnan()] for column in values.T]
    return torch.stack([c.mean() for c in columns]), torch.stack([c.std(correction=0) for c in columns])


def make_ready(name: str, values: Tensor, external: Tensor, *, learn: int, gaps: bool) -> Data:
    """A task's series, scaled by its first `learn` values.

    Args:
        name: the task's, for messages.
        values: (N, o), NaN where missing.
        external: (N, k) features, NaN where missing.
        learn: how many of the values are to learn from.
        gaps: whether values may be missing.

    Raises:
        BadInput: values are missing and may not be, are infinite, or can't be scaled; or the features are infinite.
    """
    present = _checked(name, values, external, gaps=gaps)
    for number, column in enumerate(values[:learn].T):
        different = column[~column.isnan()].unique()
        if len(different) < 2:
            found = "are all the same" if len(different) else "are all missing"
            raise BadInput(
                f"{name}: the first {learn} values of column {number}, those to learn from, {found}, so nothing can be "
                f"scaled by their deviation: leave the column out, or learn from a longer part"
            )
    mean, deviation = moments(values[:learn])
    scaled = torch.where(present[:, None], (values - mean) / deviation, 0.0)
    flag = [(~present)[:, None].double()] if gaps else []
    inputs = torch.cat([external.nan_to_num(nan=0.0), *flag, scaled], dim=1).float()
    return Data(values, mean, deviation, scaled, present, inputs)


def _checked(name: str, values: Tensor, external: Tensor, *, gaps: bool) -> Tensor:
    """Which of the values are there, (N,)."""
    if values.dim() != 2 or external.dim() != 2 or len(values) != len(external):
        raise BadInput(
            f"{name}: values() gives (N, o) and external() (N, k), of the same N; got {tuple(values.shape)} and "
            f"{tuple(external.shape)}: a single column is values[:, None]"
        )
    for what, table in (("values", values), ("external", external)):
        infinite = table.isinf().any(dim=1).nonzero()
        if len(infinite):
            raise BadInput(
                f"{name}: {what}() has an infinite number at position {int(infinite[0])}; NaN is what stands for a "
                f"missing one"
            )
    missing = values.isnan().any(dim=1)
    if missing.any() and not gaps:
        raise BadInput(
            f"{name}: {int(missing.sum())} of {len(values)} values are missing (NaN), the first at position "
            f"{int(missing.nonzero()[0])}, and gaps is False: set gaps = True and add 1 to input_size, "
            f"for the flag, so that no missing value counts as a target; or let values() give a series without any"
        )
    return ~missing
