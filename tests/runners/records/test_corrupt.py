"""A hundred kinds of broken files: each is named, or its run is missing and made again; never a traceback or a hang."""

import json
import os
import shutil
from pathlib import Path

import pytest

from throughtime.parts import BadInput
from throughtime.runners import load_curves, load_results
from throughtime.runners.cost import tables as cost_tables
from throughtime.runners.cost.grid import CostRunner
from throughtime.runners.cost.store import load_costs
from throughtime.runners.gate.accuracy import Smoke
from throughtime.runners.gate.baseline import read
from throughtime.runners.gate.counters import Counters
from throughtime.runners.records.manifest import RunStore
from throughtime.runners.showing.panels import Drawing
from throughtime.runners.showing.summary import summarise
from throughtime.runners.showing.tables import csv, latex, markdown

REFERENCE = Path(__file__).parents[3] / "results" / "reference"

COSTS = "algorithms = ['full']\ncells = ['rnn']\nlength = [2, 3]\nhidden_size = 2\nbatch_size = 2\nrounds = 3\n"


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """Results, costs and baselines that are as they should be."""
    folder = tmp_path_factory.mktemp("sound")
    shutil.copytree(REFERENCE / "influence_balancing", folder / "results", ignore=shutil.ignore_patterns("figures"))
    (folder / "costs.toml").write_text(COSTS, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("throughtime.runners.execution.local.execute", _measured)
        runner = CostRunner(folder / "costs.toml", folder / "costs", device="cpu")
        with runner.store.locked():
            runner.run()
    for name in ("counters.json", "smoke.json"):
        shutil.copy(REFERENCE / name, folder)
    return folder


def _measured(jobs, **rest):
    for job in jobs:
        record = job.started()
        job.execute(record, lambda progress: None)
        yield record


@pytest.fixture
def folder(sound):
    """What a test may break; each file is made whole again after it."""
    before = {path_of(sound, file): path_of(sound, file).read_bytes() for file in FILES}
    yield sound
    for path, content in before.items():
        if path.is_dir():
            path.rmdir()
        path.unlink(missing_ok=True)
        path.write_bytes(content)


def show(folder):
    """All that is shown of results."""
    load_curves(folder / "results")
    summary = summarise(folder / "results")
    for write in (markdown, csv, latex):
        write(summary)
    Drawing(folder / "results")


def show_costs(folder):
    """All that is shown of costs."""
    costs = load_costs(folder / "costs")
    for write in cost_tables.FILES.values():
        write(costs)


FILES = {
    "a record": ("results/runs/*.json", show),
    "the manifest": ("results/manifest.json", show),
    "the environment": ("results/environment.json", show),
    "a cost": ("costs/points/*.json", show_costs),
    "the costs' manifest": ("costs/cost.json", show_costs),
    "the costs' environment": ("costs/environment.json", show_costs),
    "the counters": ("counters.json", lambda folder: read(Counters, folder / "counters.json")),
    "the smoke scores": ("smoke.json", lambda folder: read(Smoke, folder / "smoke.json")),
}

MISSING = {"a record", "a cost"}
"""What is made again where it can't be read."""

OPTIONAL = {"the environment", "the costs' environment"}
"""What is "not recorded" where it can't be read."""

TEXTS = {
    "empty": lambda text: b"",
    "half": lambda text: text[: len(text) // 2],
    "all but the end": lambda text: text.rstrip()[:-1],
    "zeros": lambda text: bytes(len(text)),
    "noise": lambda text: bytes(range(256)) * 4,
    "half of UTF-16": lambda text: text.decode().encode("utf-16")[:-1],
    "a byte that is no UTF-8": lambda text: text.replace(b'"', b'"\xff', 1),
    "a list": lambda text: b"[]",
    "null": lambda text: b"null",
    "a number": lambda text: b"1e999",
    "an object of another kind": lambda text: b'{"key": {"status": []}}',
    "twice": lambda text: text + text,
    "deep": lambda text: b"[" * 100_000,
    "deep objects": lambda text: b'{"a":' * 100_000,
    "a conflict": lambda text: b"<<<<<<< HEAD\n" + text,
    "a pointer": lambda text: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
}


def path_of(folder, file):
    return sorted(folder.glob(FILES[file][0]))[0]


def looked_at(folder, file):
    """Look at what is broken: it is named, or missing."""
    path, (_, look) = path_of(folder, file), FILES[file]
    try:
        look(folder)
    except BadInput as error:
        assert path.name in str(error) or str(path.parent) in str(error), str(error)  # noqa: PT017 (or none)
        return str(error)
    return ""


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("file", FILES)
def test_other_text(folder, file, text):
    path = path_of(folder, file)
    path.write_bytes(TEXTS[text](path.read_bytes()))
    told = looked_at(folder, file)
    assert bool(told) == (file not in MISSING | OPTIONAL), told
    if file == "a record":
        assert len(load_results(folder / "results")) == 3
    if file == "a cost":
        assert [line.missing for line in load_costs(folder / "costs").lines] == [1]


INSTEAD = {
    "a FIFO": os.mkfifo,
    "a folder": os.mkdir,
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a link to nothing": lambda path: path.symlink_to("nothing"),
    "a device that never ends": lambda path: path.symlink_to("/dev/zero"),
}


@pytest.mark.timeout(30)
@pytest.mark.parametrize("what", INSTEAD)
@pytest.mark.parametrize("file", FILES)
def test_something_else(folder, file, what):
    path = path_of(folder, file)
    path.unlink()
    INSTEAD[what](path)
    told = looked_at_instead(folder, file, path)
    assert told or what == "a link to nothing" or file in OPTIONAL


def looked_at_instead(folder, file, path):
    try:
        FILES[file][1](folder)
    except BadInput as error:
        assert path.name in str(error) or str(path.parent) in str(error), str(error)  # noqa: PT017
        return str(error)
    return ""


def put(*keys):
    """Change a value: the last of the words is the new one."""
    *way, last, value = keys

    def change(content):
        for key in way:
            content = content[key]
        content[last] = value

    return change


def drop(*keys):
    """Leave a key out."""

    def change(content):
        for key in keys[:-1]:
            content = content[key]
        del content[keys[-1]]

    return change


def infinite(content):
    """A score that is no number, and agrees with its curve."""
    content["test"] = content["curve"][-1]["metric"] = float("inf")


TASK = ("tasks", "influence_balancing")

MANIFESTS = {
    "no suite": drop("suite"),
    "no tasks": drop("tasks"),
    "no groups": drop("groups"),
    "a task of which nothing is told": put("tasks", {}),
    "an unknown field": put("colour", "red"),
    "another format": put("format", 10**6),
    "a format in words": put("format", "three"),
    "a metric that goes sideways": put(*TASK, "metric", "better", "sideways"),
    "a reference of no kind": put(*TASK, "references", 0, "kind", "guess"),
    "a reference that is infinite": put(*TASK, "references", 0, "value", float("inf")),
    "a reference's free score that is no number": put(*TASK, "references", 0, "free", float("nan")),
    "a reference with losses of other targets": put(*TASK, "references", 0, "losses", [0.5, 0.5, 0.5]),
    "a horizon that is negative": put(*TASK, "horizon", -5),
    "no experiment": put("suite", "experiments", []),
    "no seeds": put("suite", "experiments", 0, "seeds", 0),
    "no learning rate": put("suite", "experiments", 0, "learning_rates", []),
    "a budget of nothing": put("suite", "experiments", 0, "budget", {"steps": 0}),
    "no algorithm that can be read": put("groups", 0, "algorithm", "full("),
    "no forcing that can be read": put("groups", 0, "forcing", "1 + 1"),
    "no task that can be read": put("groups", 0, "task", ")"),
    "a choice that is none": put("groups", 0, "choice", [0.1]),
    "a choice that is no number": put("groups", 0, "choice", ["fast", None]),
    "an experiment before the first": put("groups", 0, "experiment", -1),
    "a key in capitals": put("groups", 0, "report", ["A" * 20]),
    "a key that is a number": put("groups", 0, "report", [5]),
    "a device that there is not": put("device", "tpu"),
}


@pytest.mark.parametrize("change", MANIFESTS.values(), ids=MANIFESTS)
def test_a_manifest(folder, change):
    edit(folder, "the manifest", change)
    assert looked_at(folder, "the manifest")


RECORDS = {
    "an infinite score": infinite,
    "no settings": drop("config"),
    "a key that is a number": put("key", 5),
    "steps that are negative": put("steps", -5),
    "seconds that are negative": put("wall_seconds", -1.0),
    "seconds that are no number": put("wall_seconds", float("nan")),
    "bytes that are negative": put("peak_bytes", -1),
    "a curve that is no list": put("curve", 5),
    "a curve of numbers": put("curve", [1, 2]),
    "a budget of two kinds": put("config", "budget", {"steps": 5, "updates": 5}),
    "an algorithm that can't be read": put("config", "algorithm", "full("),
    "a learning rate that is no number": put("config", "learning_rate", float("nan")),
    "a share in words": put("clipped_share", "half"),
    "a score in words": put("test", "good"),
    "a score ahead in words": put("by_lead", ["good"]),
    "a target's loss that is no number": put("test_losses", [float("nan")]),
}


@pytest.mark.parametrize("change", RECORDS.values(), ids=RECORDS)
def test_a_record(folder, change):
    edit(folder, "a record", change)
    assert not looked_at(folder, "a record")
    assert len(load_results(folder / "results")) == 3


COSTS_MANIFESTS = {
    "no such sweep": put("lines", 0, "sweep", 7),
    "a sweep before the first": put("lines", 0, "sweep", -1),
    "no sweep": put("suite", "sweeps", []),
    "two axes": put("suite", "sweeps", 0, "hidden_size", [2, 3]),
    "no axis": put("suite", "sweeps", 0, "length", [2]),
    "a size of nothing": put("suite", "sweeps", 0, "length", [0, 2]),
    "no algorithm that can be read": put("lines", 0, "algorithm", "full("),
    "a key that leads elsewhere": put("lines", 0, "keys", ["../../etc/passwd"]),
    "a device that there is not": put("device", "tpu"),
}


@pytest.mark.parametrize("change", COSTS_MANIFESTS.values(), ids=COSTS_MANIFESTS)
def test_a_costs_manifest(folder, change):
    edit(folder, "the costs' manifest", change)
    assert looked_at(folder, "the costs' manifest")


POINTS = {
    "no time": put("wall", None),
    "a time that is no number": put("wall", "median", float("nan")),
    "a time that is infinite": put("wall", "median", float("inf")),
    "a time that is negative": put("wall", "lower", -1.0),
    "bytes that are negative": put("peak_bytes", -1),
    "operators that are negative": put("ops", -1),
    "no settings": drop("point"),
}


@pytest.mark.parametrize("change", POINTS.values(), ids=POINTS)
def test_a_cost(folder, change):
    edit(folder, "a cost", change)
    assert not looked_at(folder, "a cost")
    assert [line.missing for line in load_costs(folder / "costs").lines] == [1]


@pytest.mark.parametrize("load", [3, [], ["much"], "much", {"a": 1}, None, [float("nan")]], ids=str)
@pytest.mark.parametrize("file", sorted(OPTIONAL))
def test_an_environment(folder, file, load):
    edit(folder, file, put("load_average", load))
    edit(folder, file, put("machine", load))
    assert not looked_at(folder, file)


BASELINES = {
    "a count in words": ("the counters", put("counts", "full on rnn", "ops", "many")),
    "counts of nothing": ("the counters", put("counts", 5)),
    "made with nothing": ("the counters", drop("made", "torch")),
    "a score in words": ("the smoke scores", put("rows", {"full": {"better": "lower", "scores": {"0": "good"}}})),
    "a metric that goes sideways": ("the smoke scores", put("rows", {"full": {"better": "sideways"}})),
}


@pytest.mark.parametrize(("file", "change"), BASELINES.values(), ids=BASELINES)
def test_a_baseline(folder, file, change):
    edit(folder, file, change)
    assert looked_at(folder, file)


def edit(folder, file, change):
    path = path_of(folder, file)
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")


def test_all_of_it_is_sound_before(folder):
    for file in FILES:
        assert not looked_at(folder, file)
    assert len(load_results(folder / "results")) == 4
    assert RunStore(folder / "results").environment()
