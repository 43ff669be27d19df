"""What a user writes in TOML: finding the file, reading it, and saying what is wrong with it, field by field."""

import json
import sys
import tomllib
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, Field, ValidationError

from throughtime.parts import BadInput
from throughtime.parts.specs import nearest

from .config import Budget, Spec
from .ladder import Ladder

SUITES, COST_SUITES, GRADIENT_SUITES = "suites", "cost/suites", "gradients/suites"
"""The folders of the built-in suites."""

T = TypeVar("T")


def distinct(values: tuple[T, ...]) -> tuple[T, ...]:
    """The values; `ValueError` if one is there twice."""
    twice = [value for value in dict.fromkeys(values) if values.count(value) > 1]
    if twice:
        raise ValueError(f"{twice[0]!r} is listed twice")
    return values


Specs = Annotated[tuple[Spec, ...], Field(min_length=1), AfterValidator(distinct)]
Finite = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(gt=0, le=1_000_000, strict=True)]


def names_in(folder: str) -> list[str]:
    """The built-in files of a folder, without their suffix."""
    return sorted(p.name.removesuffix(".toml") for p in _open(folder).iterdir() if p.name.endswith(".toml"))


def check_kind(name: str) -> None:
    """`BadInput` for the name of a laboratory's built-in suite, with the command that measures it."""
    for folder, kind, command in ((COST_SUITES, "cost", "cost"), (GRADIENT_SUITES, "gradient", "gradients")):
        if name in names_in(folder):
            raise BadInput(f"{name} is a {kind} suite: `throughtime {command} {name}` measures it")


def origin_of(file: Path | None, name: str, folder: str) -> Path | None:
    """Where a suite comes from: its file, or the script that is running and made it; None of a built-in one.

    Args:
        file: that it was read from.
        name: the suite's.
        folder: of the built-in ones.
    """
    if file is not None or name in names_in(folder):
        return file
    script = getattr(sys.modules["__main__"], "__file__", None)  # what is typed has none
    return Path(script).absolute() if script else None


def find(name_or_path: str | Path, folder: str, *, kind: str) -> tuple[str, str]:
    """The text and the name of a built-in file, by name, or of a TOML file, by path.

    Args:
        name_or_path: which.
        folder: of the built-in ones.
        kind: the word for it in messages, "suite".
    """
    given = str(name_or_path)
    path = Path(given)
    names = names_in(folder)
    if _is_path(given):
        if not path.is_file():
            raise BadInput(f"there is no {kind} file {given!r}; built-in {kind}s: {', '.join(names)}")
        try:
            return path.read_text(encoding="utf-8-sig"), path.stem
        except (OSError, UnicodeDecodeError) as error:
            raise BadInput(f"the {kind} file {given!r} can't be read as UTF-8 text: {error}") from None
    if given in names:
        return (_open(folder) / f"{given}.toml").read_text(encoding="utf-8"), given
    raise BadInput(f"no {kind} is called {given!r}; {nearest(given, names)}; or give a .toml file's path")


def file_of(name_or_path: str | Path) -> Path | None:
    """The file that `find` reads, absolute; None for a built-in one."""
    return Path(name_or_path).resolve() if _is_path(name_or_path) else None


def _is_path(name_or_path: str | Path) -> bool:
    path = Path(name_or_path)
    return path.suffix.lower() == ".toml" or path.parent != Path()


def parse(text: str, *, origin: str) -> dict[str, Any]:
    """The TOML; `origin` is what messages call it."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"{origin} is not valid TOML: {error}") from None


def explain(error: ValidationError, origin: str, fields: Iterable[str]) -> str:
    """Pydantic's findings, a line each: the field, what is wrong, what was given."""
    lines = []
    for detail in error.errors():
        place = [str(part) for part in detail["loc"] if not str(part).startswith("<")]  # of two kinds, which it is
        field, kind, given = ".".join(place) or "the suite", detail["type"], detail["input"]
        if kind == "extra_forbidden":
            allowed = TABLES.get(place[-2], ()) if len(place) > 1 else fields
            lines.append(f"{origin} has an unknown field {field!r}; {nearest(place[-1], allowed)}")
        elif kind == "missing":
            lines.append(f"{origin} lacks the field {field!r}")
        elif kind == "tuple_type":
            lines.append(f"{origin}: {field}: must be a list, such as [{_toml(given)}]; got {_toml(given)}")
        elif kind == "model_type":
            lines.append(f"{origin}: {field}: must be a table, such as {{ steps = 1000 }}; got {_toml(given)}")
        elif kind == "too_short":
            if not given:
                lines.append(f"{origin}: {field}: must list at least one; got {_toml(given)}")
        else:
            message = detail["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
            message = f"must be {message}" if detail["msg"].startswith("Input should be ") else message
            lines.append(f"{origin}: {field}: {message[:1].lower()}{message[1:]}; got {_toml(given)}")
    return "\n".join(lines)


TABLES = {"budget": tuple(Budget.model_fields), "learning_rates": tuple(Ladder.model_fields)}
"""What a table within a suite may hold."""


def _toml(value: Any) -> str:
    """A value as it is written in TOML, cut where it is long."""
    if isinstance(value, bool):
        text = str(value).lower()
    elif isinstance(value, str):
        text = json.dumps(value, ensure_ascii=False)
    elif isinstance(value, list | tuple):
        text = f"[{', '.join(map(_toml, value))}]"
    elif isinstance(value, dict):
        text = f"{{ {', '.join(f'{key} = {_toml(one)}' for key, one in value.items())} }}"
    else:
        text = str(value)
    return text if len(text) <= 200 else f"{text[:197]}…"


def _open(folder: str) -> Any:
    return resources.files("throughtime.runners").joinpath(*folder.split("/"))
