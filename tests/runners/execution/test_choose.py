"""Which executor: what goes together, and what to do where it does not."""

import importlib.util

import pytest

from throughtime.parts import BadInput
from throughtime.runners.execution.choose import make_executor


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"name": "dusk"}, "no executor 'dusk'; did you mean 'dask'"),
        ({"scheduler": "tcp://a:1"}, "--scheduler is for --executor dask, got --executor local"),
        ({"name": "dask", "slurm": "time=1"}, "--slurm is for --executor slurm, got --executor dask"),
        ({"name": "dask", "scheduler": "tcp://a:1", "workers": 2}, "those of --scheduler are started there"),
    ],
)
def test_what_does_not_go_together_is_refused(words, message):
    with pytest.raises(BadInput, match=message):
        make_executor(**words)


@pytest.mark.parametrize(("name", "package"), [("dask", "distributed"), ("slurm", "submitit")])
def test_a_missing_extra_is_told_with_its_command(monkeypatch, name, package):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda word: None if word == package else find(word))
    with pytest.raises(
        BadInput, match=rf"needs the package {package}; install it by: pip install 'throughtime\[{name}\]'"
    ):
        make_executor(name)


@pytest.mark.parametrize(
    ("words", "here", "told"),
    [
        ({"workers": 3}, True, "3 at a time"),
        ({"name": "dask", "workers": 3}, True, "on 3 dask workers"),
        ({"name": "dask", "scheduler": "tcp://a:1"}, False, "on the dask cluster at tcp://a:1"),
        ({"name": "slurm", "slurm": "partition=gpu"}, False, "by up to 100 tasks of slurm"),
        (
            {"name": "slurm", "slurm": "cluster=local", "workers": 2},
            True,
            "by up to 2 tasks of submitit on this machine",
        ),
    ],
)
def test_each_says_where_it_is(words, here, told):
    for package in ("distributed", "submitit"):
        pytest.importorskip(package, reason="an extra is not installed")
    executor = make_executor(**words)
    assert (executor.here, str(executor)) == (here, told)
