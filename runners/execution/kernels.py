"""Before the first runs on a machine: the kernels that they call are compiled, side by side and off their clocks."""

from collections.abc import Iterable
from concurrent.futures import as_completed
from contextlib import suppress
from typing import NamedTuple

import torch

from throughtime.algorithms.compiled.choose import CELLS_IN_A_LOOP, CELLS_WITH_KERNELS, available
from throughtime.forcings import FORCINGS
from throughtime.forcings.base import OwnOutput
from throughtime.networks.compiled.cache import is_compiled, name_of
from throughtime.parts.errors import BadInput, Broken
from throughtime.parts.specs import parse_spec
from throughtime.runners.suite.config import RunConfig
from throughtime.tasks import TASKS

from .job import RunJob
from .local import worker_pool
from .progress import Reporter

KINDS = {
    "full": "window",
    "readout_only": "states",
    "rtrl": "rtrl",
    "uoro": "uoro",
    "kf_rtrl": "kf_rtrl",
    "snap": "traces",
    "rflo": "traces",
    "eprop": "traces",
}
"""An algorithm by which a kernel is called, and the kernel's kind."""

KINDS_IN_A_LOOP = ("full", "readout_only", "rtrl")
"""Those of them whose kernels know loops."""

ALWAYS = ("full", "readout_only")
"""Those whose kernels every run calls, the gradient probe's among them."""

SECONDS = 600.0
"""After so many the runs begin all the same, and compile what is missing."""


def compile_kernels(jobs: Iterable[RunJob], *, workers: int, reporter: Reporter) -> None:
    """Compile what runs need, where it isn't in the cache.

    Args:
        jobs: the runs that are to come.
        workers: processes at a time.
        reporter: is told of it as of a phase.
    """
    needed = missing([job.config for job in jobs]) if available() else {}
    if not needed:
        return
    reporter.start("Compiling kernels, once on this machine", len(needed), "kernels")
    with worker_pool(min(workers, len(needed))) as pool:
        for future in as_completed([pool.schedule(prepare, args=use, timeout=SECONDS) for use in needed.values()]):
            with suppress(Exception):  # the run that needs it will tell
                future.result()
            reporter.advance()


def missing(configs: list[RunConfig]) -> dict[str, tuple[str, RunConfig, str]]:
    """For each kernel that is not in the cache an algorithm that calls it, a run like which it does, and its loop."""
    found = {}
    for kind, config in {kind_of(config): config for config in configs}.items():  # of thousands there are few
        cell, parameters = parse_spec(config.cell)
        if config.device != "cpu" or cell not in CELLS_WITH_KERNELS or {"sparsity", "layers"} & set(parameters):
            continue
        loop = loop_of(kind.task, kind.forcing)
        if loop == "pendulum_" and cell not in CELLS_IN_A_LOOP:
            continue
        dtype = getattr(torch, config.dtype)
        for algorithm in {*ALWAYS, kind.algorithm} & set(KINDS_IN_A_LOOP if loop else KINDS):
            name = name_of(KINDS[algorithm], f"{loop}{cell}", dtype)
            if not is_compiled(name) or not is_compiled(name_of("step", config.optimizer, dtype)):
                found[name] = (algorithm, config, loop)
    return found


class Kind(NamedTuple):
    """All of a run on which the kernels that it calls depend; task, forcing and algorithm by name."""

    device: str
    cell: str
    dtype: str
    optimizer: str
    task: str
    forcing: str
    algorithm: str


def kind_of(config: RunConfig) -> Kind:
    """The kind of a run."""
    task, forcing, algorithm = (parse_spec(spec)[0] for spec in (config.task, config.forcing, config.algorithm))
    return Kind(config.device, config.cell, config.dtype, config.optimizer, task, forcing, algorithm)


def loop_of(task: str, forcing: str) -> str:
    """With what the names of the kernels for a network begin: empty, or in which loop it is.

    A plugin's task or forcing that this process does not know has none; the run that knows it compiles its own.
    """
    if task == "pendulum":
        return "pendulum_"
    try:
        own_output = issubclass(FORCINGS.get(forcing), OwnOutput)
        return "loop_" if own_output and TASKS.get(task).feedback == "real" else ""
    except (BadInput, Broken):
        return ""


def prepare(algorithm: str, config: RunConfig, loop: str = "") -> None:
    """Call an algorithm's kernel, and the optimizer's, on a problem of next to nothing in that loop."""
    from throughtime.algorithms import estimate_gradient, make_algorithm
    from throughtime.networks import ClosedLoop, Network, drive, make_network
    from throughtime.runners.training.stepping import make_stepper
    from throughtime.tasks.base import Batch
    from throughtime.tasks.losses import squared_error
    from throughtime.tasks.pendulum import Pendulum

    dtype, generator = getattr(torch, config.dtype), torch.Generator().manual_seed(0)
    network: Network = make_network(config.cell, input_size=1, hidden_size=2, output_size=1, seed=0, dtype=dtype)
    values = torch.ones(2, 1, 1, dtype=dtype)
    batch = Batch(values, values, squared_error)
    match loop:
        case "loop_":
            assert isinstance(network.readout, torch.nn.Linear)
            network = ClosedLoop(network.cell, network.readout)
            batch = batch.with_inputs(drive(values, torch.zeros(2, 1)))
        case "pendulum_":
            task = Pendulum(length=2)
            network = task.make_network(config.cell, hidden_size=2, seed=0, dtype=dtype, device="cpu")
            batch = task.sample(1, generator=generator).to(dtype=dtype)
    estimate_gradient(make_algorithm(algorithm), network, batch, generator=generator)
    make_stepper(config, network)
