"""Cells by name, and from specs such as ``"leaky(leak=0.1)"``: what their constructors take beside the sizes.

Every cell takes ``layers`` as well, which is no constructor's matter.
"""

import contextlib
import inspect
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from pydantic import Field

from throughtime.parts.containment import contained
from throughtime.parts.errors import BadInput
from throughtime.parts.registry import Registry, check_parameters, third_party
from throughtime.parts.specs import format_spec, nearest, parse_spec

from .base import AnyCell
from .layers import Stacked

LAYERS = inspect.Parameter("layers", inspect.Parameter.KEYWORD_ONLY, default=1, annotation=Annotated[int, Field(ge=1)])


@dataclass(frozen=True)
class Maker:
    """Makes the cells of one spec, as a cell's class makes its own."""

    spec: str
    cell: type[AnyCell]
    parameters: dict[str, Any]
    layers: int

    def __call__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        generator: torch.Generator | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> AnyCell:
        """A cell with m inputs and n units, or layers of them; `BadInput` where its parameters don't fit."""
        try:
            layers = [
                self.cell(size, hidden_size, generator=generator, dtype=dtype, **self.parameters)
                for size in (input_size, *[hidden_size] * (self.layers - 1))
            ]
        except BadInput:
            raise
        except ValueError as error:
            raise BadInput(f"cell {self.spec!r}: {error}") from error
        return Stacked(layers) if len(layers) > 1 else layers[0]


class Cells(Registry[AnyCell]):
    """The registry of cells; a cell's sizes, generator and type are its network's to give, and no spec's."""

    def parameters(self, cls: type[AnyCell]) -> dict[str, inspect.Parameter]:
        """What the constructor takes beside sizes, generator and dtype; then `layers`."""
        found = super().parameters(cls)
        places = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        sizes = [name for name, one in found.items() if one.kind in places][:2]
        variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        rest = {name: one for name, one in found.items() if one.kind not in variable}
        return {name: rest[name] for name in rest if name not in (*sizes, "generator", "dtype")} | {"layers": LAYERS}

    def maker(self, spec: str) -> Maker:
        """What makes the cells of a spec; `BadInput` for a wrong name or parameter, with the nearest and all."""
        name, written = parse_spec(spec)
        found = self.get(name)
        allowed = self.parameters(found)
        for one in ("input_size", "hidden_size", "generator", "dtype"):
            if one in written and one not in allowed:
                raise BadInput(
                    f"cell {name!r}: {one} is its network's to give, not its spec's; {nearest(one, allowed)}"
                )
        checked = check_parameters(f"cell {name!r}", allowed, written)
        layers = checked.pop("layers", 1)
        return Maker(format_spec(name, written), found, checked, layers)

    def try_out(self, spec: str, *, hidden_size: int) -> None:
        """Make a cell of that size and throw it away: some parameters, and some cells, want sizes of their own.

        Raises:
            BadInput: its parameters don't fit, each other or the size.
            Broken: a plugin's can't be made.
        """
        maker = self.maker(spec)
        with contained(f"making the cell {spec!r}") if third_party(maker.cell) else contextlib.nullcontext():
            maker(1, hidden_size, generator=torch.Generator().manual_seed(0))


CELLS = Cells(
    "cell",
    AnyCell,  # type: ignore[type-abstract]
    "throughtime.networks",
    group="throughtime.cells",
)
