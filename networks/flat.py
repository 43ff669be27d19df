"""All parameters of a module as one vector, of which each is a view; and a second one for their gradients.

An optimizer then has one tensor to walk over, a norm is one operator, a kernel takes one argument, and cuDNN finds the
weights of a layer in the one piece of memory that it wants.
"""

import operator
from functools import cached_property
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor, nn


class Flat:
    """The vectors of a module's parameters, in the order of ``module.parameters()``.

    Args:
        parameters: views of `values`, one behind the other.
        values: (P,).
    """

    def __init__(self, parameters: list[nn.Parameter], values: Tensor) -> None:
        self.parameters, self.values = parameters, values
        self.gradients = torch.zeros_like(values)
        pieces = self.gradients.split([parameter.numel() for parameter in parameters])
        self._views = [piece.view(parameter.shape) for piece, parameter in zip(pieces, parameters, strict=True)]
        self._pointers = [parameter.data_ptr() for parameter in parameters]

    @cached_property
    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """The values and the gradients, on a CPU, as arrays over the same memory."""
        return self.values.numpy(), self.gradients.numpy()

    @property
    def holds(self) -> bool:
        """Whether the parameters still are views of the vector: whoever moves one to elsewhere takes it out."""
        return self._pointers == [parameter.data_ptr() for parameter in self.parameters]

    def rejoin(self) -> None:
        """Take parameters that were moved to elsewhere back into the vector, with the values that they have now."""
        pieces = self.values.split([parameter.numel() for parameter in self.parameters])
        with torch.no_grad():
            for parameter, piece in zip(self.parameters, pieces, strict=True):
                if parameter.data_ptr() != piece.data_ptr():
                    piece.copy_(parameter.detach().reshape(-1))
                    parameter.data = piece.view(parameter.shape)

    def show_gradients(self) -> None:
        """Make every ``p.grad`` a view of `gradients`."""
        for parameter, view in zip(self.parameters, self._views, strict=True):
            if parameter.grad is not view:
                parameter.grad = view

    def gather_gradients(self) -> Tensor:
        """`gradients`, (P,), with every ``p.grad`` in it: copied there, but for those that are views of it."""
        for parameter, view in zip(self.parameters, self._views, strict=True):
            if parameter.grad is not view:
                view.zero_() if parameter.grad is None else view.copy_(parameter.grad)
        return self.gradients


_KNOWN: "WeakKeyDictionary[nn.Module, Flat]" = WeakKeyDictionary()


def flatten(module: nn.Module) -> Flat:
    """Move the parameters of a module into one vector, where they aren't in one; their values stay.

    Raises:
        ValueError: they are of several types or devices, or there is none.
    """
    found = flat_of(module)
    if found is not None:
        return found
    parameters = list(module.parameters())
    if len({(parameter.dtype, parameter.device) for parameter in parameters}) != 1:
        raise ValueError(f"the parameters of {type(module).__name__} are not of one type on one device")
    with torch.no_grad():
        values = torch.cat([parameter.detach().reshape(-1) for parameter in parameters])
        pieces = values.split([parameter.numel() for parameter in parameters])
        for parameter, piece in zip(parameters, pieces, strict=True):
            parameter.data = piece.view(parameter.shape)
    return _remember(module, Flat(parameters, values))


def flat_of(module: nn.Module, parameters: list[nn.Parameter] | None = None) -> Flat | None:
    """The vectors of a module whose parameters are views of one; None where they aren't.

    Args:
        module: the module.
        parameters: all of its parameters in their order, by who has them at hand: to look for them takes long.
    """
    found = _KNOWN.get(module)
    parameters = list(module.parameters()) if parameters is None else parameters
    if found is not None and found.holds and _are(found.parameters, parameters):
        return found
    # A network around the same cell and readout, as a closed loop is, has them in one vector too.
    if not parameters:
        return None
    first, size = parameters[0], 0
    for parameter in parameters:
        follows = parameter.data_ptr() == first.data_ptr() + size * first.element_size()
        if not follows or parameter.dtype != first.dtype or not parameter.is_contiguous():
            return None
        size += parameter.numel()
    storage = first.detach().untyped_storage()
    if storage.nbytes() < (first.storage_offset() + size) * first.element_size():
        return None  # neighbours by chance
    return _remember(module, Flat(parameters, first.detach().as_strided((size,), (1,))))


def _are(known: list[nn.Parameter], found: list[nn.Parameter]) -> bool:
    """Whether they are the same; a cell may have been exchanged, or a parameter added."""
    return len(known) == len(found) and all(map(operator.is_, known, found))


def _remember(module: nn.Module, flat: Flat) -> Flat:
    _KNOWN[module] = flat
    return flat
