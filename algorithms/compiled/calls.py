"""From torch to the kernels and back: tensors as arrays over the same memory, nothing copied."""

import functools

import numpy as np
import scipy.linalg.cython_blas  # noqa: F401 (loads the BLAS that is held to one thread below)
import torch
from threadpoolctl import ThreadpoolController
from torch import Tensor

from throughtime.networks import State
from throughtime.networks.compiled.cache import compiling, name_of
from throughtime.networks.flat import Flat
from throughtime.tasks.base import Batch

from . import closed_loop, closed_loop_rtrl, kf_rtrl, pendulum, pendulum_rtrl, rtrl, states, traces, uoro, windows

_ALL = np.empty((0, 0), bool)
"""The mask of a window of which every target counts."""

_NO_CLASSES = np.empty((0, 0), np.int64)

_NOTHING = np.empty(0)
"""The weights of no step."""

# A kernel for each cell and not one that takes the cell: Numba keeps no code of a function that is given another.
_KERNELS = {
    "window": {
        "rnn": windows.rnn_window,
        "gru": windows.gru_window,
        "lstm": windows.lstm_window,
        "loop_rnn": closed_loop.rnn_window,
        "loop_gru": closed_loop.gru_window,
        "loop_lstm": closed_loop.lstm_window,
        "pendulum_rnn": pendulum.rnn_window,
        "pendulum_gru": pendulum.gru_window,
    },
    "states": {
        "rnn": states.rnn_states,
        "gru": states.gru_states,
        "lstm": states.lstm_states,
        "loop_rnn": closed_loop.rnn_states,
        "loop_gru": closed_loop.gru_states,
        "loop_lstm": closed_loop.lstm_states,
        "pendulum_rnn": pendulum.rnn_states,
        "pendulum_gru": pendulum.gru_states,
    },
    "rtrl": {
        "rnn": rtrl.rnn_step,
        "gru": rtrl.gru_step,
        "lstm": rtrl.lstm_step,
        "loop_rnn": closed_loop_rtrl.rnn_step,
        "loop_gru": closed_loop_rtrl.gru_step,
        "loop_lstm": closed_loop_rtrl.lstm_step,
        "pendulum_rnn": pendulum_rtrl.rnn_step,
        "pendulum_gru": pendulum_rtrl.gru_step,
    },
    "kf_rtrl": {"rnn": kf_rtrl.rnn_step, "gru": kf_rtrl.gru_step, "lstm": kf_rtrl.lstm_step},
    "traces": {"rnn": traces.rnn_step, "gru": traces.gru_step, "lstm": traces.lstm_step},
    "uoro": {"rnn": uoro.rnn_step, "gru": uoro.gru_step, "lstm": uoro.lstm_step},
}

_NO_FEEDBACK = {kind: np.empty((0, 0), name) for kind, name in ((torch.float32, "f4"), (torch.float64, "f8"))}
"""Slopes go back by the readout's weights."""

_LOADED: set[tuple[str, str, torch.dtype]] = set()


