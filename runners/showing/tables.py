"""Tables as files, for reading, for computing and for a paper (`latex.py`), from a results directory's summary."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from throughtime.runners.records.files import write_text

from .latex import latex
from .overall import block_markdown, blocks
from .rows import LEGEND, cells, heading, headings, protocol, short_cells, short_headings, waiting
from .summary import COSTS, Row, Summary, TaskTable, summarise
from .words import markdown_table


def markdown(summary: Summary) -> str:
    """The whole tables as Markdown, with what the columns mean."""
    return "\n\n".join([*_parts(summary, headings, cells), *map(block_markdown, blocks(summary.tables)), LEGEND])


def short_markdown(summary: Summary) -> str:
    """The short tables as Markdown."""
    return "\n\n".join([*_parts(summary, short_headings, short_cells), ""])


def _parts(
    summary: Summary, columns: Callable[[TaskTable], list[str]], words: Callable[[TaskTable, Row], list[str]]
) -> list[str]:
    parts = [f"### {summary.title}", f"Measured on: {summary.machine}."]
    for table in summary.tables:
        rows = [[_marked(word, row) for word in words(table, row)] for row in table.rows]
        body = markdown_table(columns(table), rows)
        parts += [f"**{heading(table)}**", f"{protocol(table)}.", body]
    return [*parts, *filter(None, [waiting(summary.tables)])]


def _marked(word: str, row: Row) -> str:
    return f"*{word}*" if row.kind != "run" and word else word


def csv(summary: Summary) -> str:
    """All rows of all tables with unrounded numbers; references have their kind in the column of that name."""
    lines = []
    for table in summary.tables:
        for row in table.rows:
            score, difference, choice = row.score, row.difference, row.choice
            lines.append(
                {
                    "task": table.task,
                    "cell": table.cell,
                    "metric": table.metric.name,
                    "better": table.metric.better,
                    "name": row.name,
                    "forcing": row.forcing,
                    "kind": row.kind,
                    "seeds": score.n if score else 0,
                    "mean": score.mean if score else None,
                    "low": score.low if score else None,
                    "high": score.high if score else None,
                    "floor": table.floor.value if table.floor else None,
                    "free_mean": row.free.mean if row.free else None,
                    "free_low": row.free.low if row.free else None,
                    "free_high": row.free.high if row.free else None,
                    "free_floor": table.free_floor.free if table.free_floor else None,
                    "exposure_bias": row.exposure_bias.mean if row.exposure_bias else None,
                    "verdict": row.verdict,
                    "difference_to_full": difference.interval.mean if difference else None,
                    "difference_low": difference.interval.low if difference else None,
                    "difference_high": difference.interval.high if difference else None,
                    "difference_p": difference.p if difference else None,
                    "difference_supported": difference.supported if difference else None,
                    "learning_rate": choice.learning_rate if choice else None,
                    "clip_norm": choice.clip_norm if choice else None,
                    **row.tuned.columns,
                    "still_learning": row.still_learning,
                    **{name: row.costs.get(name) for name in COSTS},
                    "runs": ", ".join(f"{count} {status}" for status, count in row.statuses.items()),
                    "reason": row.reason,
                }
            )
    frame = pd.DataFrame(lines)
    if "mean_peak_bytes" in frame and frame["mean_peak_bytes"].isna().all():
        frame = frame.drop(columns="mean_peak_bytes")  # nobody's memory is random
    return frame.to_csv(index=False)


FORMATS = {"markdown": markdown, "csv": csv, "latex": latex}
FILES = {"table.md": markdown, "table.csv": csv, "table.tex": latex}


def write_tables(directory: str | Path, summary: Summary | None = None) -> list[Path]:
    """Write table.md, table.csv and table.tex into the results directory, each whole or not at all.

    Args:
        directory: where.
        summary: what to write, where it was computed already.
    """
    shown = summarise(directory) if summary is None else summary
    return [write_text(Path(directory) / name, write(shown)) for name, write in FILES.items()]
