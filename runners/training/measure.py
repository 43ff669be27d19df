"""Measuring: clocks that stop for evaluation, exact counts of one update's work and memory, a gradient's quality.

Nothing here knows of files, configs or screens.
"""

import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from throughtime.algorithms import Algorithm
from throughtime.algorithms.compiled.choose import torch_alone
from throughtime.networks import Network
from throughtime.tasks import Batch

MEMORY_DRAWS = 8
"""An algorithm's own draws over which its memory is measured, where it is random."""


class Clock:
    """Wall and CPU seconds of the stretches run under `running`, with the device synchronised at both ends."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.wall = 0.0
        self.cpu = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count the time of the block."""
        self._synchronise()
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            self._synchronise()
            self.wall += time.perf_counter() - wall
            self.cpu += time.process_time() - cpu

    def _synchronise(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


@dataclass(frozen=True)
class Counts:
    """What the updates of one batch take, without the optimizer: exact and the same at every call on a CPU.

    Attributes:
        peak_bytes: the most that was alive at once beyond what existed before: the allocator's figure on a GPU, the
            live storages seen by the dispatcher on a CPU.
        flops: floating-point operations of all matrix products, by torch's formulas (`torch.utils.flop_counter`).
        ops: operators dispatched.
        mean_peak_bytes: the mean of `peak_bytes` over several draws, and that is the most of them, where an algorithm's
            memory is random; None elsewhere.
    """

    peak_bytes: int
    flops: int
    ops: int
    mean_peak_bytes: int | None = None


class _Counter(TorchDispatchMode):
    """Counts operators, their FLOPs, and the bytes of the storages that they create and that are still alive."""

    def __init__(self, known: list[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.ops = self.flops = self.live = self.peak = 0
        self._seen = {_key(tensor) for tensor in known}

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Spare the import of torch's compiler, as long as torch's own, only for it to leave this class alone."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.ops += 1
        for tensor in _tensors(
            (args, kwargs)
        ):  # made before the mode was entered, or by a kernel that it can't see into
            if _key(tensor) not in self._seen:
                self._watch(tensor)
        result = func(*args, **(kwargs or {}))
        self.flops += _flops(func, args, kwargs or {}, result)
        for tensor in _tensors(result):
            if _key(tensor) not in self._seen:
                self._watch(tensor)
        self.peak = max(self.peak, self.live + _scratch_bytes(func, args, result))
        return result

    def _watch(self, tensor: Tensor) -> None:
        storage, key = tensor.untyped_storage(), _key(tensor)
        size = storage.nbytes()
        self._seen.add(key)
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._forget, key, size).atexit = False

    def _forget(self, key: int, size: int) -> None:
        self._seen.discard(key)
        self.live -= size


def _flops(func: Any, args: Any, kwargs: Any, result: Any) -> int:
    """Of one operator: torch's formula, also for the in-place form of a product."""
    formula = flop_registry.get(getattr(torch.ops.aten, func.overloadpacket.__name__.rstrip("_"), None))
    return 0 if formula is None else int(formula(*args, **kwargs, out_val=result))


_BLOCK = 60
"""Rows and columns of the scratch square by which torch copies a transposed matrix on a CPU, if it has as many numbers
(`copy_same_type_transpose_` of ATen).
"""


def _scratch_bytes(func: Any, args: Any, result: Any) -> int:
    """What one operator has on a CPU while it works, of those that learning calls."""
    if func is torch.ops.aten.clone.default:
        source = args[0]
    elif func is torch.ops.aten.copy_.default:
        source = args[1]
    else:
        return 0
    laid_out = source.dim() == 2 and source.stride() == (1, len(source)) and result.is_contiguous()
    if laid_out and result.numel() >= _BLOCK**2 and result.dtype == source.dtype and result.device.type == "cpu":
        return _BLOCK**2 * int(result.element_size())
    return 0


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def _key(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def count_updates(algorithm: Algorithm, network: Network, batch: Batch, *, seed: int = 0) -> Counts:
    """The counts of all updates of one batch; parameters and ``p.grad`` are left as they were.

    Where the algorithm's memory is random, `MEMORY_DRAWS` seeds are taken, this one and those after it: the most bytes
    and their mean, and the first seed's operations.
    """
    before = [parameter.grad for parameter in network.parameters()]
    known = [*network.parameters(), batch.inputs, batch.targets, *([] if batch.mask is None else [batch.mask])]
    device = batch.inputs.device

    def drain(seed: int) -> None:
        for parameter in network.parameters():
            parameter.grad = None
        for _ in algorithm.updates(network, batch, generator=torch.Generator().manual_seed(seed)):
            pass

    seeds = range(seed, seed + (MEMORY_DRAWS if algorithm.random_memory else 1))
    try:
        with torch_alone():
            drain(seed)  # first calls allocate workspaces that stay
            counts = [_count(partial(drain, each), known, device) for each in seeds]
        if len(counts) == 1:
            return counts[0]
        peaks = [each.peak_bytes for each in counts]
        return replace(counts[0], peak_bytes=max(peaks), mean_peak_bytes=round(sum(peaks) / len(peaks)))
    finally:
        for parameter, gradient in zip(network.parameters(), before, strict=True):
            parameter.grad = gradient


def count(work: Callable[[], object], known: list[Tensor], device: torch.device) -> Counts:
    """The counts of any work, which is done two times or three; the memory of `known` does not count as its own."""
    with torch_alone():  # a compiled kernel does the same work, where the dispatcher can't see it
        work()  # first calls allocate workspaces that stay
        return _count(work, known, device)


def _count(work: Callable[[], object], known: list[Tensor], device: torch.device) -> Counts:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        resting = torch.cuda.memory_allocated(device)
        work()
        peak_on_gpu = torch.cuda.max_memory_allocated(device) - resting
    with _Counter(known) as counter:
        work()
    peak = peak_on_gpu if device.type == "cuda" else counter.peak
    return Counts(peak, counter.flops, counter.ops)


def carry_bytes(carry: Any) -> int:
    """The bytes that stay alive from one batch of a stream to the next: of all storages that a carry's tensors are in,
    each once. A view keeps the whole of its storage alive and counts as that.
    """
    return sum({_key(tensor): tensor.untyped_storage().nbytes() for tensor in carried(carry)}.values())


def carried(carry: Any) -> list[Tensor]:
    """Every tensor in a carry, in containers and in objects' attributes; modules inside are the network's own."""
    tensors: list[Tensor] = []
    seen: set[int] = set()

    def look(tree: Any) -> None:
        for leaf in tree_leaves(tree):
            if isinstance(leaf, Tensor):
                tensors.append(leaf)
            elif not isinstance(leaf, torch.nn.Module | type) and id(leaf) not in seen:
                seen.add(id(leaf))
                look(_inside(leaf))

    look(carry)
    return tensors


def _inside(thing: Any) -> list[Any]:
    """What an object holds: in its attributes, in slots, or as a set."""
    if isinstance(thing, set | frozenset):
        return list(thing)
    names = [name for kind in type(thing).__mro__ for name in _listed(vars(kind).get("__slots__", ()))]
    held = [getattr(thing, name, None) for name in names if name not in ("__dict__", "__weakref__")]
    return [*held, *getattr(thing, "__dict__", {}).values()]


def _listed(slots: str | Iterable[str]) -> list[str]:
    return [slots] if isinstance(slots, str) else list(slots)


@dataclass(frozen=True)
class Quality:
    """How an estimated gradient stands to the exact one, over all parameters at once.

    Attributes:
        cosine: of the angle between them; nan where one of them is zero.
        relative_error: ‖estimate − exact‖ / ‖exact‖; nan where the exact gradient is zero.
    """

    cosine: float
    relative_error: float


def gradient_quality(estimate: Mapping[str, Tensor], exact: Mapping[str, Tensor]) -> Quality:
    """Cosine and relative error of an estimate, both keyed by parameter names; computed in float64."""
    a = torch.cat([estimate[name].flatten() for name in exact]).double()
    b = torch.cat([exact[name].flatten() for name in exact]).double()
    cosine = (a @ b / (a.norm() * b.norm())).clamp(-1, 1)
    return Quality(float(cosine), float((a - b).norm() / b.norm()))
