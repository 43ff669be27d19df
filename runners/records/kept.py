"""What every record has, whatever was run: how it ended, and what came with it."""

from abc import abstractmethod
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from throughtime.parts.text import Plain

Whole = Annotated[int, Field(ge=0)]
"""A count."""

Number = Annotated[float, Field(allow_inf_nan=False)]
"""One that is none is told by a status."""

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
"""A time that was measured."""

Status = Literal["done", "diverged", "timeout", "out-of-memory", "error", "skipped"]


def rounded(value: float) -> float:
    """To the seven digits that one of very many numbers is kept with.

    >>> rounded(2 / 3)
    0.6666667
    """
    return float(f"{value:.7g}")


class Kept(BaseModel):
    """What every record says of itself: how it ended, and with which deadline in seconds (None: it had none).

    `plugins` are the modules from outside of throughtime that were used, with the sha256 of their files; `printed` is
    the end of what such code printed.
    """

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    key: str = ""
    status: Status = "done"
    reason: Plain = ""
    traceback: Plain = ""
    printed: Plain = ""
    plugins: dict[str, str] = {}
    deadline: float | None = None

    @property
    @abstractmethod
    def settings(self) -> BaseModel:
        """What was to be done, as the record has it."""

    @property
    def subject(self) -> str:
        """The same in words."""
        return str(self.settings)

    @property
    def contradiction(self) -> str:
        """Where it does not agree with itself, in words; empty where it does."""
        return ""

    @property
    def broke(self) -> bool:
        """Whether something went wrong that has nothing to do with the numbers."""
        return self.status in ("error", "timeout", "out-of-memory")

    def finished(self, deadline: float) -> bool:
        """Whether running it again would give the same: errors are tried again, a timeout if it now has longer."""
        late = self.status == "timeout" and (self.deadline or 0.0) >= deadline
        return self.status in ("done", "diverged") or late
