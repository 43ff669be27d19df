"""Workers that are killed, stopped or left: no work is lost, waits for ever, or is blamed for what it is not."""

import os
import signal
import threading
import time
from concurrent.futures import Future
from contextlib import contextmanager

import psutil
import pytest

from throughtime.parts import BadInput
from throughtime.runners.cost import peers
from throughtime.runners.cost.grid import CostRunner
from throughtime.runners.execution import child, local, pool
from throughtime.runners.execution.job import RunJob
from throughtime.runners.execution.local import worker_pool
from throughtime.runners.execution.pool import Died, Overran, Raised, Stopped
from throughtime.runners.execution.worker import death
from throughtime.runners.records.machine import arithmetic
from throughtime.runners.suite.fingerprint import Code, key_of
from throughtime.runners.verify.run import Part, verify


def workers_of(parent):
    """The worker processes of a process, those that are starting too, and those that began as its copies."""
    found, own = [], psutil.Process(parent).cmdline()
    for process in psutil.Process(parent).children(recursive=True):
        try:
            words = process.cmdline()
            if words == own or any("child.py" in word for word in words):
                found.append(process)
        except psutil.Error:
            continue
    return found


def a_worker(known, seconds=60.0):
    """A worker of this process that is none of those, as soon as there is one."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := [one for one in workers_of(os.getpid()) if one not in known]:
            return found[0]
        time.sleep(0.005)
    raise AssertionError("no worker was started")


@pytest.fixture
def one(workers_start_at_once):
    """A pool of one worker."""
    with worker_pool(1) as pool_of_one:
        yield pool_of_one


ENDS = {
    "exit code 0": (os._exit, (0,), Died, "the worker process ended with exit code 0"),
    "exit code 7": (os._exit, (7,), Died, "the worker process ended with exit code 7"),
    "a real-time signal": (signal.raise_signal, (40,), Died, "the worker process was killed by signal 40"),
    "an error": (int, ("x",), Raised, "ValueError: invalid literal"),
    "a result that can't be sent": (threading.Lock, (), Raised, "TypeError: cannot pickle"),
    "its deadline": (time.sleep, (600,), Overran, "^$"),
}


@pytest.mark.parametrize("end", ENDS)
def test_how_work_ends_is_told_at_once_and_the_next_goes_on(one, end):
    function, args, kind, words = ENDS[end]
    start = time.monotonic()
    with pytest.raises(kind, match=words):
        one.schedule(function, args, timeout=2.0 if kind is Overran else 300.0).result(timeout=200)
    assert time.monotonic() - start < 200
    assert one.schedule(os.getpid).result(timeout=200) > 0


def test_work_that_cannot_be_sent_is_told(one):
    with pytest.raises(Raised, match="pickle"):
        one.schedule(lambda: 0).result(timeout=200)


def test_signals_without_a_name_have_a_number():
    assert death(-40) == "was killed by signal 40"
    assert death(-9).startswith("was killed by SIGKILL")


def test_a_worker_that_is_killed_while_it_starts_loses_nothing():
    known = workers_of(os.getpid())
    with worker_pool(1) as workers:
        futures = [workers.schedule(os.getpid) for _ in range(600)]
        for _ in range(2):
            victim = a_worker(known)
            victim.kill()
            victim.wait(60)
        assert len({future.result(timeout=200) for future in futures}) == 1


def test_a_worker_that_is_killed_between_two_pieces_of_work_loses_nothing(one):
    os.kill(one.schedule(os.getpid).result(timeout=200), signal.SIGKILL)
    assert one.schedule(os.getpid).result(timeout=200) > 0


@pytest.fixture
def stillborn(tmp_path, monkeypatch):
    """Workers that end before they begin."""
    (tmp_path / "child.py").write_text("raise SystemExit(3)\n", encoding="utf-8")
    monkeypatch.setattr(child, "__file__", str(tmp_path / "child.py"))


NONE_BEGINS = r"no worker process can be started: \d in a row .* exit code 3; what is finished is kept"


def test_where_no_worker_can_begin_it_is_said_once_and_nothing_waits(tmp_path, stillborn, config):
    code = Code(("throughtime.algorithms.full", "throughtime.runners.training.train"))
    key = key_of(config.model_dump(), code.fingerprint(arithmetic("cpu")))
    jobs = [RunJob(f"{key[:-3]}{number:03}", 60.0, code, (), config) for number in range(600)]
    with pytest.raises(BadInput, match=NONE_BEGINS):
        list(local.execute(jobs, workers=2, notes=tmp_path))


def test_where_no_worker_can_begin_the_laboratories_say_so_too(tmp_path, stillborn):
    costs = "algorithms = ['full']\ncells = ['rnn']\nlength = [2, 3]\nhidden_size = 2\nbatch_size = 2\n"
    (tmp_path / "costs.toml").write_text(costs, encoding="utf-8")
    measuring = CostRunner(tmp_path / "costs.toml", tmp_path / "out", device="cpu")
    with measuring.store.locked(), pytest.raises(BadInput, match=NONE_BEGINS):
        measuring.run()
    with pytest.raises(BadInput, match=NONE_BEGINS):
        verify(Part("algorithm", "full"), lambda words: None)
    with pytest.raises(BadInput, match=NONE_BEGINS):
        peers.starting(peers.Sizes(starts=2))


def test_a_worker_that_is_killed_while_its_start_is_timed_is_timed_again(monkeypatch):
    tried = []

    class Dying:
        """Loses its worker twice."""

        def schedule(self, function, timeout=None):
            future = Future()
            tried.append(future)
            if len(tried) < 3:
                future.set_exception(Died(-9))
            else:
                future.set_result(1)
            return future

    @contextmanager
    def dying(workers, jobs_a_process=0):
        yield Dying()

    monkeypatch.setattr(peers, "worker_pool", dying)
    worker, _ = peers.starting(peers.Sizes(starts=1))
    assert len(tried) == 3
    assert worker.measured.median >= 0


def test_what_ended_before_no_worker_could_begin_is_given(monkeypatch, tmp_path, config):
    class Failing:
        """Ends one job well, and then breaks."""

        def schedule(self, function, args=(), timeout=None):
            future = Future()
            if args[0].config.seed == 0:
                future.set_exception(BadInput("no worker process can be started"))
            else:
                future.set_result(args[0].started())
            return future

    @contextmanager
    def failing(workers, jobs_a_process=0):
        yield Failing()

    monkeypatch.setattr(local, "worker_pool", failing)
    jobs = [RunJob(f"{seed:020}", 60.0, Code(()), (), config.model_copy(update={"seed": seed})) for seed in (0, 1, 2)]
    ending = local.execute(jobs, workers=2, notes=tmp_path)
    assert [next(ending).config.seed for _ in range(2)] == [1, 2]
    with pytest.raises(BadInput, match="no worker process"):
        next(ending)


def test_time_in_which_all_stood_still_is_not_the_works_own(monkeypatch):
    late = 0.0
    monkeypatch.setattr(pool, "now", lambda: time.monotonic() + late)
    with worker_pool(1) as workers:
        workers.schedule(os.getpid).result(timeout=200)
        future = workers.schedule(time.sleep, (1.0,), timeout=60.0)
        time.sleep(0.3)
        late = 1e6  # as after a night with the lid closed
        assert future.result(timeout=200) is None
        with pytest.raises(Overran):  # who sleeps without an end is still told
            workers.schedule(time.sleep, (600,), timeout=1.0).result(timeout=200)


def test_a_worker_that_was_stopped_did_not_use_its_time_up():
    with worker_pool(1) as workers:
        number = workers.schedule(os.getpid).result(timeout=200)
        future = workers.schedule(time.sleep, (600,), timeout=3.0)
        time.sleep(0.3)
        os.kill(number, signal.SIGSTOP)
        with pytest.raises(Stopped, match="was stopped from outside for 3 s"):
            future.result(timeout=200)
        number = workers.schedule(os.getpid).result(timeout=200)
        future = workers.schedule(time.sleep, (0.5,), timeout=3.0)
        time.sleep(0.2)
        os.kill(number, signal.SIGSTOP)
        time.sleep(1.0)
        os.kill(number, signal.SIGCONT)
        assert future.result(timeout=200) is None


def test_no_process_outlives_its_pool():
    known = workers_of(os.getpid())
    with worker_pool(2) as workers:
        futures = [workers.schedule(os.getpid) for _ in range(2)]
        workers.schedule(time.sleep, (600,))
        assert futures[0].result(timeout=200) > 0
    assert workers_of(os.getpid()) == known
    with worker_pool(1) as workers:
        workers.schedule(time.sleep, (600,))
        a_worker(known)
    assert workers_of(os.getpid()) == known


def test_a_process_for_each_piece_of_work_and_words_in_one_order_in_all(monkeypatch):
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)  # each process would draw its own
    with worker_pool(1, jobs_a_process=1) as workers:
        found = [workers.schedule(eval, ("__import__('os').getpid(), hash('word')",)) for _ in range(2)]
        (one, order), (other, of_other) = (future.result(timeout=200) for future in found)
    assert one != other
    assert order == of_other


COUNTED = """[
    __import__("throughtime.runners.training.measure", fromlist="*").count(
        lambda: __import__("torch").ones(2) + 1, [], __import__("torch").device("cpu")
    ).ops,
    "torch._dynamo" in __import__("sys").modules,
]"""


def test_a_worker_counts_without_torchs_compiler():
    """Its import takes as long as torch's own, and was a part of the first run's time."""
    with worker_pool(1) as workers:
        assert workers.schedule(eval, (COUNTED,)).result(timeout=200) == [2, False]
