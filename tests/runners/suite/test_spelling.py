"""One configuration has one key and one row, however it is spelt."""

import math

import pytest

from throughtime.algorithms import ALGORITHMS, make_algorithm
from throughtime.forcings import FORCINGS
from throughtime.parts import BadInput
from throughtime.parts.specs import literal, parse_spec
from throughtime.runners.cost.grid import CostRunner
from throughtime.runners.cost.suite import parse_cost_suite
from throughtime.runners.execution.plan import make_plan
from throughtime.runners.suite import plugins
from throughtime.runners.suite.experiment import Experiment
from throughtime.runners.suite.plugins import load_plugin
from throughtime.runners.suite.suite import Suite, parse_suite
from throughtime.tasks import TASKS

SUITE = """
tasks = ["two_lag"]
algorithms = ["full"]
hidden_size = 4
batch_size = 4
learning_rates = [1]
budget = { steps = 64 }
seeds = 1
"""

SPELLINGS = {
    "order": (ALGORITHMS, "truncated(k2=20, k1=5)", "truncated(k1=5, k2=20)"),
    "a default": (ALGORITHMS, "rtrl(update_every=1)", "rtrl"),
    "None by default": (ALGORITHMS, "online(depth=None)", "online"),
    "one default of several": (ALGORITHMS, "stochastic(draws=1, length=8)", "stochastic(length=8)"),
    "an integer": (FORCINGS, "generalized(alpha=1)", "generalized(alpha=1.0)"),
    "minus zero": (FORCINGS, "generalized(alpha=-0.0)", "generalized(alpha=0.0)"),
    "zero": (FORCINGS, "generalized(alpha=0)", "generalized(alpha=0.0)"),
    "a text": (FORCINGS, 'generalized(symbol="sample", alpha=0.25)', "generalized(alpha=0.25)"),
    "a number": (FORCINGS, "generalized(alpha=2.5e-1)", "generalized(alpha=0.25)"),
    "a task's": (TASKS, "two_lag(length=2_4, b=8, a=3)", "two_lag"),
    "a task's integer": (TASKS, "mackey_glass(tau=17)", "mackey_glass"),
}
WRITTEN = {"algorithm": "algorithms", "forcing": "forcing", "task": "tasks"}


def suite(**lists):
    text = SUITE
    for name, value in lists.items():
        lines = [line for line in text.splitlines() if not line.startswith(f"{name} =")]
        text = "\n".join([*lines, f"{name} = {value}"])
    return parse_suite(text, "tiny", origin="tiny.toml")


def keys(of):
    return [job.key for row in make_plan(of).rows for jobs in row.report.values() for job in jobs]


@pytest.mark.parametrize("what", SPELLINGS)
def test_two_spellings_are_one_key_one_row_and_one_form(what):
    registry, one, other = SPELLINGS[what]
    field = WRITTEN[registry.kind]
    first, second = suite(**{field: [one]}), suite(**{field: [other]})
    assert first == second
    assert keys(first) == keys(second)
    assert getattr(first.experiments[0], field) == (registry.canonical(one),)


@pytest.mark.parametrize("what", SPELLINGS)
def test_two_spellings_in_one_list_are_refused_with_both(what):
    registry, one, other = SPELLINGS[what]
    with pytest.raises(BadInput, match=f"one {registry.kind} in two spellings; list it once|listed twice") as refused:
        suite(**{WRITTEN[registry.kind]: [one, other]})
    for spec in (one, other):
        name, parameters = parse_spec(spec)
        assert name in str(refused.value)
        assert all(f"{key}=" in str(refused.value) for key in parameters)


