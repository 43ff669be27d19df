"""What a check is: a promise in words, a measurement, and where to look when the two don't agree.

A check is a function of what is verified. Its docstring is the promise, then ``Look at:`` what to read where it is
broken. It returns what it measured in words, raises `Refuted` with what it measured instead, or `NotPromised` where the
part does not claim it. Any other exception is a failure too.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from throughtime.parts import BadInput
from throughtime.parts.containment import place
from throughtime.parts.process import restore, state
from throughtime.parts.specs import nearest

from .refuted import NotPromised, Refuted

T = TypeVar("T")

Outcome = Literal["passed", "failed", "expected failure", "unexpected pass", "not promised", "not measured"]


@dataclass(frozen=True)
class Finding:
    """How one check ended.

    Attributes:
        check: its name.
        promised: in words.
        measured: in words.
        outcome: an expected failure is one of `expected_failures` that failed; one of them that passed is unexpected;
            not measured is what took too long by the clock on the wall alone.
        look_at: what to read, where it failed; the reason, where that was expected.
    """

    check: str
    promised: str
    measured: str
    outcome: Outcome
    look_at: str = ""

    @property
    def bad(self) -> bool:
        """Whether something must be mended."""
        return self.outcome in ("failed", "unexpected pass", "not measured")

    def __str__(self) -> str:
        look = f"\n    look at: {self.look_at}" if self.look_at else ""
        return f"{self.check}: {self.outcome}\n    promised: {self.promised}\n    measured: {self.measured}{look}"


@dataclass(frozen=True)
class Check(Generic[T]):
    """One check of one part: call it, and it raises an AssertionError where the part does not hold it.

    Attributes:
        function: what measures.
        subject: what is measured.
        reason: why it is expected to fail; empty where it is not.
    """

    function: Callable[[T], str]
    subject: T
    reason: str = ""

    @property
    def name(self) -> str:
        """The function's."""
        return self.function.__name__

    def find(self) -> Finding:
        """Measure; never raises, and leaves the process as it was."""
        promised, look_at = _words(self.function)
        before = state()
        try:
            measured, failed = self.function(self.subject), False
        except NotPromised as why:
            return Finding(self.name, promised, str(why), "not promised")
        except Refuted as refuted:
            measured, failed = str(refuted), True
        except (Exception, SystemExit) as error:
            notes = "".join(f", {note}" for note in getattr(error, "__notes__", ()))
            measured, failed = f"{type(error).__name__}: {' '.join(str(error).split())}{place(error)}{notes}", True
        finally:
            restore(before)
        if self.reason:
            if failed:
                return Finding(self.name, promised, measured, "expected failure", self.reason)
            said = f"it is expected to fail ({self.reason}) and does not: take it out of expected_failures"
            return Finding(self.name, promised, measured, "unexpected pass", said)
        return Finding(self.name, promised, measured, "failed" if failed else "passed", look_at if failed else "")

    def __call__(self) -> None:
        """For a test: AssertionError where the part does not hold what it promises."""
        finding = self.find()
        if finding.bad:
            raise AssertionError(str(finding))

    def __str__(self) -> str:
        return self.name


def make_checks(
    functions: Sequence[Callable[[T], str]], subject: T, expected_failures: Mapping[str, str] | None
) -> list[Check[T]]:
    """A check of the subject for each function; `BadInput` where a failure is expected of what is no check.

    Args:
        functions: what measures.
        subject: the part.
        expected_failures: by check's name the reason; None: those that the part's class attribute of that name tells.
    """
    expected = getattr(subject, "expected_failures", {}) if expected_failures is None else expected_failures
    names = [function.__name__ for function in functions]
    for name in expected:
        if name not in names:
            raise BadInput(f"expected_failures has {name!r}, which is no check; {nearest(name, names)}")
    return [Check(function, subject, expected.get(function.__name__, "")) for function in functions]


def examine(checks: Sequence[Check[Any]]) -> list[Finding]:
    """Every check's finding; AssertionError with all that failed."""
    findings = [check.find() for check in checks]
    if any(finding.bad for finding in findings):
        raise AssertionError("\n".join(str(finding) for finding in findings if finding.bad))
    return findings


def _words(function: Callable[..., str]) -> tuple[str, str]:
    """The promise and what to look at, from a check's docstring."""
    text = " ".join((inspect.getdoc(function) or "").split())
    promise, _, look_at = text.partition("Look at: ")
    return promise.strip(), look_at.strip()
