"""The directory of a suite's results: the manifest, which orders the runs by the rows of a table, and their records."""

from pydantic import BaseModel, ConfigDict

from throughtime.runners.suite.suite import Choice, Suite
from throughtime.tasks import Metric, Reference

from .record import Record
from .store import Asked, Store


class TaskFacts(BaseModel):
    """What a table needs to know of a task."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fingerprint: str
    metric: Metric
    references: tuple[Reference, ...]
    horizon: int = 0


class GroupKeys(BaseModel):
    """One row's runs: the choice is None until tuning is complete; `experiment` is its number in the suite."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    experiment: int
    task: str
    cell: str
    forcing: str
    algorithm: str
    target: float | None
    choice: Choice | None
    tuning: tuple[str, ...]
    report: tuple[str, ...]


class Manifest(Asked):
    """What the directory holds and in which order a table shows it."""

    suite: Suite
    tasks: dict[str, TaskFacts]
    groups: tuple[GroupKeys, ...]

    @property
    def subject(self) -> str:
        """The suite and the device."""
        return subject(self.suite, self.device)


def subject(suite: Suite, device: str) -> str:
    """Whose results a directory holds: "quickstart on cpu"."""
    return f"{suite.name} on {device}"


class RunStore(Store[Manifest, Record]):
    """A suite's results directory."""

    manifest_type = Manifest
    record_type = Record
    format = 3
