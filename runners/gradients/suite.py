"""A gradient suite: a suite, whose runs are measured along the way, and how much is measured.

Any suite is one; a table ``measure`` may say how much. Learning rates and clip norms are tuned as those of any suite:
what a gradient is like depends on where it has led.
"""

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from throughtime.parts import BadInput
from throughtime.runners.suite.suite import Suite, parse_suite
from throughtime.runners.suite.written import GRADIENT_SUITES, SUITES, explain, file_of, find, names_in, parse

from .point import Measurement


class GradientSuite(Suite):
    """A suite with its measurement."""

    measure: Measurement = Measurement()


def gradient_suite_names() -> list[str]:
    """The built-in ones that were made for this."""
    return names_in(GRADIENT_SUITES)


def load_gradient_suite(name_or_path: str | Path) -> GradientSuite:
    """A built-in suite by name, one made for this or any other, or one from a TOML file.

    >>> load_gradient_suite("smoke").measure.draws
    64
    """
    folder = SUITES if str(name_or_path) in names_in(SUITES) else GRADIENT_SUITES
    text, name = find(name_or_path, folder, kind="gradient suite")
    suite = parse_gradient_suite(text, name, origin=str(name_or_path))
    return suite.model_copy(update={"file": file_of(name_or_path)})


def parse_gradient_suite(text: str, name: str, *, origin: str) -> GradientSuite:
    """A gradient suite from TOML; `origin` is what messages call it."""
    written = parse(text, origin=origin)
    measure = _measurement(written.pop("measure", {}), origin)
    suite = parse_suite(written, name, origin=origin)
    return GradientSuite(**dict(suite), measure=measure)


def _measurement(written: Any, origin: str) -> Measurement:
    if not isinstance(written, dict):
        raise BadInput(f"{origin}: measure must be a table, such as {{ draws = 100 }}; got {written!r}")
    try:
        return Measurement.model_validate(written)
    except ValidationError as error:
        raise BadInput(explain(error, f"{origin}, measure", Measurement.model_fields)) from None