class Kernels:
    """What can be done at once on a usual network and a batch of usual sequences.

    Args:
        cell: ``"rnn"``, ``"gru"`` or ``"lstm"``; ``"loop_rnn"`` and so on where the output is fed back;
            ``"pendulum_rnn"`` or ``"pendulum_gru"`` in a loop with that plant.
        flat: the network's vectors; every gradient is left in ``flat.gradients``, and shown as ``p.grad``.
        batch: the sequences. Steps are counted from its first.
        past: (H, B, m), the inputs before it.
    """

    def __init__(self, cell: str, flat: Flat, batch: Batch, past: Tensor | None = None) -> None:
        self.cell, self.flat, self.batch = cell, flat, batch
        self.theta, self.grad = flat.arrays
        self.inputs, targets = batch.inputs.contiguous().numpy(), batch.targets.contiguous().numpy()
        real = targets.ndim == 3
        self.values = targets if real else np.empty((0, 0, 0), self.inputs.dtype)
        self.classes = _NO_CLASSES if real else targets
        whole = batch.mask is None or batch.total == batch.mask.numel()
        self.mask = None if whole or batch.mask is None else batch.mask.contiguous().numpy()
        self.past = None if past is None or not len(past) else past.contiguous().numpy()
        self.total, self.kind = batch.total, batch.inputs.dtype

    def know(self, kind: str) -> bool:
        """Whether there is a kernel of this kind for the cell: of a loop's there are fewer."""
        return self.cell in _KERNELS.get(kind, ())

    def window(
        self, state: State, first: int, start: int, stop: int, weights: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """The gradient of a window: see `throughtime.algorithms.window`."""
        scale = self._mean(start, stop) if weights is None else weights.double().numpy()
        after, parts = _copied(state)
        nothing = np.empty((0, *parts[0].shape), parts[0].dtype)
        loss = self._call("window", self._inputs(first, stop), *parts, nothing, *self._judged(start, stop), scale)
        self.flat.show_gradients()
        return self._scalar(loss), after

    def segment(
        self, state: State, first: int, start: int, stop: int, targets: int, arriving: State, add: bool
    ) -> tuple[Tensor, State, State]:
        """The gradient of a part of a longer window, likewise."""
        after, parts = _copied(state)
        credit, scale, kept = torch.stack(arriving), _scale(stop - start, targets), self.grad
        if add:
            self.flat.gather_gradients()
            self.grad = np.empty_like(kept)
        judged = self._judged(start, stop)
        loss = self._call("window", self._inputs(first, stop), *parts, credit.numpy(), *judged, scale)
        if add:
            kept += self.grad
            self.grad = kept
        self.flat.show_gradients()
        return self._scalar(loss), after, tuple(credit.unbind())

    def readout(self, state: State, start: int, stop: int) -> tuple[Tensor, State]:
        """The mean loss over some steps' targets, its gradient by the readout alone, and the state after the steps."""
        after, parts = _copied(state)
        judged, scale = self._judged(start, stop), self._mean(start, stop)
        loss = self._call("states", self.inputs[start:stop], *parts, *judged, scale)
        if len(scale):
            self.flat.show_gradients()
        return self._scalar(loss), after

    def carried_on(self, state: State, first: int, stop: int) -> State:
        """The state before step `stop`, from that before step `first`, without gradient."""
        after, parts = _copied(state)
        self._call("states", self._inputs(first, stop), *parts, *self._judged(0, 0), _NOTHING)
        return after

    def rtrl(self, t: int, old: Tensor, new: Tensor, matrix: Tensor, targets: int) -> float:
        """Step t of real-time recurrent learning: its part of the mean loss over so many targets.

        The state goes from old to new, (S, B, n); the influence (B, S n, P) is changed in place; to the vector of
        gradients the part's is added.
        """
        states = (old.numpy(), new.numpy(), matrix.numpy().transpose(0, 2, 1))
        scale = _scale(1, targets) if self.batch.counts[t] else _NOTHING
        return self._call("rtrl", self.inputs[t], *states, *self._judged(t, t + 1), scale)

    def uoro(self, t: int, old: Tensor, new: Tensor, signs: Tensor, s: Tensor, theta: Tensor) -> Tensor:
        """Step t of unbiased online recurrent optimization: its loss.

        The state goes from old to new, (S, B, n); s (S, B, n) and theta (B, P) are changed in place.
        """
        pair = (old.numpy(), new.numpy(), signs.numpy(), s.numpy(), theta.numpy())
        scale = self._mean(t, t + 1)
        loss = self._call("uoro", self.inputs[t], *pair, *self._judged(t, t + 1), scale)
        if len(scale):
            self.flat.show_gradients()
        return self._scalar(loss)

    def traces(
        self, t: int, old: Tensor, new: Tensor, traces: Tensor, own_weight: bool, feedback: Tensor | None, targets: int
    ) -> float:
        """Step t of the local rules: its part of the mean loss over so many targets.

        The state goes from old to new, (S, B, n); the traces (B, S, G, n, m + n + 1) are changed in place; to the
        vector of gradients the part's is added.
        """
        back = _NO_FEEDBACK[self.kind] if feedback is None else feedback.numpy()
        scale = _scale(1, targets) if self.batch.counts[t] else _NOTHING
        arrays = (old.numpy(), new.numpy(), traces.numpy(), own_weight, back)
        return self._call("traces", self.inputs[t], *arrays, *self._judged(t, t + 1), scale)

    def kf_rtrl(
        self, t: int, old: Tensor, new: Tensor, signs: Tensor, features: Tensor, factors: Tensor, targets: int
    ) -> float:
        """Step t of KF-RTRL: its part of the mean loss over so many targets.

        The state goes from old to new, (S, B, n); of the product, features (B, m + n + 1) and factors (B, S n, G n) are
        changed in place, by the signs (B,); to the vector of gradients the part's is added.
        """
        scale = _scale(1, targets) if self.batch.counts[t] else _NOTHING
        arrays = (old.numpy(), new.numpy(), signs.numpy(), features.numpy(), factors.numpy())
        return self._call("kf_rtrl", self.inputs[t], *arrays, *self._judged(t, t + 1), scale)

    def begin(self) -> None:
        """A gradient of zero, to be added to."""
        self.flat.gradients.zero_()
        self.flat.show_gradients()

    def _call(self, kind: str, *arguments: np.ndarray | bool) -> float:
        """The loss that a kernel returns; this process's first call loads it, or compiles it."""
        kernel, use = _KERNELS[kind][self.cell], (kind, self.cell, self.kind)
        if use in _LOADED:
            return kernel(self.theta, self.grad, *arguments)  # type: ignore[no-any-return]
        with compiling(name_of(*use)):
            loss: float = kernel(self.theta, self.grad, *arguments)
        _LOADED.add(use)
        return loss

    def _inputs(self, first: int, stop: int) -> np.ndarray:
        if first >= 0:
            return self.inputs[first:stop]
        assert self.past is not None
        past = self.past[len(self.past) + first : len(self.past) + min(stop, 0)]
        return np.concatenate([past, self.inputs[: max(stop, 0)]])

    def _judged(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Some steps' targets, as values or as classes, and mask."""
        mask = _ALL if self.mask is None else self.mask[start:stop]
        return self.values[start:stop], self.classes[start:stop], mask

    def _mean(self, start: int, stop: int) -> np.ndarray:
        """The weights that make a sum of the steps' losses the mean over their targets."""
        return _scale(stop - start, sum(self.batch.counts[start:stop]))

    def _scalar(self, loss: float) -> Tensor:
        """A loss as a tensor of the network's precision."""
        return torch.from_numpy(np.array(loss, self.inputs.dtype))


@functools.lru_cache(maxsize=1024)
def _scale(steps: int, targets: int) -> np.ndarray:
    """The weights that make a sum of so many steps' losses the mean over so many targets; none where there are none."""
    return np.full(steps, 1 / targets) if targets else _NOTHING


def _copied(state: State) -> tuple[State, list[np.ndarray]]:
    """A state's parts, in memory of their own, as tensors and as arrays."""
    parts = [(part.detach() if part.requires_grad else part).numpy().copy() for part in state]
    return tuple(map(torch.from_numpy, parts)), parts


def _hold_blas_to_one_thread() -> None:
    """The BLAS that Numba calls is SciPy's; beside a busy neighbour a second thread makes small products far slower."""
    libraries = ThreadpoolController().lib_controllers
    blas = [library for library in libraries if library.user_api == "blas"]
    of_scipy = [library for library in blas if "scipy.libs" in library.filepath]
    for library in of_scipy or blas:
        library.set_num_threads(1)


_hold_blas_to_one_thread()
