"""Ratios to other code: the other code computes the same, the table says what is met and why not."""

import io

import numpy as np
import pytest
import torch
from rich.console import Console
from typer.testing import CliRunner

from throughtime.algorithms import estimate_gradient
from throughtime.runners.commands.cli import app
from throughtime.runners.cost import peers
from throughtime.runners.cost.other_code import NumpyRTRL, Products, TorchNN
from throughtime.runners.cost.peers import Sizes
from throughtime.runners.cost.peers_table import csv, markdown, print_rows, words
from throughtime.runners.cost.row import Row
from throughtime.runners.training.timing import Spread
from throughtime.runners.training.workload import Workload

TINY = Sizes(
    length=12,
    batch_size=2,
    hidden_size=3,
    depth=2,
    influence=dict.fromkeys(peers.CELLS, (2, 3)),
    chunk=1,
    rounds=3,
    starts=1,
)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_torch_nn_computes_the_same_gradient(cell):
    prepared = Workload("full", cell, 7, 5, 3, dtype="float64").prepare()
    other = TorchNN(cell, prepared)
    other.run()
    exact = estimate_gradient(prepared.algorithm, prepared.network, prepared.batch)
    for parameter, (name, gradient) in zip(other.parameters, exact.items(), strict=True):
        assert torch.allclose(parameter.grad, gradient, rtol=1e-9, atol=1e-14), name


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_the_bare_product_has_the_shape_of_the_influence_matrix(cell):
    network = Workload("rtrl", cell, 1, 5, 3).prepare().network
    products = Products(network, 3)
    before = products.now
    products.run(3)
    assert products.next is before
    S, biases_added_twice = {"rnn": (1, 5), "gru": (1, 2 * 5), "lstm": (2, 4 * 5)}[cell]
    P = sum(parameter.numel() for parameter in network.cell.parameters()) - biases_added_twice
    assert products.now.shape == (3, S * 5, P)
    assert 0.1 < products.now.std() < 10


def test_numpys_rtrl_computes_the_exact_gradient():
    prepared = Workload("full", "rnn", 9, 5, 1, dtype="float64").prepare()
    plain = NumpyRTRL(prepared, learning_rate=0.0)
    steps = [plain.step() for _ in range(9)]
    weights, V, c = (np.mean([step[i] for step in steps], axis=0) for i in range(3))
    exact = estimate_gradient(prepared.algorithm, prepared.network, prepared.batch)
    assert np.allclose(weights[:, :2], exact["cell.weight_ih_l0"], rtol=1e-9, atol=1e-13)
    assert np.allclose(weights[:, 2:7], exact["cell.weight_hh_l0"], rtol=1e-9, atol=1e-13)
    assert np.allclose(weights[:, 7], exact["cell.bias_ih_l0"], rtol=1e-9, atol=1e-13)
    assert np.allclose(V, exact["readout.weight"], rtol=1e-9, atol=1e-13)
    assert np.allclose(c, exact["readout.bias"], rtol=1e-9, atol=1e-13)


def test_numpys_adam_is_torchs():
    prepared = Workload("rtrl", "rnn", 6, 4, 1, dtype="float64").prepare()
    plain = NumpyRTRL(prepared, learning_rate=0.05)
    with_one_bias = [p for name, p in prepared.network.named_parameters() if name != "cell.bias_ih_l0"]
    optimizer = torch.optim.Adam(with_one_bias, lr=0.05)
    prepared.run(after=optimizer.step)
    plain.run(6)
    assert np.allclose(plain.V, prepared.network.readout.weight.detach(), rtol=1e-6, atol=1e-10)
    assert np.allclose(plain.weights[:, 2:6], prepared.network.cell.weight_hh_l0.detach(), rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize("name", [name for name in peers.PEERS if name != "starting" and "JAX" not in name])
def test_every_comparison_measures_something(name):
    rows = peers.PEERS[name](TINY)
    assert len({row.what for row in rows}) == len(rows) >= 2
    for row in rows:
        assert np.isfinite(row.measured.median)
        assert row.measured.lower <= row.measured.median <= row.measured.upper
        assert row.verdict in ("met", "missed", "for comparison")


def test_starts_are_timed(monkeypatch):
    commands = []
    monkeypatch.setattr(peers.subprocess, "run", lambda command, **options: commands.append(command))
    worker, help_ = peers.starting(TINY)
    assert 0.1 < worker.measured.median < 60
    assert commands[0][-1] == "--help"
    assert help_.limit == 0.5


FEW = [
    Row("a / b", "n=3", Spread(0.4, 0.3, 0.5), "×", 0.5),
    Row("c / d", "n=3", Spread(0.6, 0.6, 0.6), "×", 0.7, at_least=True, reason="it | walks\ntwice"),
    Row("e", "n=3", Spread(2.0, 1.0, 3.0), "ms", 1.0),
    Row("f", "n=3", Spread(9.0, 1.0, 3.0), "ms", None),
]


def test_the_table_says_what_is_met_and_why_not():
    assert words(FEW[0]) == ["a / b", "n=3", "0.4 × [0.3, 0.5]", "≤ 0.5 ×", "met"]
    assert words(FEW[1]) == ["c / d", "n=3", "0.6 ×", "≥ 0.7 ×", "missed: it | walks\ntwice"]
    assert words(FEW[2])[-1] == "missed"
    assert words(FEW[3])[-2:] == ["–", "for comparison"]
    assert words(Row("g", "", Spread(1.0000003, 1.0000003, 1.0000003), "×", 1.0))[2] == "1.0000003 ×"
    absent = Row("h", "", None, "×", None, reason="not installed")
    assert words(absent)[2:] == ["–", "–", "not measured: not installed"]
    refused = Row("i", "n=3", None, "×", 1.0, reason="another gradient")
    assert words(refused)[2:] == ["–", "≤ 1 ×", "missed: another gradient"]
    assert csv([absent, refused]).splitlines()[2] == "i,n=3,,,,×,1.0,lower,missed,another gradient"
    assert "it \\| walks twice" in markdown(FEW)
    assert csv(FEW).splitlines()[1] == "a / b,n=3,0.4,0.3,0.5,×,0.5,lower,met,"


@pytest.mark.parametrize("terminal", [True, False])
def test_it_is_printed(terminal):
    console = Console(file=io.StringIO(), force_terminal=terminal, width=120, color_system=None)
    print_rows(FEW, console)
    assert "Ratios to other code" in console.file.getvalue()
    assert "[0.3, 0.5]" in console.file.getvalue()


def test_the_command_writes_the_table_and_counts_the_misses(tmp_path, monkeypatch):
    seen = []

    def few(sizes):
        seen.append(torch.get_num_threads())
        return FEW

    monkeypatch.setattr(peers, "PEERS", {"few": few})
    monkeypatch.chdir(tmp_path)
    for _ in range(2):  # the second time its own files are there
        result = CliRunner().invoke(app, ["cost", "--peers"])
        assert result.exit_code == 0, result.output
    assert "  Measuring: 1/1 comparisons, complete" in result.output
    assert "1 of 3 limits met, 2 missed." in result.output
    folder = tmp_path / "results" / "runs" / "cost"
    assert {"peers.md", "peers.csv"} <= {path.name for path in folder.iterdir()}
    assert seen == [1, 1]
