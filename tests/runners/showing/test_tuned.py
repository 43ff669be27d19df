"""What tuning found of a row, from made-up scores: ends, the good range, the runner-up, and the figure of it."""

import math

import pytest
from matplotlib.colors import to_rgb

from throughtime.runners.records.manifest import GroupKeys, Manifest, RunStore, TaskFacts
from throughtime.runners.records.record import Point, Record
from throughtime.runners.showing.panels import Drawing
from throughtime.runners.showing.rows import cells, headings, short_cells
from throughtime.runners.showing.sensitivity import sensitivities
from throughtime.runners.showing.summary import summarise
from throughtime.runners.showing.tables import csv, markdown
from throughtime.runners.showing.tuned import tuned
from throughtime.runners.suite.fingerprint import key_of
from throughtime.runners.suite.suite import parse_suite
from throughtime.tasks import Metric, Reference

SUITE = """
title = "A made-up suite"
tasks = ["two_lag"]
algorithms = ["full", "rtrl"]
learning_rates = [0.001, 0.01, 0.1]
clip_norms = [1.0, inf]
budget = { steps = 1000 }
seeds = 3
tuning_seeds = 2
"""
FLOOR = 1.0
BROKE, DIVERGED = "timeout", "diverged"


def group_of(scores, algorithm="full", suite=SUITE, choose=True):
    """The keys of a row and its records: of each rate two scores, or statuses, with its best clip norm."""
    (experiment,) = parse_suite(suite, "made_up", origin="made_up.toml").experiments
    (group,) = [one for one in experiment.groups() if one.algorithm == algorithm]
    records, validation = {}, {}
    for choice, configs in group.tuning("cpu", list(scores)).items():
        worse = 0.05 if choice.clip_norm is None else 0.0
        for config, score in zip(configs, scores[choice.learning_rate], strict=True):
            failed = isinstance(score, str)
            told = {"status": score, "reason": "made up"} if failed else {"validation": score + worse}
            curve = () if failed else (Point(steps=0, updates=0, seconds=0.0, metric=score + worse),)
            key = key_of(config.model_dump(), "")
            records[key] = Record(key=key, config=config, curve=curve, deadline=9.0, **told)
            validation.setdefault(choice, []).append(records[key].validation)
    about = {"task": group.task, "cell": group.cell, "forcing": group.forcing, "algorithm": group.algorithm}
    chosen = group.choose(validation) if choose else None
    tuning, report = list(records), []
    if choose:
        for config in group.report(chosen, "cpu"):
            key = key_of(config.model_dump(), "")
            points = tuple(
                Point(steps=k, updates=k, seconds=0.1 * k, metric=1.5 - (k + config.seed / 9) * 0.125) for k in range(9)
            )
            score = points[-1].metric
            records[key] = Record(key=key, config=config, curve=points, deadline=9.0, test=score, steps=8, updates=8)
            report.append(key)
    keys = {"choice": chosen, "tuning": tuning, "report": report, "experiment": 0, "target": None}
    return GroupKeys.model_validate({**about, **keys}), records


def found(scores, better="lower", floor=FLOOR, **rest):
    return tuned(*group_of(scores, **rest), better, floor)


INSIDE = {0.001: [0.8, 0.8], 0.01: [0.5, 0.6], 0.1: [0.9, 0.7]}


def test_a_rate_is_shown_with_its_best_clip_norm():
    one = found(INSIDE)
    assert [tried.rate for tried in one.tried] == [0.001, 0.01, 0.1]
    assert [tried.cost for tried in one.tried] == pytest.approx([0.8, 0.55, 0.8])
    assert (one.runs, one.end) == (3 * 2 * 2, "")


@pytest.mark.parametrize(
    ("scores", "end"),
    [
        ({**INSIDE, 0.001: [0.1, 0.1]}, "lowest"),
        ({**INSIDE, 0.1: [0.1, 0.1]}, "highest"),
        ({**INSIDE, 0.1: [DIVERGED, 0.1]}, ""),
        ({**INSIDE, 0.1: [BROKE, 0.1]}, "highest"),
        ({**INSIDE, 0.001: [BROKE, BROKE]}, "lowest"),
        ({rate: [DIVERGED, DIVERGED] for rate in INSIDE}, "lowest"),
    ],
    ids=["low", "high", "beside what diverged", "beside what broke", "above what broke", "all diverged"],
)
def test_ends(scores, end):
    assert found(scores).end == end


@pytest.mark.parametrize(
    ("costs", "good", "reaches_end"),
    [
        ([0.8, 0.5, 0.8], (0.01, 0.01), False),
        ([0.55, 0.5, 0.8], (0.001, 0.01), True),
        ([0.551, 0.5, 0.8], (0.01, 0.01), False),
        ([0.5, 0.51, 0.52], (0.001, 0.1), True),
        ([0.5, 0.9, 0.5], (0.001, 0.001), True),
        ([1.0, 1.0, 1.0], None, False),
    ],
    ids=["one", "just", "just not", "all", "what lies beyond a bad one is another", "not below the floor"],
)
def test_the_good_range_keeps_nine_tenths_of_the_way_from_the_floor(costs, good, reaches_end):
    scores = {rate: [cost, cost] for rate, cost in zip(INSIDE, costs, strict=True)}
    one = found(scores)
    assert (one.good, one.reaches_end) == (good, reaches_end)
    assert one.ratio == (None if good is None else pytest.approx(good[1] / good[0]))


