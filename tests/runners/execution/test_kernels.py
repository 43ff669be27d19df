"""Kernels are compiled before the first runs, told as a phase of its own, once a machine."""

from concurrent.futures import Future
from contextlib import contextmanager

import pytest

from throughtime.algorithms.compiled.choose import available
from throughtime.networks.compiled import cache
from throughtime.runners.execution import kernels
from throughtime.runners.execution.job import RunJob
from throughtime.runners.execution.kernels import compile_kernels
from throughtime.runners.suite.fingerprint import Code

pytestmark = pytest.mark.skipif(not available(), reason="Numba is not installed")


class Heard:
    def __init__(self):
        self.said, self.advanced = [], 0

    def start(self, title, total, unit=""):
        self.said.append(f"{title}: {total} {unit}")

    def advance(self):
        self.advanced += 1


class Pool:
    """Does its work at once."""

    def schedule(self, function, args, timeout):
        future = Future()
        try:
            future.set_result(function(*args))
        except Exception as error:
            future.set_exception(error)
        return future


@pytest.fixture
def prepared(tmp_path, monkeypatch):
    """What was compiled, of a machine on which nothing is; no kernel is compiled in truth."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cache.cache_folder.cache_clear()
    compiled = []

    def prepare(algorithm, config, loop):
        compiled.append((algorithm, config.cell, config.optimizer))
        cell = f"{loop}{config.cell}"
        for name in (f"{kernels.KINDS[algorithm]}-{cell}", f"step-{config.optimizer}"):
            with cache.compiling(f"{name}-{config.dtype}"):
                pass

    @contextmanager
    def pool(workers):
        yield Pool()

    monkeypatch.setattr(kernels, "prepare", prepare)
    monkeypatch.setattr(kernels, "worker_pool", pool)
    yield compiled
    cache.cache_folder.cache_clear()


@pytest.fixture
def job(config):
    def made(**settings):
        return RunJob("key", 60.0, Code(()), (), config.model_copy(update=settings))

    return made


def compile_for(*jobs):
    reporter = Heard()
    compile_kernels(jobs, workers=2, reporter=reporter)
    return reporter


def test_it_is_told_and_done_once(prepared, job):
    jobs = [job(), job(seed=1), job(algorithm="rtrl(update_every=3)"), job(algorithm="online(depth=3)")]
    heard = compile_for(*jobs)
    assert heard.said == ["Compiling kernels, once on this machine: 3 kernels"]
    assert heard.advanced == 3
    assert sorted(prepared) == [(name, "rnn", "adam") for name in ("full", "readout_only", "rtrl")]
    assert compile_for(*jobs).said == []


def test_another_cell_and_another_optimizer_need_more(prepared, job):
    compile_for(job())
    assert compile_for(job(cell="gru")).said == ["Compiling kernels, once on this machine: 2 kernels"]
    compile_for(job(optimizer="sgd"))
    assert ("full", "rnn", "sgd") in prepared


def test_none_for_a_gpu_or_a_cell_that_no_kernel_knows(prepared, job):
    assert compile_for(job(device="cuda"), job(cell="a_plugins_own")).said == []


def test_one_that_fails_is_the_runs_own_affair(prepared, job, monkeypatch):
    def broken(algorithm, config, loop):
        raise RuntimeError

    monkeypatch.setattr(kernels, "prepare", broken)
    assert compile_for(job()).advanced == 2


def test_none_without_numba(prepared, job, monkeypatch):
    monkeypatch.setattr(kernels, "available", lambda: False)
    assert compile_for(job()).said == []


def test_what_is_called_is_what_is_marked(config):
    """That the marks by which it is known what is there are those of the kernels that algorithms call."""
    for algorithm, kind in kernels.KINDS.items():
        kernels.prepare(algorithm, config)
        assert cache.is_compiled(f"{kind}-rnn-float32")
    assert cache.is_compiled("step-adam-float32")


@pytest.mark.parametrize("forcing", ["free", "scheduled", "generalized(alpha=0.7)"])
def test_where_the_output_is_fed_back_there_are_others(prepared, job, forcing):
    compile_for(job(task="mackey_glass"))
    assert compile_for(job(task="mackey_glass", forcing="professor")).said == []
    assert compile_for(job(task="anbn", forcing=forcing)).said == []  # a symbol is chosen by torch
    heard = compile_for(job(task="mackey_glass", forcing=forcing), job(task="mackey_glass", forcing="free"))
    assert heard.said == ["Compiling kernels, once on this machine: 2 kernels"]


@pytest.mark.parametrize("settings", [{"forcing": "nobodys"}, {"task": "nobodys", "forcing": "free"}])
def test_what_a_process_does_not_know_is_left_to_the_run(prepared, job, settings):
    """A loose plugin's forcing or task, on a worker of a cluster: its file is loaded by the run's own process."""
    compile_for(job())
    assert compile_for(job(**settings)).said == []


def test_in_a_loop_with_the_pendulum_there_are_others(prepared, job, config):
    heard = compile_for(job(task="pendulum", algorithm="rtrl"), job(task="pendulum(length=3)", algorithm="uoro"))
    assert heard.said == ["Compiling kernels, once on this machine: 3 kernels"]
    assert compile_for(job(task="pendulum", cell="lstm")).said == []


@pytest.mark.parametrize(
    ("loop", "settings"), [("pendulum", {"task": "pendulum"}), ("loop", {"task": "mackey_glass", "forcing": "free"})]
)
def test_what_is_called_in_a_loop_is_what_is_marked(config, loop, settings):
    config = config.model_copy(update=settings)
    for algorithm in kernels.KINDS_IN_A_LOOP:
        kernels.prepare(algorithm, config, kernels.loop_of(*kernels.kind_of(config)[4:6]))
        assert cache.is_compiled(f"{kernels.KINDS[algorithm]}-{loop}_rnn-float32")
