"""The plan: every run that a suite may ask for, with its key on this machine, and what stands in the way of a row.

A plan is worked out from the suite, the code and the data alone. What of it is finished stands in a directory, whose
records `outlook` (in `outlook.py`) and `tuning_of` (in `tuning.py`) hold beside it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from throughtime.algorithms import make_algorithm
from throughtime.forcings import make_forcing
from throughtime.networks import CELLS
from throughtime.parts import BadInput, Broken, Unavailable
from throughtime.parts.containment import contained
from throughtime.parts.registry import third_party
from throughtime.parts.specs import nearest, parse_spec
from throughtime.runners.records.machine import arithmetic
from throughtime.runners.records.manifest import TaskFacts
from throughtime.runners.suite.config import RunConfig
from throughtime.runners.suite.experiment import Group, task_class
from throughtime.runners.suite.fingerprint import Code, key_of, look_again
from throughtime.runners.suite.ladder import Choice
from throughtime.runners.suite.plugins import REGISTRIES, files_of
from throughtime.runners.suite.reach import check_reach
from throughtime.runners.suite.spelling import in_one_spelling
from throughtime.runners.suite.suite import Suite, spelt
from throughtime.tasks import make_task

from .job import RunJob

FILTERS = ("task", "cell", "forcing", "algorithm")


@dataclass(frozen=True)
class Obstacle:
    """Why a row can't run: its runs are "skipped", or an "error" where a plugin fails.

    Attributes:
        of_task: whether it is the task's alone, and so every row's of that task.
    """

    status: Literal["skipped", "error"]
    reason: str
    of_task: bool = False


class _Later(Mapping[Choice, Sequence[RunJob]]):
    """Runs that are made when they are asked for: of ten thousand that are run, fifty thousand might be."""

    def __init__(self, choices: Sequence[Choice], make: Callable[[Choice], Sequence[RunJob]]) -> None:
        self._choices, self._make = dict.fromkeys(choices), make
        self._made: dict[Choice, Sequence[RunJob]] = {}

    def __getitem__(self, choice: Choice) -> Sequence[RunJob]:
        if choice not in self._choices:
            raise KeyError(choice)
        if choice not in self._made:
            self._made[choice] = self._make(choice)
        return self._made[choice]

    def __iter__(self) -> Iterator[Choice]:
        return iter(self._choices)

    def __len__(self) -> int:
        return len(self._choices)


@dataclass(frozen=True)
class Row:
    """A row of a table, as it is to be run.

    Attributes:
        group: what its runs have in common.
        experiment: its number in the suite.
        selected: whether no filter leaves it out.
        obstacle: None where it can run.
        tuning: the runs of each point that tuning may try, of a ladder every one within its limits; empty where there
            is nothing to tune, or an obstacle.
        report: the runs that the table shows, for each choice that tuning may make; most are never asked for.
    """

    group: Group
    experiment: int
    selected: bool
    obstacle: Obstacle | None
    tuning: Mapping[Choice, Sequence[RunJob]]
    report: Mapping[Choice, Sequence[RunJob]]

    @property
    def tuning_jobs(self) -> list[RunJob]:
        """Of all points that are tried whatever comes out: of a ladder the first ones."""
        return [job for choice in self.group.experiment.grid if self.tuning for job in self.tuning[choice]]


@dataclass(frozen=True)
class TaskState:
    """A task on this machine: the checksum of its data, or why it can't be had.

    Attributes:
        facts: of a plugin's task, which was asked for them once: asked again it might not answer.
    """

    checksum: str = ""
    obstacle: Obstacle | None = None
    facts: TaskFacts | None = None


@dataclass(frozen=True)
class Plan:
    """What a suite may ask for on this machine."""

    suite: Suite
    device: str
    tasks: Mapping[str, TaskState]
    rows: tuple[Row, ...]

    @property
    def selected(self) -> list[Row]:
        """The rows that no filter leaves out."""
        return [row for row in self.rows if row.selected]


def settings_of(jobs: Iterable[RunJob]) -> dict[str, RunConfig]:
    """What the records of jobs must be of, by key."""
    return {job.key: job.config for job in jobs}


def make_plan(suite: Suite, *, device: str = "cpu", only: Mapping[str, str] | None = None, here: bool = True) -> Plan:
    """Every run of a suite, without running any.

    Args:
        suite: what is asked.
        device: "cpu" or "cuda".
        only: restricts the rows: {"algorithm": "rtrl"} by name or by full spec; also "task", "cell", "forcing".
        here: whether this machine is to run them, and must have the device.

    Raises:
        BadInput: there is no such device, nothing matches, or a part that no worker can find.
    """
    check_device(device, here)
    look_again()
    suite = spelt(suite, suite.name)
    numbered = [(number, group) for number, one in enumerate(suite.experiments) for group in one.groups()]
    selected = {id(group) for group in _select([group for _, group in numbered], only or {})}  # to hash one takes long
    tasks = {task: _state(task) for task in dict.fromkeys(group.task for _, group in numbered)}
    rows = tuple(_row(group, number, id(group) in selected, tasks[group.task], device) for number, group in numbered)
    return Plan(suite, device, tasks, rows)


def _row(group: Group, number: int, selected: bool, task: TaskState, device: str) -> Row:
    obstacle = task.obstacle
    modules: tuple[str, ...] = ()
    try:
        modules = _modules(group)
        if obstacle is None and group.obstacle:
            obstacle = Obstacle("skipped", group.obstacle)
    except Broken as error:
        obstacle = obstacle or Obstacle("error", str(error))
    code = Code(modules, task.checksum)
    mark = code.fingerprint(arithmetic(device))
    files = files_of(code.plugins)

    def jobs(configs: Sequence[RunConfig]) -> list[RunJob]:
        deadline = group.experiment.deadline
        return [RunJob(key_of(config.model_dump(), mark), deadline, code, files, config) for config in configs]

    experiment = group.experiment
    points = experiment.points(experiment.ladder.rungs) if experiment.ladder else experiment.grid
    tried = [] if obstacle or len(points) == 1 else points
    tuning = _Later(tried, lambda choice: jobs(group.attempts(choice, device)))
    report = _Later(points, lambda choice: jobs(group.report(choice, device)))
    return Row(group, number, selected, obstacle, tuning, report)


def _modules(group: Group) -> tuple[str, ...]:
    """Where a group's code begins; `Broken` where a plugin's can't be had."""
    task = task_class(group.task)
    algorithm, forcing = type(make_algorithm(group.algorithm)), type(make_forcing(group.forcing))
    classes = (algorithm, forcing, task, task if task.own_cell else CELLS.get(parse_spec(group.cell)[0]))
    check_reach(classes)
    modules = (cls.__module__ for cls in classes)
    return (*modules, "throughtime.algorithms.full", "throughtime.runners.training.train")


