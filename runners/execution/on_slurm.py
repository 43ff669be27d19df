"""The executor of a slurm cluster, by submitit: an array of tasks, each of which does its share of the runs in turn.

Slurm starts the tasks, and again those of a node that failed; submitit those that came to their time limit, which go on
where they were. A task writes each record as a file of its own into a folder beside the results, where a client finds
it: so what ended while the client was gone is there for the next one, and tasks that still run go on for it.
"""

import contextlib
import json
import shutil
import time
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from throughtime.parts import BadInput
from throughtime.parts.specs import nearest
from throughtime.runners.records.files import write_json, write_text
from throughtime.runners.records.store import ELSEWHERE

from .executor import Executor, OnPoll
from .job import Job, R
from .local import default_workers
from .parcel import Needs, Parcel, Refusal, carry_out, pack, refused

if TYPE_CHECKING:
    from submitit import AutoExecutor
    from submitit import Job as Task

POLL_SECONDS = 0.5

TASKS = 100
"""Of an array, where no number is given."""

MINUTES = 60
"""A task's time limit, where none is given."""

WORDS = ("cluster", "partition", "time", "gpus", "account", "qos", "constraint", "mem", "cpus_per_task", "exclude")
"""What --slurm may set."""


class Slurm(Executor):
    """Tasks of a slurm cluster.

    Args:
        settings: "partition=gpu,time=120,gpus=1"; cluster=local tries it without slurm, by processes of this machine.
        workers: tasks at a time, among which the runs are dealt out; 0: 100, or the cores with cluster=local.
    """

    def __init__(self, settings: str = "", workers: int = 0) -> None:
        self.settings = _read(settings)
        self.local = self.settings.pop("cluster", "slurm") == "local"
        self.here = self.local
        self.workers = workers or (default_workers("cpu") if self.local else TASKS)

    def __str__(self) -> str:
        return f"by up to {self.workers} tasks of {'submitit on this machine' if self.local else 'slurm'}"

    def execute(self, jobs: Iterable[Job[R]], *, notes: Path, on_poll: OnPoll) -> Generator[R, None, None]:
        """By tasks that are there already, and new ones."""
        todo = {job.key: job for job in jobs}
        folder = notes.resolve().with_name(ELSEWHERE)
        for name in ("records", "tasks", "log"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        engine = self._engine(folder / "log")
        for refusal in (folder / "records").glob("*.refused"):  # of another time: it may be mended
            refusal.unlink()
        yield from _came_home(folder, todo)  # while nobody looked
        tasks = _left(engine, folder, todo)
        try:
            at_work = {key for keys in tasks.values() for key in keys}
            tasks |= self._submit(engine, folder, [job for key, job in todo.items() if key not in at_work])
            while todo:
                over = [task for task in tasks if task.done()]  # before the last look at what they gave
                yield from _came_home(folder, todo)
                for task in over:
                    reason = f"the task {task.job_id} ended before it was done ({task.state}); see {folder / 'log'}"
                    for key in tasks.pop(task) & todo.keys():
                        yield todo.pop(key).ended("error", reason)
                    (folder / "tasks" / f"{task.job_id}.json").unlink(missing_ok=True)
                on_poll([], sum(task.state in ("RUNNING", "R") for task in tasks))
                if todo:
                    time.sleep(POLL_SECONDS)
        finally:
            for task in tasks:
                with contextlib.suppress(Exception):  # slurm is gone, or the task has ended
                    if todo:
                        task.cancel(check=False)
                (folder / "tasks" / f"{task.job_id}.json").unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)

    def _engine(self, folder: Path) -> "AutoExecutor":
        from submitit import AutoExecutor

        try:
            engine = AutoExecutor(folder, cluster="local" if self.local else "slurm")
        except RuntimeError as error:  # no srun
            raise BadInput(
                f"there is no slurm on this machine ({error}); run this where `srun` is, or try it by --slurm "
                "cluster=local"
            ) from None
        given = {f"slurm_{name}": value for name, value in self.settings.items() if name not in ("time", "gpus")}
        engine.update_parameters(
            name="throughtime",
            timeout_min=self.settings.get("time", MINUTES),
            gpus_per_node=self.settings.get("gpus", 0),
            **({} if self.local else {**given, "slurm_array_parallelism": self.workers}),
        )
        return engine

    def _submit(self, engine: "AutoExecutor", folder: Path, jobs: list[Job[Any]]) -> "dict[Task[None], set[str]]":
        """The runs dealt out, one to each task in turn: those of an algorithm cost alike, and stand side by side."""
        if not jobs:
            return {}
        for job in jobs:  # done before, and to be done again
            (folder / "records" / f"{job.key}.done").unlink(missing_ok=True)
        parcels = list(zip((job.key for job in jobs), pack(jobs, Needs.of(jobs)), strict=True))
        shares = [share for n in range(self.workers) if (share := parcels[n :: self.workers])]
        with engine.batch():
            tasks = [engine.submit(Share(folder / "records", tuple(share))) for share in shares]
        found = {}
        for task, share in zip(tasks, shares, strict=True):
            found[task] = {key for key, _ in share}
            write_json(folder / "tasks" / f"{task.job_id}.json", {"keys": sorted(found[task])})
        return found


