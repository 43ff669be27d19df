"""A job on its way: what it needs is compared by name, plugins go along, and it ends as it would here."""

import dataclasses
import pickle
import sys

import pytest

from throughtime.parts import BadInput
from throughtime.runners.execution import parcel
from throughtime.runners.execution.parcel import Needs, Refusal, carry_out, pack
from throughtime.runners.execution.plan import make_plan
from throughtime.runners.records import machine
from throughtime.runners.suite import plugins
from throughtime.runners.suite.suite import load_suite

from ...conftest import Pool
from ..conftest import BROKEN

PLUGIN = """
import helping
from throughtime.algorithms.full import Full


class Plain(Full):
    words = helping.WORDS
"""


@pytest.fixture
def jobs_of(suite_file):
    """The first report run of each of some algorithms."""

    def make(*algorithms, deadline=60):
        listed = ", ".join(f'"{name}"' for name in algorithms)
        change = {'"full", "readout_only"': listed, "deadline = 60": f"deadline = {deadline}", "seeds = 2": "seeds = 1"}
        plan = make_plan(load_suite(suite_file(replace=change)))
        return [job for row in plan.rows for runs in row.report.values() for job in runs]

    yield make
    plugins.forget()


@pytest.fixture
def at_once(monkeypatch):
    """Jobs are done in this process, which stands for the worker's machine."""
    monkeypatch.setattr(parcel, "_pool", lambda isolated: Pool())
    parcel._refusal.cache_clear()
    yield
    parcel._refusal.cache_clear()


@pytest.fixture
def loose(tmp_path):
    """A plugin's file with one beside it, loaded here."""
    (tmp_path / "here" / "inner").mkdir(parents=True)
    (tmp_path / "here" / "plain.py").write_text(PLUGIN, encoding="utf-8")
    (tmp_path / "here" / "helping.py").write_text("from inner import deep\n\nWORDS = deep.WORDS\n", encoding="utf-8")
    (tmp_path / "here" / "inner" / "__init__.py").write_text("", encoding="utf-8")
    (tmp_path / "here" / "inner" / "deep.py").write_text("WORDS = 'deep'\n", encoding="utf-8")
    plugins.load_plugin(tmp_path / "here" / "plain.py")
    yield tmp_path / "here"
    for name in ("helping", "inner", "inner.deep"):
        sys.modules.pop(name, None)


def sent(jobs):
    return list(pack(jobs, Needs.of(jobs)))


def as_on_another_machine(monkeypatch):
    """From here on this is another machine, where no plugin is known."""
    monkeypatch.setattr(machine, "_processor", lambda: "Another CPU")
    plugins.forget()


def test_a_run_is_done_elsewhere_under_the_key_of_here_and_says_where(jobs_of, at_once, monkeypatch):
    (job,) = jobs_of("full")
    (one,) = sent([job])
    as_on_another_machine(monkeypatch)
    record = carry_out(pickle.loads(pickle.dumps(one)))
    assert (record.key, record.status, record.reason) == (job.key, "done", "")
    assert record.machine.startswith("Another CPU, ")
    assert dataclasses.replace(job).stale  # it would be another run's of that machine


def test_a_loose_file_and_those_beside_it_travel(jobs_of, loose, at_once, monkeypatch):
    jobs = jobs_of("plain")
    (one,) = pickle.loads(pickle.dumps(sent(jobs)))
    assert {source.path for source in one.sources} == {"plain.py", "helping.py", "inner/__init__.py", "inner/deep.py"}
    as_on_another_machine(monkeypatch)
    for path in [*loose.rglob("*.py")]:
        path.unlink()
    record = carry_out(one)
    assert (record.status, record.reason) == ("done", "")
    assert set(record.plugins) == {"plugin_plain", "helping", "inner", "inner.deep"}


def test_a_loose_file_that_is_another_by_then_is_no_result(jobs_of, loose, at_once):
    (one,) = sent(jobs_of("plain"))
    altered = [dataclasses.replace(source, content=source.content + b"#") for source in one.sources]
    record = carry_out(dataclasses.replace(one, sources=tuple(altered)))
    assert record.status == "error"
    assert "changed while the suite ran; give the same command again" in record.reason


@pytest.mark.parametrize("package", ["throughtime", "torch"])
def test_another_version_is_refused_with_both_named(jobs_of, at_once, monkeypatch, package):
    (one,) = sent(jobs_of("full"))
    real = parcel.version
    monkeypatch.setattr(parcel, "version", lambda name: "0.0.9" if name == package else real(name))
    assert carry_out(one) == Refusal(f"{package} 0.0.9 on the worker, and {package} {real(package)} here")


def test_other_sources_of_the_same_version_are_refused(jobs_of, at_once, monkeypatch):
    (one,) = sent(jobs_of("full"))
    monkeypatch.setattr(parcel, "_sources", lambda modules: "f" * 64)
    told = carry_out(one).reason
    assert "with the sources ffffffffffff on the worker" in told
    assert one.needs.sources[:12] in told


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A plugin's package as pip installs it, known by its entry point; a function that installs another version."""
    from throughtime.parts import registry

    site = tmp_path / "site-packages"

    def install(version):
        info = site / f"rhythm-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: rhythm\nVersion: {version}\n", encoding="utf-8")
        (info / "top_level.txt").write_text("rhythm\n", encoding="utf-8")
        entries = "[throughtime.algorithms]\nbeat = rhythm:Beat\n"
        (info / "entry_points.txt").write_text(entries, encoding="utf-8")
        source = (
            f"from throughtime.algorithms.full import Full\n\nVERSION = {version!r}\n\n\nclass Beat(Full):\n    pass\n"
        )
        (site / "rhythm.py").write_text(source, encoding="utf-8")
        return info

    info = install("1.2")
    monkeypatch.syspath_prepend(str(site))
    registry.installed.cache_clear()
    yield install, info
    registry.installed.cache_clear()
    sys.modules.pop("rhythm", None)


def test_a_package_of_plugins_is_not_sent_but_must_be_the_same(jobs_of, installed, at_once):
    install, info = installed
    (one,) = sent(jobs_of("beat"))
    assert one.sources == ()
    assert carry_out(one).status == "done"
    for path in info.iterdir():
        path.unlink()
    info.rmdir()
    parcel._refusal.cache_clear()
    assert carry_out(one) == Refusal("no rhythm on the worker, and rhythm 1.2 here")
    install("1.3")
    parcel._refusal.cache_clear()
    assert carry_out(one) == Refusal("rhythm 1.3 on the worker, and rhythm 1.2 here")


def test_a_refusal_says_what_to_do():
    with pytest.raises(BadInput, match=r"no rhythm on the worker.*install the same there"):
        raise parcel.refused("no rhythm on the worker, and rhythm 1.2 here")


def test_it_ends_as_it_would_here(jobs_of, monkeypatch, workers_start_at_once):
    plugins.load_plugin(BROKEN)
    jobs = jobs_of("killed", "hungry", "sleeping", deadline=2)
    pools = {}
    monkeypatch.setattr(parcel, "_pools", pools)
    try:
        ended = [carry_out(one) for one in sent(jobs)]
    finally:
        for pool in pools.values():
            pool.close()
    assert [record.status for record in ended] == ["error", "out-of-memory", "timeout"]
    assert "killed by SIGKILL" in ended[0].reason
    assert "stopped at its deadline of 2 s" in ended[2].reason
