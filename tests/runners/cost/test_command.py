"""The command in this process: fresh, cached, on a busy machine."""

from typer.testing import CliRunner

from throughtime.runners.commands.cli import app
from throughtime.runners.cost import command

from .conftest import POINTS


def test_fresh_and_cached(cost_file, tmp_path, monkeypatch, in_this_process):
    monkeypatch.setattr(command, "busy", lambda: "load 9.0 on 2 cores: the machine is busy")
    monkeypatch.setattr(command, "write_figures", lambda directory: [])
    words = ["cost", str(cost_file()), "--out", str(tmp_path / "out")]
    fresh, cached = (CliRunner().invoke(app, words) for _ in range(2))
    assert fresh.exit_code == cached.exit_code == 0, fresh.output
    assert f"{POINTS} points, 0 cached; on cpu; results in {tmp_path / 'out'}" in fresh.output
    assert "warning: load 9.0 on 2 cores: the machine is busy" in fresh.output
    assert f"Measuring: {POINTS} points" in fresh.output
    assert f"  Measuring: {POINTS}/{POINTS} points, complete" in fresh.output
    assert "Measuring" not in cached.output
    assert f"0 points measured, {POINTS} cached: {POINTS} done." in cached.output
    assert "Exponents in the length T" in cached.output
    assert f"next: throughtime cost {cost_file()} --out {tmp_path / 'out'}" in cached.output