def test_a_filter_finds_a_row_by_any_spelling():
    both = suite(algorithms=["truncated(k1=5, k2=20)", "rtrl", "rtrl(update_every=2)"])

    def found(wanted):
        return [row.group.algorithm for row in make_plan(both, only={"algorithm": wanted}).selected]

    assert found("truncated(k2=20, k1=5)") == ["truncated(k1=5, k2=20)"]
    assert found("rtrl(update_every=1)") == ["rtrl"]
    assert found("rtrl") == ["rtrl", "rtrl(update_every=2)"]
    with pytest.raises(BadInput, match="nothing in the suite has algorithm"):
        found("rtrl(update_every=3)")


def test_a_suite_made_in_python_is_planned_in_one_spelling():
    fields = {"tasks": ("two_lag(length=24)",), "algorithms": ("truncated(k2=2, k1=1)",), "budget": {"steps": 64}}
    experiment = Experiment.model_validate({**fields, "learning_rates": (0.1,)})
    plan = make_plan(Suite(name="tiny", title="tiny", experiments=(experiment,)))
    assert [(row.group.task, row.group.algorithm) for row in plan.rows] == [("two_lag", "truncated(k1=1, k2=2)")]


def test_numbers_of_a_grid_are_compared_as_numbers():
    assert keys(suite(learning_rates=[1])) == keys(suite(learning_rates="[1.0]"))
    assert keys(suite(clip_norms="[inf]")) == keys(suite())
    for field in ("learning_rates", "clip_norms"):
        with pytest.raises(BadInput, match="listed twice"):
            suite(**{field: "[1, 1.0]"})


def test_a_cost_suite_has_one_spelling_too(tmp_path):
    text = "algorithms = {}\ncells = ['rnn']\nlength = [2, 3]\nhidden_size = 2\nbatch_size = 2\n"

    def points(*algorithms):
        read = parse_cost_suite(text.format(list(algorithms)), "tiny", origin="tiny.toml")
        return list(CostRunner(read, tmp_path / "out", device="cpu").jobs)

    assert points("rtrl(update_every=1)") == points("rtrl")
    with pytest.raises(BadInput, match=r"'rtrl' and 'rtrl\(update_every=1\)' are one algorithm in two spellings"):
        points("rtrl", "rtrl(update_every=1)")


PLUGIN = '''
from throughtime.algorithms.full import Full


class Plain(Full):
    """Its parameters say nothing of their types."""

    def __init__(self, rate=1.0, names=("a",), inner=None):
        self.rate, self.names, self.inner = rate, names, inner
'''


class TestPlugin:
    @pytest.fixture(autouse=True)
    def _plain(self, tmp_path):
        (tmp_path / "plain.py").write_text(PLUGIN, encoding="utf-8")
        load_plugin(tmp_path / "plain.py")
        yield
        plugins.forget()

    @pytest.mark.parametrize(
        ("spec", "form"),
        [
            ("plain(rate=1)", "plain"),
            ("plain(inner=None, rate=2)", "plain(rate=2.0)"),
            ("plain(names=('a',))", "plain"),
            ("plain(names=['a'])", "plain(names=['a'])"),
            ("plain(rate=True)", "plain(rate=True)"),
            ("plain(rate=1e999)", "plain(rate=1e999)"),
            ("plain(inner={'b', 'a'})", "plain(inner={'a', 'b'})"),
            ("plain(inner=[-0.0, {1: (2,)}])", "plain(inner=[0.0, {1: (2,)}])"),
        ],
    )
    def test_values_that_nothing_is_said_of(self, spec, form):
        assert ALGORITHMS.canonical(spec) == form
        assert ALGORITHMS.canonical(form) == form
        made = make_algorithm(form)
        assert (made.rate, made.names, made.inner) == tuple(vars(make_algorithm(spec))[key] for key in vars(made))

    def test_infinity_can_be_read_back(self):
        assert parse_spec(f"plain(rate={literal(-math.inf)})") == ("plain", {"rate": -math.inf})

    def test_what_can_not_be_had_keeps_its_spelling(self):
        with pytest.raises(BadInput, match="no algorithm is called 'plan'"):
            suite(algorithms=["plan"])
