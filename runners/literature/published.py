"""What others have published: scores with their source and setting, as `published.toml` lists them."""

import tomllib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

PUBLISHED = Path(__file__).with_name("published.toml")


Ending = Literal["converges", "diverges"]
"""How training ends where no score is told: better than every floor on all seeds, or beyond all bounds on all."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Score(_Strict):
    """One published score.

    Attributes:
        algorithm: its spec here.
        score: as it was published, in the metric of the task, or how training ended, where that is what was published;
            None: it was not, and ours stands beside the others as a control.
        reason: why ours differs, where it does.
    """

    algorithm: str
    score: float | Ending | None = None
    reason: str = ""


class Setting(_Strict):
    """Scores of one source in one setting.

    Attributes:
        name: what the source calls it.
        source: the paper, and where in it.
        told: the setting in words.
        metric: what the scores are.
        cell: its spec here.
        task: likewise; empty where this setting is not run.
        floors: published scores of who has learned nothing, or only a part, by name.
        obstacle: why it is not run here; empty where it is.
        scores: the algorithms'.
    """

    name: str
    source: str
    told: str
    metric: str
    cell: str
    task: str = ""
    floors: dict[str, float] = {}
    obstacle: str = ""
    scores: tuple[Score, ...] = Field(min_length=1)


class _File(_Strict):
    settings: tuple[Setting, ...] = Field(min_length=1)


def load_published() -> tuple[Setting, ...]:
    """All settings, in the order of the file."""
    return _File.model_validate(tomllib.loads(PUBLISHED.read_text(encoding="utf-8"))).settings
