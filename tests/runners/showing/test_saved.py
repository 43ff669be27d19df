"""Figures as files: what was drawn, in few colours, with the mark of what it was drawn from."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from throughtime.runners.showing.canvas import looks
from throughtime.runners.showing.saved import DPI, is_marked, save_and_close


@pytest.fixture
def figure():
    """Lines in the colours of a dozen algorithms, with words."""
    made = Figure(figsize=(4, 3), layout="constrained")
    axes = made.subplots()
    names = ["full", "truncated(k1=2, k2=2)", "online", "rtrl", "uoro", "snap", "rflo", "dni", "ok", "readout_only"]
    for number, (name, look) in enumerate(looks(names).items()):
        axes.plot([0, 1], [number, number + 1], color=look.colour, marker=look.marker, label=name)
    axes.set(title="one", xlabel="x", ylabel="y")
    axes.legend()
    return made


def test_it_looks_as_it_was_drawn(figure, tmp_path):
    figure.set_dpi(DPI)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    drawn = np.asarray(canvas.buffer_rgba())[..., :3].astype(int)
    with Image.open(save_and_close(figure, tmp_path / "one.png")) as image:
        assert image.mode == "P"
        kept = np.asarray(image.convert("RGB")).astype(int)
    assert kept.shape == drawn.shape
    assert np.abs(kept - drawn).max() <= 40
    assert np.abs(kept - drawn).mean() < 0.5


def test_it_is_known_by_its_mark(figure, tmp_path):
    path = save_and_close(figure, tmp_path / "figures" / "one.png", "abc")
    assert is_marked(path, "abc")
    assert not is_marked(path, "abd")


def test_one_without_a_mark_is_not_known(figure, tmp_path):
    assert not is_marked(save_and_close(figure, tmp_path / "one.png"), "")
    assert not is_marked(tmp_path / "another.png", "abc")


def test_a_figure_of_hundreds_of_panels_is_as_large_as_an_image_can_be(tmp_path):
    figure = Figure(figsize=(9, 2500))
    FigureCanvasAgg(figure)
    save_and_close(figure, tmp_path / "large.png")
    assert int.from_bytes((tmp_path / "large.png").read_bytes()[20:24]) == 2**16 - 1
