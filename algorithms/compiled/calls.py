"""From torch to the kernels and back: tensors as arrays over the same memory, nothing copied."""

import numpy as np
import scipy.linalg.cython_blas  # noqa: F401 (loads the BLAS that is held to one thread below)
import torch
from threadpoolctl import ThreadpoolController
from torch import Tensor

from throughtime.networks import State
from throughtime.networks.flat import Flat
from throughtime.tasks.base import Batch

from . import windows

_ALL = np.empty((0, 0), bool)

_WINDOWS = {"rnn": windows.rnn_window, "gru": windows.gru_window, "lstm": windows.lstm_window}


class WindowKernel:
    """A window of one network, of which see `throughtime.algorithms.window.window_gradient`."""

    def __init__(self, cell: str, flat: Flat) -> None:
        self.window, self.flat = _WINDOWS[cell], flat
        self.theta, self.grad = flat.values.numpy(), flat.gradients.numpy()

    def __call__(
        self, inputs: Tensor, state: State, window: Batch, weights: Tensor | None = None
    ) -> tuple[Tensor, State]:
        after = tuple(part.detach().clone() for part in state)
        mask, steps = window.mask, window.length
        counted = _ALL if mask is None or window.total == mask.numel() else mask.contiguous().numpy()
        scale = np.full(steps, 1 / window.total) if weights is None else weights.double().numpy()
        loss = self.window(
            self.theta,
            self.grad,
            inputs.contiguous().numpy(),
            *(part.numpy() for part in after),
            window.targets.contiguous().numpy(),
            counted,
            scale,
        )
        self.flat.show_gradients()
        return torch.scalar_tensor(loss, dtype=inputs.dtype), after


def _hold_blas_to_one_thread() -> None:
    """The BLAS that Numba calls is SciPy's; beside a busy neighbour a second thread makes small products far slower."""
    libraries = ThreadpoolController().lib_controllers
    blas = [library for library in libraries if library.user_api == "blas"]
    of_scipy = [library for library in blas if "scipy.libs" in library.filepath]
    for library in of_scipy or blas:
        library.set_num_threads(1)


_hold_blas_to_one_thread()
