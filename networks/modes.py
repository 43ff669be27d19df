"""A module in evaluation or in training mode for a while: what drops units does so only while it learns."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """In this block the module and all modules in it are in evaluation mode; each then has its own mode back.

    >>> layer = nn.Dropout()
    >>> with evaluating(layer):
    ...     layer.training
    False
    >>> layer.training
    True
    """
    with _mode(module, training=False):
        yield


@contextmanager
def training(module: nn.Module) -> Iterator[None]:
    """The same with training mode."""
    with _mode(module, training=True):
        yield


@contextmanager
def _mode(module: nn.Module, *, training: bool) -> Iterator[None]:
    before = [(part, part.training) for part in module.modules()]
    module.train(training)
    for part, _ in before:
        # To a layer that drops nothing the mode is all one, but cuDNN walks back through it in training mode alone.
        if isinstance(part, nn.RNNBase) and not part.dropout:
            part.training = True
    try:
        yield
    finally:
        for part, was in before:
            part.training = was
