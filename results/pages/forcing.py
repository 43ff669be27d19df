"""docs/forcings.md: one step ahead and free-running."""

from throughtime.runners.showing.summary import Row, summarise

from .words import REFERENCE, markdown, number_of


def forcing() -> str:
    """For each task of the suite `forcing`, the score one step ahead and free-running of every pair."""
    parts = []
    for table in summarise(REFERENCE / "forcing").tables:
        runs = {(row.forcing, row.name): _pair(row) for row in table.rows if row.kind == "run"}
        algorithms = list(dict.fromkeys(name for _, name in sorted(runs, key=lambda pair: _order(pair[1]))))
        known = [row for row in table.rows if row.kind in ("floor", "baseline") and row.free is not None]
        lines = [
            {"forcing": name, **{one: runs.get((name, one), "–") for one in algorithms}}
            for name in sorted(table.forcings, key=_order)
        ]
        body = markdown(lines)
        beside = "; ".join(f"{row.kind} {row.name}: {_pair(row)}" for row in known)
        title = f"**{table.task}, {table.cell}: {table.metric.name}, one step ahead → free over {table.horizon} steps**"
        parts += [title, body, f"Beside: {beside}."]
    return "\n\n".join(parts)


def _pair(row: Row) -> str:
    return f"{number_of(row)} → {'–' if row.free is None else f'{row.free.mean:.4g}'}"


def _order(spec: str) -> tuple[int, str]:
    """As the suites list them."""
    forcings = ["teacher", "free", "scheduled", "generalized", "professor"]
    known = [*forcings, "full", "truncated", "online", "stochastic", "rtrl"]
    name = spec.partition("(")[0]
    return (known.index(name) if name in known else len(known)), spec
