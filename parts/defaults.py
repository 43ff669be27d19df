"""Torch's global settings as a fresh process has them: data must not depend on what a caller has set.

``torch.rand`` without a dtype draws other numbers under another default dtype, and on another default device; what is
kept from a block of ``torch.inference_mode`` can't be trained on. So all that makes data or parameters runs here.
"""

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch


@contextmanager
def fresh_defaults() -> Iterator[None]:
    """In this block the default dtype is float32 and the default device the CPU, and gradients are recorded.

    >>> with torch.device("meta"), fresh_defaults():
    ...     torch.zeros(1).device.type
    'cpu'
    """
    with ExitStack() as settings:
        # Put back only what is changed here: what the block itself leaves behind is the block's own fault to be found.
        if (dtype := torch.get_default_dtype()) != torch.float32:
            torch.set_default_dtype(torch.float32)
            settings.callback(torch.set_default_dtype, dtype)
        if torch.get_default_device().type != "cpu":  # a device's context makes every torch function slower
            settings.enter_context(torch.device("cpu"))
        if torch.is_inference_mode_enabled():
            settings.enter_context(torch.inference_mode(False))
        if not torch.is_grad_enabled():
            settings.enter_context(torch.enable_grad())
        yield


def run_with_fresh_defaults(cls: type, *methods: str) -> None:
    """Let the named methods run with `fresh_defaults`, as far as a class defines them itself.

    One that returns an iterator is given them at every item too.
    """
    for name in methods:
        method = vars(cls).get(name)
        if inspect.isfunction(method):
            setattr(cls, name, _with_fresh_defaults(method))


def _with_fresh_defaults(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def run(*args: Any, **kwargs: Any) -> Any:
        with fresh_defaults():
            result = method(*args, **kwargs)
        return _pulled(result) if isinstance(result, Iterator) else result

    return run


def _pulled(items: Iterator[Any]) -> Iterator[Any]:
    while True:
        with fresh_defaults():
            try:
                item = next(items)
            except StopIteration:
                return
        yield item
