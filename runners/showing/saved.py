"""Figures as files: whole or not at all, small, and marked by what they were drawn from."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from throughtime.runners.records.files import make_folder, whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 150
LARGEST = 2**16 - 1
"""Pixels along a side of an image: hundreds of panels have fewer each."""


def save_and_close(figure: "Figure", path: Path, mark: str = "") -> Path:
    """Write a figure, whole or not at all, into a folder that is made where it is missing.

    What is on it is given back to the system before the next one is drawn: together they may fill the memory.

    Args:
        figure: is empty afterwards.
        path: of the file.
        mark: by which `is_marked` knows it; empty: none.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image, PngImagePlugin

    make_folder(path.parent)
    figure.set_dpi(min(DPI, LARGEST / max(figure.get_size_inches())))
    drawn = FigureCanvasAgg(figure)
    drawn.draw()  # type: ignore[no-untyped-call]
    # By its own 256 colours: a figure is a third as large then, and results are kept and copied.
    pixels = np.asarray(drawn.buffer_rgba())[..., :3]  # type: ignore[no-untyped-call]
    image = Image.fromarray(pixels).quantize(256, dither=Image.Dither.NONE)
    figure.clear()
    about = PngImagePlugin.PngInfo()
    if mark:
        about.add_text("Mark", mark)
    with whole(path) as temporary:
        image.save(temporary, format="png", pnginfo=about, optimize=True)
    return path


def is_marked(path: Path, mark: str) -> bool:
    """Whether there is a figure with this mark."""
    if not path.is_file():  # a FIFO would be waited for
        return False
    try:
        with path.open("rb") as file:
            return b"Mark\0" + mark.encode() in file.read(4096)
    except OSError:
        return False
