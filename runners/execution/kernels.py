"""Before the first runs on a machine: the kernels that they call are compiled, side by side and off their clocks."""

from collections.abc import Iterable
from concurrent.futures import as_completed
from contextlib import suppress

import torch

from throughtime.algorithms.compiled.choose import CELLS_IN_A_LOOP, CELLS_WITH_KERNELS, available
from throughtime.forcings import FORCINGS
from throughtime.forcings.base import OwnOutput
from throughtime.networks.compiled.cache import is_compiled, name_of
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


def missing(configs: list[RunConfig]) -> dict[str, tuple[str, RunConfig]]:
    """For each kernel that is not in the cache an algorithm that calls it, and a run like which it does."""
    kinds_of_runs = {  # of thousands there are few
        (config.device, config.cell, config.dtype, config.optimizer, loop_of(config), _algorithm(config)): config
        for config in configs
    }
    found = {}
    for (device, spec, _, _, loop, name_of_algorithm), config in kinds_of_runs.items():
        cell, parameters = parse_spec(spec)
        known = CELLS_IN_A_LOOP if loop == "pendulum_" else CELLS_WITH_KERNELS
        if device != "cpu" or cell not in known or {"sparsity", "layers"} & set(parameters):
            continue
        dtype = getattr(torch, config.dtype)
        for algorithm in {*ALWAYS, name_of_algorithm} & set(KINDS_IN_A_LOOP if loop else KINDS):
            name = name_of(KINDS[algorithm], f"{loop}{cell}", dtype)
            if not is_compiled(name) or not is_compiled(name_of("step", config.optimizer, dtype)):
                found[name] = (algorithm, config)
    return found


def loop_of(config: RunConfig) -> str:
    """With what the names of the kernels for a run's network begin: where it is in a loop, by which."""
    name = parse_spec(config.task)[0]
    if name == "pendulum":
        return "pendulum_"
    own_output = issubclass(FORCINGS.get(parse_spec(config.forcing)[0]), OwnOutput)
    return "loop_" if own_output and TASKS.get(name).feedback == "real" else ""


def _algorithm(config: RunConfig) -> str:
    return parse_spec(config.algorithm)[0]


def prepare(algorithm: str, config: RunConfig) -> None:
    """Call an algorithm's kernel, and the optimizer's, on a problem of next to nothing."""
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
    match loop_of(config):
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