@dataclass(frozen=True)
class Share:
    """What one task does, as a submitit callable.

    Attributes:
        folder: where each record goes as soon as it is there.
        parcels: the runs, by key.
    """

    folder: Path
    parcels: tuple[tuple[str, Parcel[Any]], ...]

    def __call__(self) -> None:
        """Do what is not done yet."""
        for key, parcel in self.parcels:
            if not (self.folder / f"{key}.done").exists():
                record = carry_out(parcel)
                if isinstance(record, Refusal):
                    write_text(self.folder / f"{key}.refused", record.reason)
                    return
                write_json(self.folder / f"{key}.json", record.model_dump(mode="json"))
                (self.folder / f"{key}.done").touch()  # stays, whoever takes the record

    def checkpoint(self) -> Any:
        """At the time limit, or when others take the node: the same again, which goes on where it was."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def _came_home(folder: Path, todo: dict[str, Job[R]]) -> Iterator[R]:
    """The records that tasks wrote, which are then taken off `todo`."""
    for path in sorted((folder / "records").iterdir()):
        job = todo.get(path.stem)
        if path.suffix == ".refused":
            reason = path.read_text(encoding="utf-8")
            path.unlink()
            raise refused(reason)
        if path.suffix == ".json" and not path.name.startswith("."):
            if job is not None:
                with contextlib.suppress(ValueError):  # what can't be read is run again
                    record = type(job.started()).model_validate_json(path.read_bytes())
                    if record.key == job.key:
                        del todo[job.key]
                        yield record
            path.unlink()


def _left(engine: "AutoExecutor", folder: Path, todo: Mapping[str, Job[Any]]) -> "dict[Task[None], set[str]]":
    """The tasks of a client that is gone, as far as they have something to do that is asked for."""
    found = {}
    for path in (folder / "tasks").glob("*.json"):
        keys = set(json.loads(path.read_bytes())["keys"])
        task = engine.job_class(folder / "log", path.stem)
        if keys & todo.keys() and not task.done():
            found[task] = keys
        else:
            path.unlink()
    return found


def _read(settings: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for one in filter(None, settings.split(",")):
        name, equals, value = (word.strip() for word in one.partition("="))
        if not (equals and value):
            raise BadInput(f"--slurm {one!r} can't be read; write NAME=VALUE,… such as partition=gpu,time=120,gpus=1")
        if name not in WORDS:
            raise BadInput(f"--slurm can't set {name!r}; {nearest(name, WORDS)}")
        found[name] = _minutes(value) if name == "time" else int(value) if value.isdigit() else value
    if found.get("cluster", "slurm") not in ("slurm", "local"):
        raise BadInput(f"--slurm cluster={found['cluster']}: it is slurm, or local to try it without")
    if not isinstance(found.get("gpus", 0), int):
        raise BadInput(f"--slurm gpus={found['gpus']}: give a number")
    return found


def _minutes(text: str) -> int:
    """A time limit as slurm writes it: minutes, h:mm:ss, d-h:mm:ss.

    >>> _minutes("90"), _minutes("1:30:00"), _minutes("1-0:00:30")
    (90, 90, 1441)
    """
    days, dash, clock = text.rpartition("-")
    parts = clock.split(":")
    if not all(part.isdigit() for part in (*parts, *([days] if dash else []))) or len(parts) not in (1, 3):
        raise BadInput(f"--slurm time={text} can't be read; write minutes, or hours:minutes:seconds")
    if len(parts) == 1:
        return int(days or 0) * 24 * 60 + int(clock) * (60 if dash else 1)
    hours, minutes, seconds = map(int, parts)
    return int(days or 0) * 24 * 60 + hours * 60 + minutes + (seconds > 0)