def test_the_good_range_where_higher_is_better(monkeypatch):
    from throughtime.tasks.two_lag import TwoLag

    monkeypatch.setattr(TwoLag, "metric", Metric("accuracy", better="higher"))
    one = found({0.001: [0.4, 0.4], 0.01: [0.8, 0.8], 0.1: [0.78, 0.78]}, better="higher", floor=0.5)
    assert (one.good, one.end) == ((0.01, 0.1), "")
    assert found(INSIDE, better="higher", floor=0.97).good is None


def test_two_rates_and_no_floor_tell_of_no_range():
    assert found({0.001: [0.1, 0.1], 0.01: [0.1, 0.1]}).good is None
    assert found(INSIDE, floor=None).good is None


def test_the_runner_up_is_told_apart_where_the_seeds_agree():
    close = found({0.001: [0.9, 0.9], 0.01: [0.5, 0.6], 0.1: [0.7, 0.45]})
    assert (close.runner_up, close.told_apart) == (0.1, False)
    assert close.difference.interval.mean == pytest.approx(0.025)
    clear = found({0.001: [0.9, 0.9], 0.01: [0.5, 0.6], 0.1: [0.7, 0.801]})
    assert (clear.runner_up, clear.told_apart) == (0.1, True)


def test_nothing_is_said_before_the_choice():
    one = found(INSIDE, choose=False)
    assert (one.runs, len(one.tried), one.end, one.good, one.runner_up) == (12, 3, "", None, None)


@pytest.fixture
def results(tmp_path):
    """A directory of a row for each algorithm, from the scores of its rates."""

    def build(better="lower", **scores):
        store, groups, suite = RunStore(tmp_path / "out"), [], parse_suite(SUITE, "made_up", origin="made_up.toml")
        with store.locked():
            for algorithm, of_rates in scores.items():
                group, records = group_of(of_rates, algorithm)
                groups.append(group)
                for record in records.values():
                    store.write_record(record)
            references = (Reference("chance", FLOOR, "floor", "by hand"),)
            facts = TaskFacts(fingerprint="", metric=Metric("loss", better=better), references=references)
            about = {"format": RunStore.format, "version": "0", "device": "cpu", "suite": suite}
            store.write_manifest(Manifest.model_validate({**about, "tasks": {"two_lag": facts}, "groups": groups}))
        return tmp_path / "out"

    return build


LOW = {0.001: [0.5, 0.5], 0.01: [0.52, 0.52], 0.1: [DIVERGED, DIVERGED]}


def test_the_table_marks_ends_and_unfinished_learning(results):
    summary = summarise(results(full=INSIDE, rtrl=LOW))
    (table,) = summary.tables
    words = {row.name: dict(zip(headings(table), cells(table, row), strict=True)) for row in table.rows}
    assert (words["full"]["tuned"], words["full"]["good range"]) == ("lr 0.01, clip 1", "×1")
    assert (words["rtrl"]["tuned"], words["rtrl"]["good range"]) == ("lr 0.001 (lowest), clip 1", "≥ ×10")
    assert words["rtrl"]["runs"] == "3 done; still learning"
    short = {row.name: short_cells(table, row)[3] for row in table.rows}
    assert short["full"].endswith("; still learning")
    text = markdown(summary)
    assert "6 settings × 2 tuning seeds; the seeds tell the chosen rate from the next best in 1 of 2 rows" in text
    assert "- tuned: chosen by the mean over the tuning seeds" in text


def test_the_csv_has_the_numbers(results):
    header, *lines = csv(summarise(results(full=INSIDE, rtrl=LOW))).splitlines()
    rows = {dict(zip(header.split(","), line.split(","), strict=True))["name"]: line for line in lines}
    row = dict(zip(header.split(","), rows["rtrl"].split(","), strict=True))
    expected = {"tuning_runs": "12", "rates_tried": "3", "rate_at_end": "lowest", "good_from": "0.001"}
    expected |= {"good_to": "0.01", "good_range": "10.0", "good_range_reaches_end": "True", "runner_up": "0.01"}
    expected |= {"still_learning": "True"}
    assert {name: row[name] for name in expected} == expected
    assert float(row["runner_up_difference"]) == pytest.approx(0.02)


@pytest.mark.parametrize("better", ["lower", "higher"])
def test_the_figure_shows_every_rate_the_choice_and_what_diverged(results, better):
    figure = sensitivities(Drawing(results(full=INSIDE, rtrl=LOW, better=better)))
    figure.draw_without_rendering()
    (axes,) = figure.axes
    (legend,) = figure.legends
    colours = {text.get_text(): to_rgb(handle.get_color())
               for handle, text in zip(legend.legend_handles, legend.get_texts(), strict=True)}  # fmt: skip
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0.001", "0.01", "0.1"]
    assert "a run ended early" in colours

    def of(algorithm, marker):
        return [line for line in axes.lines
                if line.get_marker() == marker and to_rgb(line.get_color()) == colours[algorithm]]  # fmt: skip

    for name, rate, score in (("full", 0.01, 0.55), ("rtrl", 0.001, 0.5)):
        (ring,) = [line for line in of(name, "o") if line.get_markerfacecolor() == "none"]
        assert abs(math.log10(ring.get_xdata()[0] / rate)) <= 0.05
        assert ring.get_ydata()[0] == pytest.approx(score if better == "lower" else score + 0.05), "best clip norm"
    assert not of("full", "x")
    (cross,) = of("rtrl", "x")
    assert cross.get_xdata()[0] == 0.1
    assert (cross.get_ydata()[0] > 0.9) == (better == "lower"), "on the side where scores are bad"
