"""Tiers: one suite in three sizes. `core` is what is written; `[tiers.smoke]` and `[tiers.full]` say what they change.

A tier changes the budget's share and how much is run, never which rows there are: the three show one table.
"""

from collections.abc import Mapping
from typing import Any

from throughtime.parts import BadInput
from throughtime.parts.specs import nearest

CORE = "core"
TIERS = ("smoke", CORE, "full")
CHANGED = (
    "share",
    "seeds",
    "tuning_seeds",
    "learning_rates",
    "clip_norms",
    "evaluations",
    "hidden_size",
    "batch_size",
    "deadline",
    "core_minutes",
)
"""What a tier may change: `share` is the part of each experiment's budget, in any unit.

How long another tier takes is not known from `core`'s minutes: it is what the tier says, or not told.
"""


def in_tier(written: Mapping[str, Any], tier: str, *, origin: str) -> dict[str, Any]:
    """A suite's TOML as one of its tiers has it, without its tables of tiers.

    Args:
        written: what was parsed.
        tier: "smoke", "core" or "full".
        origin: what messages call the suite.

    Raises:
        BadInput: there is no such tier, or a table changes what no tier may.
    """
    rest = {key: value for key, value in written.items() if key != "tiers"}
    tables = written.get("tiers", {})
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise BadInput(f"{origin}: tiers must be written as [tiers.smoke] and [tiers.full] tables")
    for name, table in tables.items():
        if name not in TIERS or name == CORE:
            raise BadInput(f"{origin}: a suite may have [tiers.smoke] and [tiers.full]; got [tiers.{name}]")
        for key in table:
            if key not in CHANGED:
                raise BadInput(f"{origin}: tiers.{name} can't change {key!r}; {nearest(key, CHANGED)}")
    if tier not in TIERS:
        raise BadInput(f"--tier {tier}: {nearest(tier, TIERS)}")
    if tier == CORE:
        return rest
    if tier not in tables:
        raise BadInput(f"{origin} has no tier {tier!r}; it has {', '.join([CORE, *tables])}")
    changes = {key: value for key, value in tables[tier].items() if key != "share"}
    share = tables[tier].get("share", 1)
    if isinstance(share, bool) or not isinstance(share, int | float) or not share > 0:
        raise BadInput(f"{origin}: tiers.{tier}.share is the part of each budget, such as 0.1; got {share!r}")
    made = {key: value for key, value in _shared(rest, share).items() if key != "core_minutes"} | changes
    if isinstance(experiments := rest.get("experiments"), list):
        of_all = {key: value for key, value in changes.items() if key != "core_minutes"}
        made["experiments"] = [_shared(one, share) | of_all if isinstance(one, dict) else one for one in experiments]
    return made


def _shared(table: Mapping[str, Any], share: float) -> dict[str, Any]:
    """A table with its share of the budget, which is left as it is where it is none."""
    budget = table.get("budget")
    if not isinstance(budget, dict):
        return dict(table)
    return {**table, "budget": {unit: _part(value, share) for unit, value in budget.items()}}


def _part(value: Any, share: float) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return max(1, round(value * share)) if isinstance(value, int) else value * share
