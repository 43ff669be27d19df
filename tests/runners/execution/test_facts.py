"""What a manifest keeps of a task, and when it is asked anew."""

from throughtime.runners.execution.facts import facts_of
from throughtime.runners.execution.plan import make_plan
from throughtime.runners.suite.suite import parse_suite
from throughtime.tasks import make_task

SUITE = """
title = "One task"
tasks = ["sunspots"]
algorithms = ["full"]
learning_rates = [0.01]
budget = { steps = 32 }
"""


def plan():
    return make_plan(parse_suite(SUITE, "one", origin="one.toml"), device="cpu")


def test_the_size_of_the_test_data_is_kept():
    facts, test = facts_of(plan(), {})["sunspots"], make_task("sunspots").test()
    assert (facts.test_sequences, facts.test_targets) == (test.size, test.total) == (1, 35)


def test_facts_that_lack_it_are_made_anew_and_others_are_kept():
    whole = facts_of(plan(), {})["sunspots"]
    old = whole.model_copy(update={"test_sequences": 0, "test_targets": 0})
    assert facts_of(plan(), {"sunspots": old})["sunspots"] == whole
    known = whole.model_copy(update={"horizon": 77})
    assert facts_of(plan(), {"sunspots": known})["sunspots"] is known