def _state(task: str) -> TaskState:
    """Whether a task can be had here, and its data's checksum."""
    try:
        made = make_task(task)
        if not third_party(type(made)):
            return TaskState(made.checksum())
        with contained(f"checksum and references of the task {task!r}"):
            return TaskState(made.checksum(), facts=TaskFacts.of(made))  # without them its scores would mean nothing
    except Unavailable as error:
        return TaskState(obstacle=Obstacle("skipped", str(error), of_task=True))
    except Broken as error:
        return TaskState(obstacle=Obstacle("error", str(error), of_task=True))


def check_device(device: str, here: bool = True) -> str:
    """The device; `BadInput` if there is none of that name, on this machine where it is `here`."""
    if device not in ("cpu", "cuda"):
        raise BadInput(f"device must be cpu or cuda, got {device!r}")
    if device == "cuda" and here and not torch.cuda.is_available():
        raise BadInput("device cuda is not available: torch finds no CUDA GPU on this machine; use --device cpu")
    return device


def _select(groups: list[Group], only: Mapping[str, str]) -> list[Group]:
    """The groups that match every filter; `BadInput` where nothing matches."""
    for axis, wanted in only.items():
        if axis not in FILTERS:
            raise BadInput(f"a filter can't be on {axis!r}; {nearest(axis, FILTERS)}")
        there = list(dict.fromkeys(getattr(group, axis) for group in groups))
        groups = [group for group in groups if _matches(axis, getattr(group, axis), wanted)]
        if not groups:
            raise BadInput(f"nothing in the suite has {axis}={wanted}; {nearest(wanted, there)}")
    return groups


def _matches(axis: str, spec: str, wanted: str) -> bool:
    """Whether a filter is a spec's name, or means the same with parameters, however it is spelt."""
    name, parameters = parse_spec(wanted)
    if name != parse_spec(spec)[0] or not parameters:
        return name == parse_spec(spec)[0]
    return spec == in_one_spelling(REGISTRIES[f"{axis}s"], wanted)
