"""What the trainer adds to an algorithm's updates, found by running it beside the same loop with less in it."""

import torch

from throughtime.algorithms import make_algorithm
from throughtime.runners.suite.config import RunConfig
from throughtime.runners.training.measure import Clock
from throughtime.runners.training.seeds import generator
from throughtime.runners.training.stepping import make_stepper
from throughtime.runners.training.train import Trainer
from throughtime.tasks import make_task


def run_config(algorithm: str, *, length: int, hidden_size: int, batch_size: int, steps: int) -> RunConfig:
    """A run that learns nothing, so that every loop does the same work."""
    return RunConfig.model_validate(
        {
            "task": f"two_lag(length={length})",
            "cell": "rnn",
            "hidden_size": hidden_size,
            "algorithm": algorithm,
            "optimizer": "adam",
            "learning_rate": 1e-12,
            "clip_norm": 1.0,
            "batch_size": batch_size,
            "budget": {"steps": steps},
            "evaluations": 1,
            "seed": 0,
            "purpose": "tuning",
        }
    )


def trained(config: RunConfig) -> tuple[float, int]:
    """The trainer's own loop: the seconds that it counts as training, and its updates."""
    outcome = Trainer(config).run()
    return outcome.wall_seconds, outcome.updates


def drained(config: RunConfig, *, optimizer: bool) -> float:
    """The same updates of the same batches without the trainer: seconds.

    Args:
        config: the run.
        optimizer: clip and step the optimizer after each update; if not, the updates alone.
    """
    task, algorithm, draws = make_task(config.task), make_algorithm(config.algorithm), generator(config.seed, "draws")
    network = task.make_network(
        config.cell,
        hidden_size=config.hidden_size,
        seed=config.seed,
        dtype=getattr(torch, config.dtype),
        device=config.device,
    )
    stepper = make_stepper(config, network) if optimizer else None
    assert config.budget.steps
    clock, steps = Clock(torch.device(config.device)), 0
    for batch in task.batches(config.batch_size, generator=generator(config.seed, "data")):
        placed = batch.to(device=torch.device(config.device), dtype=getattr(torch, config.dtype))
        with clock.running():
            for update in algorithm.updates(network, placed, generator=draws):
                if update.weight and stepper:
                    stepper.step(update)
        steps += batch.length
        if steps >= config.budget.steps:
            break
    return clock.wall
