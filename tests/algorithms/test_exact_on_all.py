"""Every exact algorithm on cells of every structure, in open and closed loops: full BPTT's gradient, or a refusal."""

import pytest
from problems import together

from throughtime.algorithms import make_algorithm
from throughtime.runners.verify.problems import make_problem

EXACT = {"checkpointed": 1e-12, "blocked_rtrl(block=4)": 1e-12, "rtrl": 1e-12, "forward_errors": 1e-6}
"""By how far each may be away, relatively, after six steps; the last one's rounding errors grow."""

CELLS = ["leaky", "rnn(sparsity=0.5)", "gru(sparsity=0.25)", "lstm(layers=2)", "lru(layers=2)", "lru", "rtu", "elstm"]
REFUSED = {("blocked_rtrl(block=4)", cell) for cell in ("lru", "rtu", "elstm")}


@together("forcing", ["teacher", "free"])
@together("cell", CELLS)
@pytest.mark.parametrize("spec", EXACT)
def test_the_gradient_is_full_bptts(spec, cell, forcing):
    algorithm, problem = make_algorithm(spec), make_problem(cell, 6, 2, mask="some steps", forcing=forcing)
    if forcing == "teacher" and (spec, cell) in REFUSED:
        assert "take rtrl" in algorithm.refuses(problem.network)
        return
    assert not algorithm.refuses(problem.network)
    found, exact = problem.estimate(algorithm), problem.estimate(make_algorithm("full"))
    for name, value in exact.items():
        assert float((found[name] - value).norm()) <= EXACT[spec] * float(value.norm()) + 1e-14, name
