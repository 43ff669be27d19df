"""Tier 0: what it catches, what it lets pass, and what it says."""

import json
import os
import shutil
import subprocess
import sys

import pytest
import torch

from throughtime.algorithms.full import Full
from throughtime.parts import BadInput
from throughtime.runners.gate import counters
from throughtime.runners.gate.cases import CASES, LENGTHS, Case, without_case

FEW = (Case("full", "rnn"), Case("rtrl", "gru"))


def check(folder, cases=FEW, **options):
    return counters.check(folder, cases=cases, **options)


@pytest.fixture(scope="module")
def few_steps():
    """Full BPTT over a tenth of its steps: what is found there is found in more."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(LENGTHS, "full", 10)
        yield


@pytest.fixture(scope="module")
def first_baseline(few_steps, tmp_path_factory):
    """A directory with a baseline of the two cases."""
    folder = tmp_path_factory.mktemp("baseline")
    assert check(folder, update=True).outcome == "pass"
    return folder


@pytest.fixture
def baseline(first_baseline, tmp_path):
    """A copy of it, to be changed."""
    shutil.copy(first_baseline / counters.FILE, tmp_path)
    return tmp_path


def edit(folder, change):
    path = folder / counters.FILE
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")


@pytest.fixture
def more_work(monkeypatch):
    """Let full BPTT do something more, and keep what it makes to the end."""

    def add(work):
        updates = Full.updates

        def with_more(self, *args, **options):
            kept = work()
            yield from updates(self, *args, **options)
            del kept

        monkeypatch.setattr(Full, "updates", with_more)

    return add


def changed(verdict):
    return {(one["case"], one["counter"]) for one in verdict.data["changes"]}


@pytest.mark.parametrize(
    ("before", "now"), [({"ops": 3}, {"ops": 3, "flops": 2}), ({"ops": 3, "flops": 2}, {"ops": 3})]
)
def test_a_counter_that_one_side_alone_has_is_a_change(before, now):
    (change,) = counters.compare({"full": before}, {"full": now}).changes
    assert (change.counter, change.before, change.now) == ("flops", before.get("flops", 0), now.get("flops", 0))


def test_same_code_passes(baseline):
    verdict = check(baseline)
    assert verdict.outcome == "pass"
    assert "exactly" in verdict.summary


def test_repeats_are_the_same():
    """A hundred of them, in processes of their own: ``results/false_alarms.py``."""
    first = counters.count(FEW[0].workload.prepare())
    assert [counters.count(FEW[0].workload.prepare()) for _ in range(2)] == [first] * 2


def test_counts_are_the_same_after_other_work():
    before, _ = counters.count_all(FEW)
    garbage = [torch.randn(100, 100, requires_grad=True).sum() for _ in range(50)]
    garbage[0].backward()
    assert counters.count_all(FEW)[0] == before


def test_counts_are_the_same_in_another_process_with_another_hash_seed():
    code = (
        "import json; from throughtime.runners.gate import counters; "
        "print(json.dumps(counters.count(counters.CASES[-1].workload.prepare())))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": "7"}, capture_output=True, check=True
    )
    assert json.loads(done.stdout) == counters.count(CASES[-1].workload.prepare())


def test_one_more_operator_fails(baseline, more_work):
    more_work(lambda: torch.empty(0))
    verdict = check(baseline)
    assert verdict.outcome == "fail"
    assert changed(verdict) == {("full on rnn", "ops")}


def test_one_more_product_fails(baseline, more_work):
    a = torch.zeros(1, 1)
    more_work(lambda: a @ a)
    verdict = check(baseline)
    assert verdict.outcome == "fail"
    assert ("full on rnn", "flops") in changed(verdict)


def test_one_more_number_in_memory_fails(baseline, more_work):
    more_work(lambda: torch.zeros(1))
    verdict = check(baseline)
    assert verdict.outcome == "fail"
    assert {("full on rnn", "peak_bytes"), ("full on rnn", "result_bytes")} <= changed(verdict)


@pytest.mark.parametrize("counter", ["ops", "flops", "peak_bytes", "result_bytes", "carry_bytes"])
@pytest.mark.parametrize("factor", [0.99, 1.01])
def test_one_percent_of_any_counter_fails_either_way(baseline, monkeypatch, counter, factor):
    counts = json.loads((baseline / counters.FILE).read_text(encoding="utf-8"))["counts"]
    monkeypatch.setattr(counters, "count_all", lambda cases: (counts, {}))

    def change(content):
        content["counts"]["rtrl on gru"][counter] = round(factor * content["counts"]["rtrl on gru"][counter])

    edit(baseline, change)
    verdict = check(baseline)
    assert verdict.outcome == "fail"
    assert changed(verdict) == {("rtrl on gru", counter)}
    assert f"{1 / factor - 1:+.1%}".replace("%", " %") in str(verdict)


def test_no_baseline_says_how_to_make_one(tmp_path):
    verdict = check(tmp_path)
    assert verdict.outcome == "not compared"
    assert verdict.summary.endswith(f"make one: throughtime check --update --reference {tmp_path}")


def test_update_prints_the_difference(baseline, more_work):
    more_work(lambda: torch.empty(0))
    verdict = check(baseline, update=True)
    assert verdict.outcome == "pass"
    assert any("full on rnn" in line and "ops" in line for line in verdict.lines)
    assert check(baseline).outcome == "pass"


def test_vanished_benchmark_fails(baseline):
    verdict = check(baseline, FEW[:1])
    assert verdict.outcome == "fail"
    assert "vanished: rtrl on gru" in str(verdict)


def test_new_benchmark_is_said(baseline):
    verdict = check(baseline, (*FEW, Case("full", "lstm")))
    assert verdict.outcome == "pass"
    assert "new: full on lstm" in str(verdict)


def test_benchmark_that_cannot_run_fails_and_is_not_called_vanished(baseline, more_work):
    more_work(lambda: 1 / 0)
    verdict = check(baseline)
    assert verdict.outcome == "fail"
    assert "broken: full on rnn (ZeroDivisionError: division by zero)" in str(verdict)
    assert "vanished" not in str(verdict)


@pytest.mark.parametrize("other", [{"torch": "1.0.0"}, {"python": "2.7"}, {"platform": "Plan9 pdp11"}])
def test_other_versions_and_platforms_are_not_compared(baseline, more_work, other):
    edit(baseline, lambda content: content["made"].update(other))
    more_work(lambda: torch.zeros(1))
    verdict = check(baseline, (FEW[0], Case("full", "lstm")))
    assert verdict.outcome == "not compared"
    assert next(iter(other.values())) in verdict.summary
    assert verdict.lines == ("vanished: rtrl on gru, which the baseline has", "new: full on lstm")


@pytest.mark.parametrize("content", ["", "{", '{"counts": {}}'])
def test_unreadable_baseline_says_how_to_restore_it(tmp_path, content):
    (tmp_path / counters.FILE).write_text(content, encoding="utf-8")
    with pytest.raises(BadInput, match=r"git -C \S+ checkout -- counters\.json"):
        check(tmp_path)


def test_every_algorithm_has_a_case():
    assert without_case() == []
    assert len({str(case) for case in CASES}) == len(CASES)
