"""Puts the reference quickstart table into the README, between its two marks."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "results" / "reference" / "quickstart" / "table.md"
README = ROOT / "README.md"
BEGIN, END = "<!-- quickstart table: begin -->\n", "<!-- quickstart table: end -->\n"


def updated(readme: str, table: str) -> str:
    """The README's text with the table between the marks."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table.strip()}\n\n{END}{after}"


if __name__ == "__main__":
    README.write_text(updated(README.read_text(encoding="utf-8"), TABLE.read_text(encoding="utf-8")), encoding="utf-8")
