"""Which windows a compiled kernel may compute: the one place where that is decided.

A kernel knows the equations of a built-in cell, of a linear readout and of two losses, of real outputs that are fed
back, and of a cell in a loop with the pendulum. It knows nothing of what a subclass, a mask of weights, a hook or a
parametrization makes of them: with any of these, on a GPU, or without Numba, torch does the work.
"""

import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.modules.module import _has_any_global_hook
from torch.utils._python_dispatch import _get_current_dispatch_mode

from throughtime.networks import CELLS, ClosedLoop, Network
from throughtime.networks.flat import flat_of
from throughtime.tasks.base import Batch
from throughtime.tasks.losses import cross_entropy, squared_error
from throughtime.tasks.pendulum import Consequence, Loop, cost

if TYPE_CHECKING:
    from .calls import Kernels

CELLS_WITH_KERNELS = ("rnn", "gru", "lstm")
"""The built-in cells whose equations kernels know."""

CELLS_IN_A_LOOP = ("rnn", "gru")
"""Those that they know in a loop with the pendulum, too."""

_torch_alone = False


@contextmanager
def torch_alone() -> Iterator[None]:
    """In this block no compiled kernel is used: operators are counted, or the two forms compared."""
    global _torch_alone
    before, _torch_alone = _torch_alone, True
    try:
        yield
    finally:
        _torch_alone = before


def torch_is_alone() -> bool:
    """Whether `torch_alone` is in force."""
    return _torch_alone


def kernels_of(network: Network, batch: Batch, past: Tensor | None = None) -> "Kernels | None":
    """The kernels for a batch on a network, and the inputs before it; None where there are none."""
    if _torch_alone or not torch.is_grad_enabled():
        return None
    if torch.is_autocast_enabled("cpu") or torch.is_anomaly_enabled() or _get_current_dispatch_mode() is not None:
        return None
    inputs, cell, readout = batch.inputs, network.cell, network.readout
    usual = (
        type(batch) is Batch
        and inputs.device.type == "cpu"
        and inputs.dtype in (torch.float32, torch.float64)
        and not inputs.requires_grad
        and (past is None or past.dtype == inputs.dtype)
    )
    if not usual:
        return None
    name = _cell_name(type(cell))
    if name is None or cell._buffers:  # the mask of a sparse cell
        return None
    if type(network) is Loop:
        if name not in CELLS_IN_A_LOOP or not _usual_plant(network, batch):
            return None
        assert isinstance(readout, Consequence)
        name, readout = f"pendulum_{name}", readout.policy
    elif type(network) not in (Network, ClosedLoop) or not _usual_targets(batch, readout):
        return None
    elif type(network) is ClosedLoop and not network.symbolic and inputs.shape[2] == cell.input_size + 1:
        if network.readout.out_features > cell.input_size:
            return None
        name = f"loop_{name}"
    elif inputs.shape[2] != cell.input_size:
        return None
    if type(readout) is not nn.Linear:
        return None
    if network._parameters or len(network._modules) > 2 or cell._modules or readout._modules:
        return None
    # So these are all, in a tenth of the time that `network.parameters()` takes to look for more.
    every = (*cell._parameters.values(), *readout._parameters.values())
    parameters = [parameter for parameter in every if parameter is not None]
    if len(every) != 6 or len(parameters) != 6 or _changed((network, cell, readout), parameters):
        return None
    flat = flat_of(network, parameters)
    if flat is None or flat.values.dtype != inputs.dtype or not available():
        return None
    from .calls import Kernels

    return Kernels(name, flat, batch, past)


def available() -> bool:
    """Whether there are kernels at all on this machine."""
    return not missing()


@functools.cache
def missing() -> str:
    """Why there are no kernels, and what to do; empty where there are."""
    if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
        return "NUMBA_DISABLE_JIT is set; unset it"
    try:
        import numba  # noqa: F401
    except ImportError as error:  # also one that doesn't suit the NumPy beside it
        return f"Numba can't be imported ({error}); pip install -c constraints.txt numba"
    return ""


def _usual_plant(network: Loop, batch: Batch) -> bool:
    """Whether a loop is with the pendulum as its task has it, by one linear policy, and judged by its cost."""
    plant, inputs, targets = network.readout, batch.inputs, batch.targets
    if type(plant) is not Consequence or plant._parameters or len(plant._modules) > 1 or _changed((plant,), []):
        return False
    if network.cell.input_size != 2 or getattr(plant.policy, "out_features", None) != 1:
        return False
    return batch.loss is cost and targets.dtype == inputs.dtype and inputs.shape[2] == 3 and targets.shape[2:] == (3,)


def _usual_targets(batch: Batch, readout: nn.Module) -> bool:
    """Whether the targets are classes or the values of a linear readout, judged as usual."""
    targets = batch.targets
    if batch.loss is cross_entropy:
        return targets.dtype == torch.int64 and targets.dim() == 2
    return (
        batch.loss is squared_error
        and targets.dtype == batch.inputs.dtype
        and targets.dim() == 3
        and targets.shape[2] == getattr(readout, "out_features", None)
    )


@functools.cache
def _cell_name(kind: type) -> str | None:
    """The name of a built-in cell, not of a class derived from it."""
    return next((name for name in CELLS_WITH_KERNELS if CELLS.get(name) is kind), None)


_METHODS = {"check", "forward", "hidden", "linearize", "seen", "step", "unroll"}


def _changed(modules: tuple[nn.Module, ...], parameters: list[nn.Parameter]) -> bool:
    """Whether a kernel would not do: it knows nothing of hooks, of what is in place of a method or is not to learn."""
    if _has_any_global_hook():
        return True
    for module in modules:
        if module._forward_hooks or module._forward_pre_hooks or module._backward_hooks or module._backward_pre_hooks:
            return True
        if not _METHODS.isdisjoint(vars(module)):
            return True
    return any(
        not parameter.requires_grad or parameter._backward_hooks or parameter._post_accumulate_grad_hooks
        for parameter in parameters
    )
