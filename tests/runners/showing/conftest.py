"""Results directories that are made up: from scores, for tables, and from how each run ended, for figures."""

import pytest

from throughtime.runners.records.manifest import GroupKeys, Manifest, RunStore, TaskFacts
from throughtime.runners.records.record import Record
from throughtime.runners.suite.fingerprint import key_of
from throughtime.runners.suite.ladder import Choice
from throughtime.runners.suite.suite import parse_suite
from throughtime.tasks import Metric, Reference

SUITE = """
title = "A made-up suite"
tasks = ["two_lag"]
algorithms = ["full", "rtrl", "truncated(k1=1, k2=2)", "readout_only"]
learning_rates = [0.1, 0.01]
clip_norms = [1.0]
budget = { steps = 1000 }
seeds = SEEDS
"""
LOWER = Metric("loss", better="lower")
REFERENCES = (
    Reference("chance", 0.7, "floor", "by hand"),
    Reference("guess", 0.6, "floor", "by hand"),
    Reference("classic", 0.4, "baseline", "by hand"),
    Reference("best", 0.1, "optimum", "by hand"),
)
SCORES = {
    "full": [0.30, 0.32, 0.34, 0.31, 0.33, 0.30, 0.34, 0.32],
    "rtrl": [0.31, 0.30, 0.35, 0.31, 0.32, 0.31, 0.34, 0.34],
    "truncated(k1=1, k2=2)": [0.50, 0.51, 0.53, 0.50, 0.53, 0.50, 0.52, 0.51],
    "readout_only": [0.62, 0.61, 0.58, 0.60, 0.61, 0.61, 0.62, 0.60],
}
"""Four rows on eight seeds: one more than they need."""


@pytest.fixture
def results(tmp_path):
    """A results directory from scores: a score, or a status and a reason, for each seed of each algorithm."""

    def build(scores=SCORES, references=REFERENCES, metric=LOWER, seeds=None, tests=(0, 0)):
        seeds = seeds or max(map(len, scores.values()))
        suite = parse_suite(SUITE.replace("SEEDS", str(seeds)), "made_up", origin="made_up.toml")
        store, groups = RunStore(tmp_path / "out"), []
        with store.locked():
            for group in suite.groups():
                keys = []
                for config, value in zip(group.report(Choice(0.1, 1.0), "cpu"), scores[group.algorithm], strict=False):
                    key = key_of(config.model_dump(), "fixed")
                    ended = {"status": "done", "test": value} if isinstance(value, float) else dict(value)
                    ran = {"steps": 1000, "updates": 100, "wall_seconds": 0.5, "cpu_seconds": 0.5, "peak_bytes": 2048}
                    ran["gradient_norm"] = 1.0
                    point = {"steps": 0.0, "updates": 0.0, "seconds": 0.0, "loss": None, "metric": 0.7}
                    point |= {"gradient_norm": None, "cosine": 0.5, "relative_error": 0.1}
                    end = {**point, "steps": 1000.0, "seconds": 0.5, "metric": ended.get("test"), "gradient_norm": 1.0}
                    curve = [point, *([end] if "test" in ended else [])]
                    store.write_record(
                        Record.model_validate(
                            {"key": key, "config": config, "deadline": 9.0, "curve": curve, **ran, **ended}
                        )
                    )
                    keys.append(key)
                groups.append(
                    GroupKeys(
                        experiment=0,
                        task=group.task,
                        cell=group.cell,
                        forcing=group.forcing,
                        algorithm=group.algorithm,
                        target=None,
                        choice=Choice(0.1, 1.0),
                        tuning=(),
                        report=tuple(keys),
                    )
                )
            size = {"test_sequences": tests[0], "test_targets": tests[1]}
            facts = TaskFacts(fingerprint="", metric=metric, references=references, **size)
            store.write_environment({"machine": "a made-up machine"})
            store.write_manifest(
                Manifest(
                    format=RunStore.format,
                    version="0",
                    device="cpu",
                    suite=suite,
                    tasks={"two_lag": facts},
                    groups=tuple(groups),
                )
            )
        return tmp_path / "out"

    return build


ONE = """
title = "A made-up suite, $^$ a run"
tasks = ["two_lag"]
algorithms = ["full", "rtrl"]
learning_rates = [0.1]
budget = { steps = 1000 }
seeds = 3
"""
FEW = (
    Reference("chance", 0.70, "floor", "by hand"),
    Reference("guess", 0.69, "floor", "by hand"),
    Reference("best", 0.1, "optimum", "by hand"),
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A results directory: `ended(group, seed)` says how a run ended: a score, a record's fields, or None: not run."""

    def build(ended, suite=ONE, better="lower", points=4):
        directory = tmp_path_factory.mktemp("results")
        suite, store, groups = parse_suite(suite, "made_up", origin="made_up.toml"), RunStore(directory), []
        with store.locked():
            for group in suite.groups():
                configs = group.report(Choice(0.1, None), "cpu")
                for config in configs:
                    end = ended(group, config.seed)
                    if end is not None:
                        store.write_record(_record(config, end, points))
                keys = tuple(key_of(config.model_dump(), "") for config in configs)
                about = {"task": group.task, "cell": group.cell, "forcing": group.forcing}
                about |= {
                    "algorithm": group.algorithm,
                    "target": None,
                    "experiment": suite.experiments.index(group.experiment),
                }
                groups.append(GroupKeys.model_validate({**about, "choice": (0.1, None), "tuning": (), "report": keys}))
            facts = TaskFacts(fingerprint="", metric=Metric("loss", better=better), references=FEW)
            tasks = {group.task: facts for group in groups}
            about = {"format": RunStore.format, "version": "0", "device": "cpu", "suite": suite}
            store.write_manifest(Manifest.model_validate({**about, "tasks": tasks, "groups": tuple(groups)}))
        return directory

    return build


def _record(config, end, points):
    end = {"status": "done", "test": end} if isinstance(end, float) else dict(end)
    skipped = end["status"] == "skipped"
    points = 0 if skipped else points if end["status"] == "done" else points // 2
    last = end.get("test", 0.5)
    curve = [
        {
            "steps": 100.0 * i,
            "updates": 1.0 * i,
            "seconds": 0.1 * i * (1 + config.seed),
            "loss": 0.5 if i else None,
            "metric": last + 0.1 * (points - 1 - i),
            "gradient_norm": 1.0 if i else None,
            "cosine": None if config.algorithm == "rtrl" else 0.9,
            "relative_error": 0.1,
        }
        for i in range(points)
    ]
    seconds = 0.5 + config.seed
    ran = {} if skipped else {"steps": 1000, "wall_seconds": seconds, "cpu_seconds": seconds, "peak_bytes": 2048}
    return Record.model_validate(
        {"key": key_of(config.model_dump(), ""), "config": config, "deadline": 9.0, "curve": curve, **ran, **end}
    )
