"""A series whose values can't be used as they are is refused in words that say what to set."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from throughtime.parts import BadInput
from throughtime.tasks.series import Series, Split

N = 40


class Waves(Series):
    """A plugin's series: two columns, and what is wrong with it as a parameter."""

    input_size = output_size = 2
    warmup = 3
    bad: float = float("nan")
    places: tuple[tuple[int, int], ...] = ()

    def __init__(self, length=2, horizon=2):
        super().__init__(Split(30, range(30, 34), range(34, N)), length=length, horizon=horizon, stream=False)

    def values(self):
        steps = torch.arange(N, dtype=torch.float64)
        values = torch.stack([steps.sin(), steps.cos()], dim=1)
        for row, column in self.places:
            values[row, column] = self.bad
        return values

    def references(self):
        return [self.mean_value()]


class WithGaps(Waves):
    gaps = True
    input_size = 3


def data_of(cls, **attributes):
    return type("Given", (cls,), attributes)().data


def message(cls, **attributes):
    with pytest.raises(BadInput) as caught:
        data_of(cls, **attributes)
    return str(caught.value)


@given(st.sets(st.tuples(st.integers(0, N - 1), st.integers(0, 1)), min_size=1, max_size=6))
def test_missing_values_without_gaps_say_what_to_set(places):
    rows = {row for row, _ in places}
    said = message(Waves, places=tuple(places))
    assert f"Given: {len(rows)} of {N} values are missing (NaN), the first at position {min(rows)}" in said
    assert "set gaps = True and add 1 to input_size" in said


@given(st.sets(st.tuples(st.integers(0, N - 1), st.integers(0, 1)), min_size=1, max_size=2))
def test_with_gaps_they_are_no_targets(places):
    rows = {row for row, _ in places}
    data = data_of(WithGaps, places=tuple(places))
    assert set((~data.present).nonzero()[:, 0].tolist()) == rows
    assert bool(data.inputs.isfinite().all())


USES = {
    "data": lambda task: task.data,
    "sample": lambda task: task.sample(2, generator=torch.Generator().manual_seed(0)),
    "validation": lambda task: task.validation(),
    "test": lambda task: task.test(),
    "references": lambda task: task.references(),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES.keys())
def test_every_use_of_the_series_says_so(use):
    task = type("Given", (Waves,), {"places": ((3, 0),)})()
    with pytest.raises(BadInput, match="the first at position 3"):
        use(task)


@pytest.mark.parametrize("bad", [float("inf"), -float("inf")])
@pytest.mark.parametrize("cls", [Waves, WithGaps])
def test_infinite_values_are_named(cls, bad):
    assert "values() has an infinite number at position 5" in message(cls, bad=bad, places=((5, 1),))


def test_infinite_features_are_named():
    def external(self):
        features = torch.zeros(N, 1, dtype=torch.float64)
        features[7] = torch.inf
        return features

    assert "external() has an infinite number at position 7" in message(Waves, external=external, input_size=3)


def test_a_column_without_any_spread_is_named():
    values = lambda self: torch.ones(N, 2, dtype=torch.float64)  # noqa: E731
    assert "the first 30 values of column 0, those to learn from, are all the same" in message(Waves, values=values)


def test_a_column_without_any_value_to_learn_from_is_named():
    places = tuple((row, 1) for row in range(30))
    assert "values of column 1, those to learn from, are all missing" in message(WithGaps, places=places)


def test_a_flag_that_input_size_does_not_count_is_named():
    said = message(Waves, gaps=True)
    assert "has gaps=True and input_size=2, and its inputs are 3 numbers a step" in said


def test_values_without_columns_are_named():
    values = lambda self: torch.arange(N, dtype=torch.float64)  # noqa: E731
    assert "values() gives (N, o)" in message(Waves, values=values)
    assert "a single column is values[:, None]" in message(Waves, values=values)


def test_a_split_beyond_the_series_is_named():
    class Long(Waves):
        def __init__(self):
            Series.__init__(self, Split(30, range(30, 34), range(34, N + 1)), length=2, horizon=2, stream=False)

    with pytest.raises(BadInput, match=f"the test part ends at {N + 1}, and there are {N} values"):
        Long().data  # noqa: B018
