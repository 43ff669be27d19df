"""A fixed piece of work, all updates of one batch, to be timed or counted the same way wherever that is done.

It uses throughtime's public names only and none of `runners`: the regression gate loads this file beside the code of
another commit, to time both by the same measure.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from throughtime.algorithms import Algorithm, make_algorithm
from throughtime.networks import Network, make_network
from throughtime.tasks import Batch
from throughtime.tasks.losses import squared_error


@dataclass(frozen=True)
class Workload:
    """One algorithm on one network and one batch of noise, with a target at every step.

    Attributes:
        algorithm: the spec: ``"truncated(k1=10, k2=10)"``.
        cell: ``"rnn"``, ``"lstm"``, ``"gru"``.
        length: T.
        hidden_size: n.
        batch_size: B.
        input_size: m.
        output_size: o.
        device: "cpu" or "cuda".
        dtype: "float32" or "float64".
    """

    algorithm: str
    cell: str
    length: int
    hidden_size: int
    batch_size: int
    input_size: int = 2
    output_size: int = 1
    device: str = "cpu"
    dtype: str = "float32"

    def prepare(self) -> "Prepared":
        """The algorithm, the network and the batch, the same numbers every time."""
        dtype, draws = getattr(torch, self.dtype), torch.Generator().manual_seed(0)
        network = make_network(
            self.cell,
            input_size=self.input_size,
            hidden_size=self.hidden_size,
            output_size=self.output_size,
            seed=0,
            dtype=dtype,
            device=self.device,
        )
        shape = (self.length, self.batch_size)
        inputs = torch.randn(*shape, self.input_size, generator=draws, dtype=torch.float64)
        targets = torch.randn(*shape, self.output_size, generator=draws, dtype=torch.float64)
        batch = Batch(inputs, targets, squared_error).to(device=self.device, dtype=dtype)
        return Prepared(make_algorithm(self.algorithm), network, batch)


@dataclass(frozen=True)
class Prepared:
    """A workload ready to run."""

    algorithm: Algorithm
    network: Network
    batch: Batch

    def run(self, after: Callable[[], object] = lambda: None) -> None:
        """All updates of the batch at frozen parameters; on a GPU it returns when they are done.

        Args:
            after: called after each update, in the place of an optimizer's step.
        """
        for update in self.algorithm.updates(self.network, self.batch, generator=torch.Generator().manual_seed(0)):
            if update.weight:
                after()
        if self.batch.inputs.is_cuda:
            torch.cuda.synchronize(self.batch.inputs.device)
