"""Tables as LaTeX: signs are escaped, and what is committed compiles."""

import dataclasses
import shutil
import subprocess
from pathlib import Path

import pytest

from throughtime.runners.showing import tables
from throughtime.runners.showing.summary import summarise


def test_latex_escapes_what_it_must(results):
    text = tables.latex(summarise(results()))
    assert r"two\_lag" in text
    assert r"readout\_only" in text
    assert "two_lag" not in text
    assert r"$\downarrow$" in text
    assert text.count(r"\begin{tabular}") == 1


def test_latex_captions_escape_every_sign_of_a_title(results):
    summary = summarise(results())
    text = tables.latex(dataclasses.replace(summary, title=r"50 % of $x^2$ & {a_b} ~ # \n"))
    assert r"\caption{50 \% of \$x\textasciicircum{}2\$ \& \{a\_b\} \textasciitilde{} \# \textbackslash{}n. " in text
    assert r"loss, $\downarrow$ lower is better" in text


def test_latex_is_ascii_whatever_stands_in_a_title(results):
    summary = summarise(results())
    text = tables.latex(dataclasses.replace(summary, title="θ* = −1/6, Café, 日本?"))
    assert text.isascii()
    assert r"\caption{$\theta$* = $-$1/6, Cafe, ??? two\_lag" in text


def test_latex_keeps_the_italics_of_references_and_six_columns(results):
    text = tables.latex(summarise(results()))
    assert r"\textit{floor: guess}" in text
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert len(rows) == 9
    assert {line.count("&") for line in rows} == {5}


COMMITTED = sorted((Path(__file__).parents[3] / "results" / "reference").glob("*/table.tex"))


def booktabs():
    """Whether pdflatex and the package that the tables need are there."""
    if shutil.which("pdflatex") is None or shutil.which("kpsewhich") is None:
        return False
    return subprocess.run(["kpsewhich", "booktabs.sty"], capture_output=True).returncode == 0


@pytest.mark.skipif(not booktabs(), reason="pdflatex or its package booktabs is not installed")
@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.parent.name)
def test_committed_tables_compile_and_fit_the_page(path, tmp_path):
    body = path.read_text(encoding="utf-8")
    head = r"\documentclass{article}\usepackage{booktabs}\usepackage{graphicx}\begin{document}"
    (tmp_path / "t.tex").write_text(f"{head}\n{body}\n\\end{{document}}\n", encoding="utf-8")
    words = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=120)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull \\hbox" not in done.stdout
