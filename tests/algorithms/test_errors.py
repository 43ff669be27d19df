"""A wrong name or parameter is told in words that help."""

import pytest

from throughtime.algorithms import make_algorithm
from throughtime.parts import BadInput

MISTAKES = {
    "k2 < k1": ("truncated(k1=5, k2=3)", "k2 must be at least k1, so that every loss is seen; got k1=5, k2=3"),
    "k1 < 1": ("truncated(k1=0, k2=3)", "k1 must be at least 1, got 0"),
    "negative k1": ("truncated(k1=-2, k2=3)", "k1 must be at least 1, got -2"),
    "depth 0": ("online(depth=0)", "depth must be at least 1, or None for the sequence's start; got 0"),
    "length 0": ("stochastic(length=0)", "length must be at least 1, got 0"),
    "draws 0": ("stochastic(length=3, draws=0)", "draws must be at least 1, got 0"),
    "negative burn_in": ("stochastic(length=3, burn_in=-1)", "burn_in must be at least 0, got -1"),
    "rtrl every 0": ("rtrl(update_every=0)", "update_every must be at least 1, or None for the sequence's end; got 0"),
    "readout every 0": (
        "readout_only(update_every=0)",
        "update_every must be at least 1, or None for the sequence's end; got 0",
    ),
    "name with a typo": ("rtlr", "no algorithm is called 'rtlr'; did you mean 'rtrl'? There is: "),
    "name in capitals": ("RTRL", "no algorithm is called 'RTRL'; did you mean 'rtrl'?"),
    "name of nothing": ("zzzzzz", "no algorithm is called 'zzzzzz'; There is: "),
    "name of a helper": ("stepwise", "no algorithm is called 'stepwise'; "),
    "name of the contract": ("base", "no algorithm is called 'base'; "),
    "parameter with a typo": (
        "truncated(k1=5, k3=20)",
        "algorithm 'truncated' has no parameter 'k3'; did you mean 'k",
    ),
    "parameter of none": ("full(k1=5)", "algorithm 'full' has no parameter 'k1'; There is: none"),
    "text for a number": ("truncated(k1='five', k2=9)", "algorithm 'truncated': k1='five' is not allowed: "),
    "word for a number": ("truncated(k1=five, k2=9)", "k1=five is not a number, True, False, None or a quoted text"),
    "fraction": ("truncated(k1=2.5, k2=9)", "k1=2.5 is not allowed: input should be a valid integer"),
    "whole fraction": ("truncated(k1=2.0, k2=9)", "k1=2.0 is not allowed: input should be a valid integer"),
    "truth for a number": ("truncated(k1=True, k2=9)", "k1=True is not allowed: input should be a valid integer"),
    "none for a number": ("truncated(k1=None, k2=9)", "k1=None is not allowed: input should be a valid integer"),
    "text for an optional number": ("online(depth='5')", "algorithm 'online': depth='5' is not allowed: "),
    "missing parameter": ("truncated(k1=5)", "algorithm 'truncated' needs a value for 'k2'; its parameters: k1, k2"),
    "missing value": ("truncated(k1=)", "'truncated(k1=)' can't be read; write a name, or a name with parameters: "),
    "missing bracket": ("truncated(k1=5", "'truncated(k1=5' can't be read; "),
    "positional": ("truncated(5, 20)", "'truncated(5, 20)' has a value without a name; "),
    "empty": ("", "'' can't be read; "),
    "star": ("truncated(**{'k1': 5})", "can't be read; "),
    "call of a call": ("__import__('os').system('x')", "can't be read; "),
    "import": ("__import__('os')", "has a value without a name; "),
    "call as a value": ("online(depth=__import__('os'))", "depth=__import__('os') is not a number"),
    "dotted": ("throughtime.algorithms.full", "can't be read; "),
    "number": ("5", "'5' can't be read; "),
}


@pytest.mark.parametrize(("spec", "message"), MISTAKES.values(), ids=MISTAKES.keys())
def test_mistake_is_named(spec, message):
    with pytest.raises(BadInput) as caught:
        make_algorithm(spec)
    assert message in str(caught.value)


def test_wrong_name_lists_all_names():
    with pytest.raises(
        BadInput, match=r"There is: .*full, .*online, .*readout_only, .*rtrl, .*stochastic, .*truncated"
    ):
        make_algorithm("zzzzzz")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"k1": 5}, "needs a value for 'k2'"),
        ({"k1": 5, "k2": "20"}, "k2='20' is not allowed"),
        ({"k1": 5, "k2": 20, "k_2": 1}, "has no parameter 'k_2'; did you mean 'k2'"),
        ({"k1": 5, "k2": 3}, "k2 must be at least k1"),
    ],
    ids=["missing", "mistyped", "unknown", "too-small"],
)
def test_mistake_in_keywords_is_named(parameters, message):
    with pytest.raises(BadInput) as caught:
        make_algorithm("truncated", **parameters)
    assert message in str(caught.value)


def test_keyword_goes_before_the_spec():
    assert make_algorithm("truncated(k1=2, k2=8)", k2=4).exact_up_to == 4


def test_spec_and_keywords_build_the_same():
    written, given = make_algorithm("truncated(k1=2, k2=8)"), make_algorithm("truncated", k1=2, k2=8)
    assert vars(written) == vars(given)


# Each of these once left `make_algorithm` as another error than BadInput, or was taken silently.
@pytest.mark.parametrize(
    "spec",
    ["truncated(k1=1, k1=2, k2=3)", "online(depth={[]: 1})", "online(depth=-'a')", "full\0", "(" * 500 + "full"],
    ids=["given-twice", "unhashable-key", "minus-text", "null-byte", "too-deep"],
)
def test_strange_spec_is_bad_input(spec):
    with pytest.raises(BadInput):
        make_algorithm(spec)
