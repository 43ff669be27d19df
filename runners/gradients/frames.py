"""The laboratory from Python: an algorithm's fidelity and a network's reach as tidy data frames.

>>> from throughtime.networks import make_network
>>> from throughtime.tasks import make_task
>>> task = make_task("two_lag(length=16)")
>>> network = make_network("lstm", input_size=1, hidden_size=4, output_size=2, seed=0)
>>> batch = task.sample(4, generator=torch.Generator().manual_seed(0))
>>> found = measure_gradients("uoro", network, batch, draws=50)
>>> sorted(set(found["group"]) - {"gate i", "gate f", "gate g", "gate o"})
['all', 'bias', 'cell', 'input', 'readout', 'recurrent']
>>> measure_reach(network, batch).columns.to_list()
['lag', 'mean', 'q10', 'q50', 'q90', 'gain', 'beyond']
"""

from collections.abc import Sequence

import pandas as pd
import torch

from throughtime.algorithms import Algorithm, make_algorithm
from throughtime.networks import Network
from throughtime.parts import BadInput
from throughtime.runners.training.fidelity import Fidelity, of_many_batches, of_one_batch
from throughtime.runners.training.groups import groups
from throughtime.runners.training.reach import QUANTILES, Reach, reach
from throughtime.tasks import Batch

FIDELITY = ("against", "group", "figure", "value", "error", "draws")
REACH = ("lag", "mean", *(f"q{round(100 * q)}" for q in QUANTILES), "gain", "beyond")


def measure_gradients(
    algorithm: Algorithm | str,
    network: Network,
    batch: Batch | Sequence[Batch],
    *,
    draws: int = 100,
    seed: int = 0,
) -> pd.DataFrame:
    """How faithful an algorithm's gradient is, at frozen parameters: one row a group of parameters and figure.

    Args:
        algorithm: or its spec, ``"truncated(k1=1, k2=20)"``.
        network: where; its ``p.grad`` and parameters are left as they were.
        batch: of which sequences. Several: the first is drawn `draws` times, and each of all once.
        draws: of the algorithm's gradient of the first batch; of one that draws nothing two suffice, and are made.
        seed: of the draws.

    Returns:
        Columns ``against`` ("batch": the exact gradient of the same batch; "expectation": the mean exact gradient of
        all batches, data's noise included), ``group`` ("all", "cell", "input", "recurrent", "bias", "readout", "gate
        i", …), ``figure`` ("bias" of the mean draw, in norm and with its noise taken off; "variance": the trace;
        "relative …": to the exact gradient's norm, or its square; "mean squared error", "cosine", "sign agreement",
        "norm ratio" and "scale" of one draw; "signal to noise"), ``value``, ``error`` (standard error: 0 where nothing
        is drawn), ``draws``.

    Raises:
        BadInput: fewer than two draws, or no batch.
    """
    batches = [batch] if isinstance(batch, Batch) else list(batch)
    if draws < 2 or not batches:
        raise BadInput(f"bias and variance take two draws or more, of one batch or more; got {draws} of {len(batches)}")
    made = make_algorithm(algorithm) if isinstance(algorithm, str) else algorithm
    members = groups(network)
    frames = [_fidelity(of_one_batch(made, network, batches[0], members, draws=draws, seed=seed), "batch")]
    if len(batches) > 1:
        frames.append(_fidelity(of_many_batches(made, network, batches, members, seed=seed), "expectation"))
    return pd.concat(frames, ignore_index=True)


def _fidelity(found: Fidelity, against: str) -> pd.DataFrame:
    rows = [
        (against, group, name, float(value), float(error), found.draws.count)
        for name, figure in found.figures().items()
        for group, value, error in zip(found.names, figure.value, figure.error, strict=True)
    ]
    return pd.DataFrame(rows, columns=list(FIDELITY))


def measure_reach(
    network: Network, batch: Batch, *, lags: int | None = None, sequences: int | None = None
) -> pd.DataFrame:
    """How far back a network's gradient reaches, in float64 at frozen parameters: one row a lag.

    Args:
        network: with any cell, in an open or a closed loop.
        batch: of which sequences.
        lags: the largest; None: as far as the batch goes.
        sequences: how many of the batch's; None: all.

    Returns:
        Columns ``lag`` (k, from 0), ``mean``, ``q10``, ``q50`` and ``q90`` of ‖∂ℓ_t/∂s_{t−k}‖ over all losses ℓ_t, s
        the whole state; ``gain``: the geometric mean of it as a multiple of that at lag 0; ``beyond``: the share of the
        cell's gradient that lies beyond this lag, which is the relative bias of truncated BPTT with k1 = 1 and
        k2 = k + 1 on the cell. ``frame.attrs`` has ``rate`` (nats a lag), ``lag_90`` and ``lag_99``.
    """
    return reach_frame(reach(network, batch, lags=lags, sequences=sequences, dtype=torch.float64))


def reach_frame(found: Reach) -> pd.DataFrame:
    """The same of what was measured."""
    rows = [(lag, at.mean, *at.quantiles, at.gain, at.beyond) for lag, at in enumerate(found.lags)]
    frame = pd.DataFrame(rows, columns=list(REACH))
    frame.attrs |= {"rate": found.rate, "lag_90": found.lag_of(0.9), "lag_99": found.lag_of(0.99)}
    return frame
