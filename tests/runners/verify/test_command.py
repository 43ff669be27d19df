"""`throughtime verify` as a user meets it, also with code that ends or wrecks its process."""

import pytest

from throughtime.parts import BadInput
from throughtime.runners.suite import plugins
from throughtime.runners.verify import run
from throughtime.runners.verify.check import Finding

BAD = '''
"""Bad ideas."""

import os
import sys
import time

import torch

from throughtime.algorithms.full import Full


class Wrecking(Full):
    """Ends the process at long sequences, waits at some, loops at streams, exits, prints and meddles elsewhere."""

    def updates(self, network, batch, carry=None, *, generator=None):
        print("y" * 1_000_000)
        if batch.length == 24:
            os._exit(3)
        if batch.length == 16:
            time.sleep(1000)
        if carry is not None:
            while True:
                pass
        if batch.length == 1:
            sys.exit("not long enough")
        torch.set_default_dtype(torch.float16)
        yield from super().updates(network, batch, carry, generator=generator)
'''


def test_a_built_in_passes(throughtime_warm, tmp_path):
    process = throughtime_warm("verify", "truncated(k1=2, k2=5)", cwd=tmp_path)
    assert process.returncode == 0, process.stdout + process.stderr
    assert process.stdout.startswith("algorithm truncated(k1=2, k2=5): 17 checks")
    assert "measured  equal within" in process.stdout
    assert "costs of a batch beside full BPTT's" in process.stdout
    assert process.stdout.endswith("1 not promised, 16 passed.\n")


def test_what_wrecks_its_process_is_a_verdict(tmp_path, monkeypatch, workers_start_at_once):
    monkeypatch.setattr(run, "PATIENCE", 4)
    (tmp_path / "bad.py").write_text(BAD, encoding="utf-8")
    findings = {}
    said = []
    (part,) = run.parts(str(tmp_path / "bad.py"))
    for finding in run.verify(part, said.append, deadline=2):
        findings[finding.check] = finding
    plugins.forget()
    assert len(findings) == 17
    assert "the process ended with exit code 3" in findings["sees_each_step_of_the_optimizer"].measured
    assert "did not end within 2 s of CPU time" in findings["carries_the_state_on"].measured
    assert findings["is_online"].outcome == "not measured"
    assert "8 s went by" in findings["is_online"].measured
    assert "SystemExit: not long enough" in findings["works_everywhere"].measured
    assert "the default dtype: changed for the whole process" in findings["leaves_the_rest_alone"].measured
    assert findings["repeats_with_its_generator"].outcome == "passed"
    assert "yyyy" not in "\n".join(said)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("trunated", "nothing that can be verified is called 'trunated'; did you mean 'truncated'"),
        ("no_such.py", "a plugin is a Python file, and there is none of that name"),
        ("truncated(k3=1)", "has no parameter 'k3'"),
    ],
)
def test_a_wrong_word_is_told(given, message):
    with pytest.raises(BadInput, match=message):
        [part.checks() for part in run.parts(given)]


def test_a_finding_in_words_says_where_to_look():
    text = run.in_words(Finding("adds_up", "It adds up.", "2 + 2 = 5", "failed", "the sum"))
    assert " ".join(text.split()) == "FAILED adds_up promised It adds up. measured 2 + 2 = 5 look at the sum"


def test_outcomes_are_counted():
    findings = [Finding("a", "", "", "passed"), Finding("b", "", "", "failed"), Finding("c", "", "", "passed")]
    assert run.tally(findings) == "1 failed, 2 passed"
