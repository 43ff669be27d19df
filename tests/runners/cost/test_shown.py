"""Tables and figures from records: every point, every failure, the exponents beside theory."""

import io

import pandas as pd
import pytest
from matplotlib.colors import same_color
from rich.console import Console

from throughtime.runners.cost import tables
from throughtime.runners.cost.figures import draw_figures, write_figures
from throughtime.runners.cost.point import Cost
from throughtime.runners.cost.store import CostStore, LineKeys, Manifest, load_costs
from throughtime.runners.cost.suite import parse_cost_suite
from throughtime.runners.showing import saved
from throughtime.runners.suite.fingerprint import key_of
from throughtime.runners.training.timing import Spread

SUITE = """
title = "Made up, $^$ by hand"
algorithms = ["full", "truncated(k1=2, k2=2)", "rtrl"]
cells = ["rnn", "gru"]
length = 10
hidden_size = 8
batch_size = 4
[[sweeps]]
length = [10, 20, 40, 80]
[[sweeps]]
hidden_size = [8, 16, 32, 64]
algorithms = ["full"]
[[sweeps]]
hidden_size = [4, 8, 16]
length = 2
algorithms = ["rtrl"]
"""


def made_up(point):
    """Costs as theory has them."""
    n, T = point.hidden_size, point.length
    memory = {"full": 1000 * T * n, "rtrl": 100 * n**3}.get(point.algorithm, 5000)
    flops = T * (n**4 if point.algorithm == "rtrl" else n**2)
    times = {"wall": Spread(2e-3, 1e-3, 3e-3), "cpu": Spread(2e-3, 2e-3, 2e-3), "rounds": 5}
    return {"status": "done", **times, "peak_bytes": memory, "carry_bytes": 64, "flops": flops, "ops": 10 * T}


def failing(point):
    """As `made_up`, but rtrl runs out of memory."""
    if point.algorithm == "rtrl" and point.length * point.hidden_size > 32:
        return {"status": "out-of-memory", "reason": "no | memory\nleft"}
    return made_up(point)


@pytest.fixture
def results(tmp_path):
    """A directory whose points ended as a function says; None: not measured."""

    def build(ended=made_up):
        suite, store, lines = parse_cost_suite(SUITE, "made_up", origin="made_up.toml"), CostStore(tmp_path / "out"), []
        with store.locked():
            for number, sweep in enumerate(suite.sweeps):
                for cell in sweep.cells:
                    for algorithm in sweep.algorithms:
                        points = sweep.points(cell, algorithm, "cpu")
                        keys = tuple(key_of(point.model_dump(), "") for point in points)
                        for key, point in zip(keys, points, strict=True):
                            if (end := ended(point)) is not None:
                                record = {"key": key, "point": point, "deadline": 9.0, **end}
                                store.write_record(Cost.model_validate(record))
                        lines.append(LineKeys(sweep=number, cell=cell, algorithm=algorithm, keys=keys))
            about = {"format": CostStore.format, "version": "0", "device": "cpu", "suite": suite, "lines": tuple(lines)}
            store.write_manifest(Manifest.model_validate(about))
            store.write_environment({"machine": "a machine", "threads_per_run": 1, "load_average": [0.25, 0, 0]})
        return tmp_path / "out"

    return build


def test_exponents_stand_beside_theory(results):
    text = tables.markdown(load_costs(results()))
    assert "Measured on: a machine; on cpu, 1 thread; load before: 0.2" in text
    rows = [[word.strip() for word in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    assert ["rnn", "full", "n = 8, B = 4", "1.00", "1", "1.00", "1", "1.00", "agrees"] in rows
    assert ["gru", "rtrl", "n = 8, B = 4", "1.00", "1", "0.00", "0", "1.00", "agrees"] in rows
    assert ["gru", "rtrl", "T = 2, B = 4", "4.00", "4", "3.00", "3", "0.00", "agrees"] in rows
    assert "- rtrl, memory in n: 3: the influence matrix" in text
    assert text.index("in the length T") < text.index("in the hidden size n") < text.index("Every point")


def test_every_point_is_in_both_tables_once(results):
    costs = load_costs(results())
    frame = pd.read_csv(io.StringIO(tables.csv(costs)))
    assert len(frame) == 2 * (3 * 4 + 4 + 3 - 1)  # full at T = 10, n = 8 is in two sweeps
    assert set(frame["wall_per_step_median"]) == {2e-3}
    assert tables.markdown(costs).count("2 [1, 3]") == len(frame)
    exponents = pd.read_csv(io.StringIO(tables.scaling_csv(costs)))
    rtrl = exponents[(exponents["algorithm"] == "rtrl") & (exponents["axis"] == "hidden_size")]
    assert set(rtrl[rtrl["quantity"] == "flops"]["exponent"]) == {4.0}
    assert set(rtrl[rtrl["quantity"] == "peak_bytes"]["theory_low"]) == {3.0}


def test_failures_are_in_the_tables_and_above_the_panels(results):
    directory = results(failing)
    text = tables.markdown(load_costs(directory))
    assert "out-of-memory: no \\| memory left" in text
    assert "too few sizes (4 of 4 out-of-memory)" in text
    drawn = draw_figures(load_costs(directory))
    assert "rtrl: 4 of 4 out-of-memory" in drawn["length"].axes[0].get_title()


def test_the_same_records_give_the_same_files(results, monkeypatch):
    monkeypatch.setattr(saved, "DPI", 20)
    directory = results()
    first = [path.read_bytes() for path in (*tables.write_tables(directory), *write_figures(directory))]
    again = [path.read_bytes() for path in (*tables.write_tables(directory), *write_figures(directory))]
    assert first == again
    assert sorted(path.name for path in (directory / "figures").iterdir()) == ["hidden_size.png", "length.png"]


def test_a_panel_for_each_cell_and_cost_with_a_line_for_each_algorithm(results):
    drawn = draw_figures(load_costs(results()))
    assert {name: len(figure.axes) for name, figure in drawn.items()} == {"length": 4, "hidden_size": 6}
    ax = drawn["hidden_size"].axes[2]
    assert ax.get_title() == "rnn: T = 10, B = 4; rtrl: T = 2, B = 4"
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    full, full_guide, _, rtrl_guide = ax.lines
    assert list(full.get_xdata()) == [8, 16, 32, 64]
    assert same_color(full.get_color(), full_guide.get_color())
    (x0, x1), (y0, y1) = rtrl_guide.get_data()
    assert (x1 / x0, y1 / y0) == (4, pytest.approx(4**3))


@pytest.mark.parametrize(
    "ended", [lambda point: None, lambda point: {"status": "timeout", "reason": "late"}], ids=["nothing", "timeouts"]
)
def test_nothing_measured_is_said(results, ended):
    directory = results(ended)
    tables.write_tables(directory)
    (ax, *_) = draw_figures(load_costs(directory))["length"].axes
    assert [text.get_text() for text in ax.texts] == ["nothing was measured"]


@pytest.mark.parametrize("width", [80, 200])
def test_a_terminal_shows_exponents_and_the_largest_sizes(results, width):
    console = Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None)
    tables.print_tables(load_costs(results(failing)), console)
    shown = console.file.getvalue()
    assert "Exponents in the length T" in shown
    assert "The largest size of each sweep, and what is not done" in shown
    assert max(len(line) for line in shown.splitlines()) <= width
