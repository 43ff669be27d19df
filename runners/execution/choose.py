"""Which executor: by its name, with what it is told."""

import importlib.util

from throughtime.parts import BadInput
from throughtime.parts.specs import nearest

from .executor import Executor
from .local import Local

NAMES = ("local", "dask", "slurm")

_PACKAGES = {"dask": "distributed", "slurm": "submitit"}


def make_executor(
    name: str = "local", *, device: str = "cpu", workers: int = 0, scheduler: str = "", slurm: str = ""
) -> Executor:
    """An executor.

    Args:
        name: "local", "dask" or "slurm".
        device: "cpu" or "cuda".
        workers: how many runs at a time; 0: as many as fit. Of a dask cluster that is there already none is given.
        scheduler: the address of a dask cluster that is there already.
        slurm: what slurm is told, "partition=gpu,time=120,gpus=1".

    Raises:
        BadInput: there is none of that name, its package is missing, or it is told what it can't use.
    """
    if name not in NAMES:
        raise BadInput(f"there is no executor {name!r}; {nearest(name, NAMES)}")
    for option, value, owner in (("--scheduler", scheduler, "dask"), ("--slurm", slurm, "slurm")):
        if value and name != owner:
            raise BadInput(f"{option} is for --executor {owner}, got --executor {name}")
    if name in _PACKAGES and importlib.util.find_spec(_PACKAGES[name]) is None:
        raise BadInput(
            f"--executor {name} needs the package {_PACKAGES[name]}; install it by: pip install 'throughtime[{name}]'"
        )
    if name == "dask":
        from .on_dask import Dask

        if scheduler and workers:
            raise BadInput("--workers is how many dask workers to start here; those of --scheduler are started there")
        return Dask(scheduler, workers, device)
    if name == "slurm":
        from .on_slurm import Slurm

        return Slurm(slurm, workers)
    return Local(workers, device)
