"""The examples in the docstrings run."""

import doctest
import importlib
import pkgutil

import pytest

PACKAGES = ["throughtime.networks", "throughtime.algorithms", "throughtime.forcings", "throughtime.tasks"]
MODULES = [
    f"{package}.{module.name}"
    for package in PACKAGES
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__)
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize("name", PACKAGES + MODULES)
def test_module_says_what_it_is(name):
    assert importlib.import_module(name).__doc__
