"""Exponents: of known laws, and of the exact counters beside theory."""

from types import SimpleNamespace

import pytest

from throughtime.runners.cost import scaling as module
from throughtime.runners.cost.point import Cost, Point
from throughtime.runners.cost.scaling import FITTED, Law, Scaling, scaling, slope, theory
from throughtime.runners.training.measure import count_updates
from throughtime.runners.training.timing import Spread

SIZES = [16, 32, 64, 128, 256]


@pytest.mark.parametrize("exponent", [0, 0.5, 1, 2, 3, 4])
def test_a_power_law_has_its_exponent(exponent):
    assert slope(SIZES, [7.5 * size**exponent for size in SIZES]) == pytest.approx(exponent, abs=1e-6)


def test_terms_of_lower_order_lose_where_sizes_are_large():
    def cost(size):
        return size**4 + 3 * size**3

    small, large = (slope(sizes, [cost(size) for size in sizes]) for sizes in ([1, 2, 4, 8], [100, 200, 400, 800]))
    assert small < 3.8
    assert large == pytest.approx(4, abs=0.02)


def test_only_the_largest_sizes_count_in_any_order():
    sizes = [256, 1, 16, 2, 32, 64]
    values = [5.0 * size if size >= 16 else 1e9 for size in sizes]
    assert sum(size >= 16 for size in sizes) == FITTED
    assert slope(sizes, values) == pytest.approx(1)


@pytest.mark.parametrize("values", [[1.0, 2.0], [1.0, 0.0, 2.0], []])
def test_no_exponent_of_too_few_sizes_or_of_nothing(values):
    assert slope(SIZES[: len(values)], values) is None


def counted(algorithm, cell, axis, sizes, **held):
    """Costs as the grid has them, with a time that nobody took."""
    costs = []
    for size in sizes:
        point = Point.model_validate({"algorithm": algorithm, "cell": cell, **held, axis: size})
        ready = point.workload.prepare()
        counts = count_updates(ready.algorithm, ready.network, ready.batch)
        made_up = {"status": "done", "deadline": 1.0, "wall": Spread(1e-3, 1e-3, 1e-3)}
        fields = {"peak_bytes": counts.peak_bytes, "flops": counts.flops, "ops": counts.ops}
        costs.append(Cost.model_validate({"key": str(size), "point": point, **made_up, **fields}))
    return costs


GRIDS = {
    "T": ("length", [16, 32, 64], {"hidden_size": 8, "batch_size": 32}),
    "n, backward": ("hidden_size", [16, 32, 64], {"length": 60, "batch_size": 16}),
    "n, forward": ("hidden_size", [40, 60, 90], {"length": 2, "batch_size": 1}),
    "B": ("batch_size", [16, 32, 64], {"length": 10, "hidden_size": 8}),
}
LINES = [(grid, "full") for grid in ("T", "n, backward", "B")]
LINES += [(grid, "truncated(k1=4, k2=4)") for grid in ("T", "n, backward", "B")]
LINES += [("B", "uoro")]
LINES += [("T", "online(depth=2)"), ("T", "readout_only"), ("T", "rtrl"), ("n, forward", "rtrl"), ("B", "rtrl")]


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize(("grid", "algorithm"), LINES)
def test_exact_counters_have_the_exponents_of_theory(cell, grid, algorithm):
    axis, sizes, held = GRIDS[grid]
    found = scaling(counted(algorithm, cell, axis, sizes, **held), cell, algorithm, axis, "")
    assert set(found.laws) == {"flops", "peak_bytes"}
    assert found.verdict == "agrees", found.measured


@pytest.mark.parametrize("cell", ["lru", "elstm"])
@pytest.mark.parametrize("algorithm", ["rtrl", "snap", "eprop"])
def test_on_a_diagonal_cell_as_many_numbers_are_carried_as_there_are_parameters(algorithm, cell):
    costs = counted(algorithm, cell, "hidden_size", [32, 64, 128, 256], length=4, batch_size=4)
    found = scaling(costs, cell, algorithm, "hidden_size", "")
    assert {name: (law.low, law.high) for name, law in found.laws.items()} == {"flops": (1, 1), "peak_bytes": (1, 1)}
    assert found.verdict == "agrees", found.measured


def test_the_laws_that_are_asked_for_most():
    laws = {(name, axis): theory(name, axis) for name in ("full", "rtrl") for axis in ("length", "hidden_size")}
    said = {at: (str(law["flops"]), str(law["peak_bytes"])) for at, law in laws.items()}
    assert said == {
        ("full", "length"): ("1", "1"),
        ("full", "hidden_size"): ("2", "1"),
        ("rtrl", "length"): ("1", "0"),
        ("rtrl", "hidden_size"): ("4", "3"),
    }


def test_online_without_a_bound_grows_with_the_square():
    assert theory("online", "length")["flops"].low == 2
    assert theory("online", "length")["peak_bytes"].low == 1
    assert theory("online(depth=5)", "length")["flops"].low == 1


@pytest.mark.parametrize("online", [True, False])
def test_of_an_unknown_algorithm_theory_says_what_it_promises(monkeypatch, online):
    monkeypatch.setattr(module, "make_algorithm", lambda spec: SimpleNamespace(online=online, exact_up_to=3))
    said = {name: law.low for name, law in theory("mine(k=3)", "length").items()}
    assert said == ({"peak_bytes": 0} if online else {})
    assert theory("mine(k=3)", "hidden_size") == {}


def verdict(flops, memory, laws=("flops", "peak_bytes")):
    claimed = {name: Law(1, 1, "") for name in laws}
    measured = {"flops": flops, "peak_bytes": memory}
    return Scaling("rnn", "full", "length", "", (), measured, None, claimed).verdict


def test_verdicts():
    assert verdict(1.09, 0.91) == "agrees"
    assert verdict(1.0, 1.2) == "memory differs"
    assert verdict(0.8, 1.0) == "FLOPs differ"
    assert verdict(0.8, 1.2) == "FLOPs and memory differ"
    assert verdict(None, None) == "too few sizes"
    assert verdict(9.0, 9.0, laws=()) == "nothing claimed"
    assert Law(1, 2, "").allows(1.5)
    assert not Law(1, 2, "").allows(2.2)
