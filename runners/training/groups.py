"""Which parameters belong together: those of the input, of the recurrence, the biases, the readout, and of each gate.

Found by torch.nn's names, which every `Cell` has; a cell with names of its own has its parameters under "other".
"""

import torch
from torch import Tensor

from throughtime.networks import Cell, Network

GATES = {"LSTM": ("i", "f", "g", "o"), "GRU": ("r", "u", "n")}
"""The letters of the blocks of the cells that have them in the literature; other cells' are numbered."""


def groups(network: Network) -> dict[str, Tensor]:
    """For each group that is not empty which of all parameters, one behind the other, are in it: bool, (P,).

    "all" and "cell", which is all but the readout; "input", "recurrent", "bias", "other" and "readout", which share
    out all; and "gate i", … of a cell with several, which share out what the cell has of rows for each.
    """
    sizes = {name: parameter.numel() for name, parameter in network.named_parameters()}
    kinds = {name: _kind(name) for name in sizes}
    found = {"all": _marked(sizes, set(sizes)), "cell": _marked(sizes, {n for n in sizes if kinds[n] != "readout"})}
    for kind in ("input", "recurrent", "bias", "other", "readout"):
        found[kind] = _marked(sizes, {name for name in sizes if kinds[name] == kind})
    return {name: mark for name, mark in (found | _gates(network)).items() if mark.any()}


def _kind(name: str) -> str:
    owner, _, own = name.rpartition(".")
    if owner.partition(".")[0] == "readout":
        return "readout"
    for start, kind in (("weight_ih", "input"), ("weight_hh", "recurrent"), ("bias", "bias")):
        if own.startswith(start):
            return kind
    return "other"


def _marked(sizes: dict[str, int], names: set[str]) -> Tensor:
    return torch.cat([torch.full((size,), name in names) for name, size in sizes.items()])


def _gates(network: Network) -> dict[str, Tensor]:
    """The rows of each block of a cell's parameters; none where it has one block."""
    cell = network.cell
    if not isinstance(cell, Cell):
        return {}
    blocks = 1 + max(block for block in (*cell.input_blocks, *cell.hidden_blocks) if block is not None)
    if blocks == 1:
        return {}
    letters = GATES.get(type(cell).__name__, ())
    names = letters if len(letters) == blocks else tuple(map(str, range(blocks)))
    return {f"gate {name}": _rows(network, number, blocks) for number, name in enumerate(names)}


def _rows(network: Network, block: int, blocks: int) -> Tensor:
    """Which parameters are in one block's rows."""
    marks = []
    for name, parameter in network.named_parameters():
        mark = torch.zeros(parameter.shape, dtype=torch.bool)
        if name.startswith("cell.") and len(parameter) == blocks * network.cell.hidden_size:
            mark[block * network.cell.hidden_size : (block + 1) * network.cell.hidden_size] = True
        marks.append(mark.flatten())
    return torch.cat(marks)
