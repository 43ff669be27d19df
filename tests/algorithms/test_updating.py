"""With a descent step after every update, the parameters end where a naive loop's do."""

import pytest
from naive import relative_error
from problems import CELLS, FORCINGS, LOSSES, Case, make_problem, third, thirds, together, train

RATE = 0.3
LOOPS = {
    "truncated(k1=3, k2=3)": lambda naive: naive.train_truncated(3, 3, RATE),
    "truncated(k1=2, k2=6)": lambda naive: naive.train_truncated(2, 6, RATE),
    "truncated(k1=2, k2=5)": lambda naive: naive.train_truncated(2, 5, RATE),
    "truncated(k1=3, k2=4)": lambda naive: naive.train_truncated(3, 4, RATE),
    "truncated(k1=1, k2=4)": lambda naive: naive.train_truncated(1, 4, RATE),
    "online(depth=1)": lambda naive: naive.train_truncated(1, 1, RATE),
    "online(depth=3)": lambda naive: naive.train_truncated(1, 3, RATE),
    "online": lambda naive: naive.train_truncated(1, 100, RATE),
    "rtrl": lambda naive: naive.train_rtrl(1, RATE),
    "rtrl(update_every=2)": lambda naive: naive.train_rtrl(2, RATE),
    "readout_only": lambda naive: naive.train_readout_only(1, RATE),
    "readout_only(update_every=2)": lambda naive: naive.train_readout_only(2, RATE),
}
CASES = [
    Case(cell, mask, loss=loss, T=9) for cell in CELLS for mask in ("unmasked", "masked", "gap") for loss in LOSSES
]
CASES += [
    Case(cell, "masked", loss=loss, T=9, m=3, forcing=forcing)
    for cell in CELLS
    for loss in LOSSES
    for forcing in FORCINGS
]


@thirds
@pytest.mark.parametrize("spec", LOOPS)
def test_descent_ends_at_the_naive_loops_weights(spec, of):
    for case in (case for number, case in enumerate(CASES) if spec in third(list(LOOPS), number, of)):
        problem = make_problem(case)
        naive = problem.naive()
        losses = train(problem.updates(spec), problem.network, RATE)
        assert losses == pytest.approx(LOOPS[spec](naive), rel=1e-9), case
        assert relative_error(dict(problem.network.named_parameters()), naive.parameters) <= 1e-9, case


@pytest.mark.parametrize("spec", LOOPS)
@together("cell", CELLS)
def test_descent_moves_the_later_losses(cell, spec):
    """The steps on the way are not lost: the losses differ from those at frozen parameters."""
    problem = make_problem(Case(cell, T=9))
    frozen = [float(update.loss) for update in problem.updates(spec)]
    assert train(problem.updates(spec), problem.network, RATE)[1:] != pytest.approx(frozen[1:], rel=1e-3)
