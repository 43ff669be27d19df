"""The short tables for a paper: LaTeX tabulars with booktabs' rules, which pdflatex takes as they are."""

import unicodedata

from .rows import heading, protocol, short_cells, short_headings
from .summary import Row, Summary, TaskTable

HEAD = r"% needs \usepackage{booktabs} and \usepackage{graphicx}"
LEFT = ("algorithm", "score", "verdict", "free-running")
BREAK = r" \\"


def latex(summary: Summary) -> str:
    """One `table` environment each, no wider than the page; what is not a run is set in italics."""
    return "\n".join([HEAD, *(_table(summary, table) for table in summary.tables)]) + "\n"


def _table(summary: Summary, table: TaskTable) -> str:
    names = short_headings(table)
    columns = "".join("l" if name in LEFT else "r" for name in names)
    parts = (summary.title, heading(table), protocol(table), f"Measured on: {summary.machine}")
    lines = [
        r"\begin{table}[t]",
        r"\centering",
        rf"\caption{{{escaped(' '.join(map(_sentence, parts)))}}}",
        r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        " & ".join(map(escaped, names)) + BREAK,
        r"\midrule",
        *(_row(short_cells(table, row), row) for row in table.rows),
        r"\bottomrule",
        r"\end{tabular}}",
        r"\end{table}",
    ]
    return "\n".join(lines)


def _row(words: list[str], row: Row) -> str:
    cells = [escaped(word) for word in words]
    if row.kind != "run":
        cells = [rf"\textit{{{cell}}}" if cell else "" for cell in cells]
    return " & ".join(cells) + BREAK


def _sentence(text: str) -> str:
    return text if text.endswith((".", "?", "!")) else f"{text}."


_SIGNS = {sign: f"\\{sign}" for sign in "_%#&${}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "–": "--",
    "—": "---",
    "…": r"\ldots{}",
    "−": "$-$",
    "·": r"$\cdot$",
    "×": r"$\times$",
    "±": r"$\pm$",
    "≤": r"$\le$",
    "≥": r"$\ge$",
    "≈": r"$\approx$",
    "→": r"$\rightarrow$",
    "↓": r"$\downarrow$",
    "↑": r"$\uparrow$",
    "∞": r"$\infty$",
    "Σ": r"$\Sigma$",
    "α": r"$\alpha$",
    "β": r"$\beta$",
    "γ": r"$\gamma$",
    "δ": r"$\delta$",
    "ε": r"$\varepsilon$",
    "θ": r"$\theta$",
    "λ": r"$\lambda$",
    "μ": r"$\mu$",
    "ρ": r"$\rho$",
    "σ": r"$\sigma$",
    "τ": r"$\tau$",
    "φ": r"$\varphi$",
}


def escaped(text: str) -> str:
    r"""Text as LaTeX sets it; of a sign that plain LaTeX does not have, what is nearest in ASCII, or a question mark.

    >>> print(escaped("θ* = −1/6, 50 %, á"))
    $\theta$* = $-$1/6, 50 \%, a
    """
    return "".join(_SIGNS.get(sign) or _ascii(sign) for sign in " ".join(text.split()))


def _ascii(sign: str) -> str:
    if sign.isascii():
        return sign
    bare = unicodedata.normalize("NFKD", sign).encode("ascii", "ignore").decode()
    return "".join(_SIGNS.get(one, one) for one in bare) or "?"
