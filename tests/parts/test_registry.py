"""Specs are read and written, names are found, mistakes are told."""

import keyword
import sys
import types

import pytest
from hypothesis import given
from hypothesis import strategies as st

from throughtime.networks import CELLS, Cell
from throughtime.parts import BadInput, Registry
from throughtime.parts.registry import check_parameters, parameters_of
from throughtime.parts.specs import format_spec, nearest, parse_spec, snake_case

identifiers = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True).filter(lambda word: not keyword.iskeyword(word))
values = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()


@given(name=identifiers, parameters=st.dictionaries(identifiers, values, max_size=4))
def test_spec_survives_writing_and_reading(name, parameters):
    assert parse_spec(format_spec(name, parameters)) == (name, parameters)


@given(name=identifiers, parameters=st.dictionaries(identifiers, st.lists(values, max_size=3), max_size=2))
def test_spec_with_lists_survives(name, parameters):
    assert parse_spec(format_spec(name, parameters)) == (name, parameters)


@given(spec=st.text(max_size=30))
def test_any_text_is_a_spec_or_bad_input(spec):
    try:
        name, parameters = parse_spec(spec)
    except BadInput:
        return
    assert name.isidentifier()
    assert isinstance(parameters, dict)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("full", ("full", {})),
        ("full()", ("full", {})),
        ("  full  ", ("full", {})),
        ("truncated(k1=5,k2=20)", ("truncated", {"k1": 5, "k2": 20})),
        ("online(depth=None)", ("online", {"depth": None})),
        ("a(x=-1.5e-3, y='text', z=True)", ("a", {"x": -1.5e-3, "y": "text", "z": True})),
    ],
)
def test_parse_spec(spec, expected):
    assert parse_spec(spec) == expected


def test_parse_spec_keeps_the_types():
    _, parameters = parse_spec("a(x=1, y=1.0, z=True)")
    assert [type(value) for value in parameters.values()] == [int, float, bool]


def test_format_spec_without_parameters_is_the_name():
    assert format_spec("full", {}) == "full"


@pytest.mark.parametrize("given", ["rtlr", "RTRL", "rtr", "rtrl "])
def test_nearest_finds_the_word_meant(given):
    assert nearest(given, ["full", "rtrl"]) == "did you mean 'rtrl'? There is: full, rtrl"


def test_nearest_guesses_nothing_where_nothing_is_near():
    assert nearest("xyz", ["full", "rtrl"]) == "There is: full, rtrl"


def test_nearest_of_nothing():
    assert nearest("xyz", []) == "There is: none"


def test_nearest_takes_any_iterable():
    assert nearest("ful", iter(["full", "rtrl"])) == "did you mean 'full'? There is: full, rtrl"


@pytest.mark.parametrize(
    ("class_name", "expected"),
    [
        ("Full", "full"),
        ("TwoLag", "two_lag"),
        ("ReadoutOnly", "readout_only"),
        ("RTRL", "rtrl"),
        ("KFRTRL", "kfrtrl"),
        ("SnAp", "sn_ap"),
        ("RTRLSparse", "rtrl_sparse"),
        ("SnAp1", "sn_ap1"),
        ("Top5Words", "top5_words"),
    ],
)
def test_snake_case(class_name, expected):
    assert snake_case(class_name) == expected


class Example:
    def __init__(self, size: int, rate: float = 0.1, depth: int | None = None, name: str = "x") -> None:
        self.given = (size, rate, depth, name)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "thing needs a value for 'size'; its parameters: size, rate, depth, name"),
        (
            {"size": 1, "raet": 2},
            "thing has no parameter 'raet'; did you mean 'rate'? There is: size, rate, depth, name",
        ),
        ({"size": "1"}, "thing: size='1' is not allowed: input should be a valid integer"),
        ({"size": True}, "thing: size=True is not allowed: input should be a valid integer"),
        ({"size": 1, "depth": 1.5}, "thing: depth=1.5 is not allowed: input should be a valid integer"),
        ({"size": 1, "name": 3}, "thing: name=3 is not allowed: input should be a valid string"),
        ({"size": 1, "rate": "0.1"}, "thing: rate='0.1' is not allowed: input should be a valid number"),
    ],
    ids=["missing", "unknown", "text", "truth", "fraction", "number", "text-rate"],
)
def test_wrong_parameters_are_named(given, message):
    with pytest.raises(BadInput) as caught:
        check_parameters("thing", parameters_of(Example), given)
    assert str(caught.value) == message


def test_defaults_are_left_to_the_constructor():
    assert check_parameters("thing", parameters_of(Example), {"size": 3}) == {"size": 3}


def test_whole_number_serves_as_a_rate():
    assert check_parameters("thing", parameters_of(Example), {"size": 3, "rate": 1}) == {"size": 3, "rate": 1.0}


@pytest.fixture
def package(monkeypatch):
    """An importable package with one module, `two_lag`, whose class is TwoLag."""
    package, module = types.ModuleType("shelf"), types.ModuleType("shelf.two_lag")
    package.__path__ = []
    module.TwoLag = type("TwoLag", (Example,), {"__module__": "shelf.two_lag"})
    module.Borrowed = type("TwoLag", (Example,), {"__module__": "elsewhere"})
    monkeypatch.setitem(sys.modules, "shelf", package)
    monkeypatch.setitem(sys.modules, "shelf.two_lag", module)
    return module


def test_registry_finds_the_class_named_like_its_file(package):
    assert Registry("thing", Example, "shelf").get("two_lag") is package.TwoLag


def test_registry_passes_over_classes_of_another_kind(package):
    with pytest.raises(BadInput, match="no thing is called 'two_lag'"):
        Registry("thing", Cell, "shelf").get("two_lag")


def test_registry_passes_over_classes_of_another_name(package):
    package.TwoLag.__name__ = "Different"
    with pytest.raises(BadInput, match="no thing is called 'two_lag'"):
        Registry("thing", Example, "shelf").get("two_lag")


def test_registry_builds_from_a_spec(package):
    assert Registry("thing", Example, "shelf").make("two_lag(size=2)", name="y").given == (2, 0.1, None, "y")


def test_constructors_complaint_names_the_spec(package):
    def refuse(self, size: int) -> None:
        raise ValueError("size must be even")

    package.TwoLag.__init__ = refuse
    with pytest.raises(BadInput, match=r"^thing 'two_lag\(size=3\)': size must be even$"):
        Registry("thing", Example, "shelf").make("two_lag(size=3)")


def test_missing_package_inside_a_part_is_not_hidden(tmp_path, monkeypatch):
    (tmp_path / "shelf2").mkdir()
    (tmp_path / "shelf2" / "__init__.py").touch()
    (tmp_path / "shelf2" / "broken.py").write_text("import package_that_is_not_there")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="package_that_is_not_there"):
        Registry("thing", Example, "shelf2").get("broken")


def test_cells_are_listed_in_order():
    assert CELLS.names() == sorted(CELLS.names())
