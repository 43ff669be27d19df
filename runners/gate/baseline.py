"""Committed baselines: JSON for reading in a diff, and what must be the same for a number in it to be compared."""

import json
import platform
import shlex
from pathlib import Path
from typing import Any, TypeVar

import torch
from pydantic import BaseModel, ConfigDict, ValidationError

from throughtime.parts import BadInput
from throughtime.runners.records.files import read_regular, write_text

from .checkout import ROOT

REFERENCE = ROOT / "results" / "reference"
"""Where baselines are looked for: in the checkout that the code runs from, whatever the working directory is."""


class Made(BaseModel):
    """With what a baseline was made: other versions dispatch other operators, and so does torch on another platform."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    torch: str
    python: str
    platform: str

    @classmethod
    def here(cls) -> "Made":
        """With what one would be made now. Builds of torch for CPU and GPU count alike on a CPU."""
        return cls(
            torch=torch.__version__.partition("+")[0],
            python=".".join(platform.python_version_tuple()[:2]),
            platform=f"{platform.system()} {platform.machine()}",
        )

    def __str__(self) -> str:
        return f"torch {self.torch}, Python {self.python}, {self.platform}"


class Baseline(BaseModel):
    """What every baseline's file says of itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    about: str
    made: Made


B = TypeVar("B", bound=Baseline)


def where(reference: Path | None) -> Path:
    """The directory of the baselines: the one given, else that of the checkout; `BadInput` where there is neither."""
    if reference is None and not REFERENCE.is_dir():
        raise BadInput(
            f"there are no baselines with this code (no folder {REFERENCE}), which is installed without them, it "
            "seems: clone the repository and install it there with pip install -e ., or give --reference DIR"
        )
    return reference or REFERENCE


def update_command(reference: Path) -> str:
    """What to type to make the baselines of a directory anew."""
    elsewhere = [] if reference.resolve() == REFERENCE else ["--reference", str(reference)]
    return shlex.join(["throughtime", "check", "--update", *elsewhere])


def read(kind: type[B], path: Path) -> B | None:
    """A baseline; None where there is no such file, `BadInput` where it can't be read."""
    try:
        return kind.model_validate_json(read_regular(path))
    except FileNotFoundError:
        return None
    except ValidationError as error:
        reason = _first(error)
        restore = f"git -C {shlex.quote(str(path.parent))} checkout -- {path.name}"
        raise BadInput(
            f"{str(path)!r} is no baseline that can be read ({reason}); restore it ({restore}) or make it anew: "
            f"remove it, then {update_command(path.parent)}"
        ) from None


def write(baseline: Baseline, path: Path) -> None:
    """Replace a baseline, sorted, so that a diff shows what changed and nothing else."""
    content: dict[str, Any] = baseline.model_dump(mode="json")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    except OSError as error:
        raise BadInput(f"{str(path)!r} can't be written: {error.strerror}; give another --reference DIR") from None


def _first(error: ValidationError) -> str:
    detail = error.errors()[0]
    where = ".".join(str(part) for part in detail["loc"])
    return f"{where}: {detail['msg']}" if where else detail["msg"]
