"""Whatever is killed, and whenever: no hang, no traceback, no torn file, nothing lost; the same command completes it.

The short form kills a worker that starts, and the whole group when a record was just written; its processes begin as
copies of this one. The long one (`pytest -m long tests/runners/execution/test_kills.py`) kills real ones a hundred
times, by chance.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import time

import psutil
import pytest

from throughtime.runners import load_results

from ...warm import POSSIBLE, warm_command_in_its_group
from ..conftest import command, environment
from .test_interrupted import left
from .test_pool import workers_of

SUITE = """
hidden_size = 4
batch_size = 4
budget = { steps = 1000 }
evaluations = 2
seeds = 3
deadline = 200

tasks = ["two_lag(length=16)"]

[[experiments]]
algorithms = ["full", "readout_only"]
learning_rates = [0.01, 0.02]

[[experiments]]
algorithms = ["plain"]
learning_rates = [0.01]
seeds = 1
"""

RUNS = 2 * (2 + 3) + 1

PLUGIN = "from throughtime.algorithms.full import Full\n\n\nclass Plain(Full):\n    pass\n"

PATIENCE = 240.0
"""Seconds for one command, which takes about ten: more than that is a hang."""


class Suite:
    """A suite that is run over and over, and what is finished of it so far."""

    def __init__(self, folder, warm):
        self.folder, self.out, self.process, self.warm = folder, folder / "out", None, warm
        (folder / "suite.toml").write_text(SUITE, encoding="utf-8")
        (folder / "plain.py").write_text(PLUGIN, encoding="utf-8")
        self.kept = {}

    def start(self):
        """Give the command, in a process group of its own."""
        words = ["run", "suite.toml", "--out", "out", "--workers", "2", "--plugin", "plain.py"]
        with (self.folder / "printed").open("a") as printed:
            if self.warm and POSSIBLE:
                self.process = warm_command_in_its_group(words, self.folder, printed.fileno())
            else:
                self.process = subprocess.Popen(
                    [*command(), *words],
                    cwd=self.folder,
                    env=environment(),
                    start_new_session=True,
                    stdout=printed,
                    stderr=printed,
                )

    def files(self):
        """Those of the records that are there."""
        return sorted((self.out / "runs").glob("*.json")) if self.out.exists() else []

    def look(self):
        """Every record is whole; what was finished is as it was, and no run is blamed for another's worker."""
        for path in self.files():
            content = path.read_bytes()
            record = json.loads(content)
            assert record["status"] == "done" or record["reason"].startswith("the worker process was killed"), record
            if record["status"] == "done":
                assert self.kept.setdefault(path.name, content) == content
        assert set(self.kept) <= {path.name for path in self.files()}

    def wait_for(self, event):
        """Until a worker is there that starts or runs, or a record was written, or the command has ended."""
        before, known = len(self.files()), {one.pid for one in workers_of(self.process.pid)}
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"it hangs, waiting for {event}"
            if event == "record" and len(self.files()) > before:
                return
            if event == "start" and any(one.pid not in known for one in workers_of(self.process.pid)):
                return
            if event == "run" and list((self.out / ".running").glob("*")) and workers_of(self.process.pid):
                return
            time.sleep(0.003 if event == "record" else 0.05)  # to look for processes takes much longer than for files

    def kill(self, whom, number, chance):
        """Send a signal to the parent, to a worker, or to all of them."""
        if self.process.poll() is not None:
            return
        workers = workers_of(self.process.pid)
        if whom == "worker":
            if workers:
                with_number = chance.choice(workers)
                try:
                    with_number.send_signal(number)
                except psutil.Error:  # it has just ended
                    return
            return
        if whom == "group":
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)
        self.ends()
        assert not left(workers)
        self.look()

    def ends(self):
        """How the command ends."""
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            raise AssertionError("it hangs") from None

    def complete(self):
        """The same command, undisturbed, does what is left."""
        self.start()
        assert self.ends() == 0, (self.folder / "printed").read_text()[-3000:]
        self.look()
        results = load_results(self.out)
        assert set(results["status"]) == {"done"}
        assert len(results) == RUNS
        assert not list(self.out.rglob(".*.json.*"))
        assert not (self.out / ".running").exists()
        assert "Traceback" not in (self.folder / "printed").read_text()


@pytest.fixture
def suite(tmp_path, request):
    """One that is not run yet; nothing of it goes on after the test."""
    made = Suite(tmp_path, warm=request.node.get_closest_marker("long") is None)
    yield made
    if made.process is not None and made.process.poll() is None:
        os.killpg(made.process.pid, signal.SIGKILL)
        made.process.wait()


def test_what_is_killed_loses_nothing(suite):
    chance = random.Random(0)
    suite.start()
    suite.wait_for("start")
    suite.kill("worker", signal.SIGKILL, chance)
    suite.wait_for("record")
    suite.look()
    suite.kill("group", signal.SIGKILL, chance)
    suite.complete()


KILLS = 100
SIGNALS = {
    "worker": [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGINT],
    "parent": [signal.SIGKILL, signal.SIGTERM, signal.SIGINT],
    "group": [signal.SIGKILL, signal.SIGTERM, signal.SIGINT],
}


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("seed", range(2))
def test_a_hundred_kills_lose_nothing(suite, seed):
    chance = random.Random(seed)
    for _ in range(KILLS // 2):
        if suite.process is None or suite.process.poll() is not None:
            if len(suite.kept) == RUNS:
                shutil.rmtree(suite.out)
                suite.kept.clear()
            suite.start()
        suite.wait_for(chance.choice(["start", "run", "record", "record"]))
        time.sleep(chance.choice([0.0, 0.0, chance.uniform(0.0, 1.0)]))
        whom = chance.choice(["worker", "worker", "parent", "group"])
        suite.kill(whom, chance.choice(SIGNALS[whom]), chance)
    if suite.process.poll() is None:
        suite.ends()
    suite.complete()
