"""Honest cells, as authors write them first, to be verified and to make defects of."""

from throughtime.networks import Cell, DiagonalCell


class Plain(Cell):
    """What an author writes first: sizes, gates and φ; the rest is inherited."""

    state_parts = 1
    input_blocks = (0,)
    hidden_blocks = (0,)

    def activate(self, state, z):
        return (z[0].sin(),)


class Integrator(Cell):
    """Two state parts, of which the second sums the first up."""

    state_parts = 2
    input_blocks = (0, 1)
    hidden_blocks = (0, 1)

    def activate(self, state, z):
        total = 0.9 * state[1] + z[0].tanh()
        return z[1].sigmoid() * total, total


class Trace(DiagonalCell):
    """What an author of a diagonal cell writes first: a decay of each unit's own."""

    unit_parameters = ("decay",)

    def activate(self, state, z, own):
        return (own[0].sigmoid() * state[0] + z[0].tanh(),)


class Cascade(Cell):
    """Three state parts, of which the third sums the second up, and that the first."""

    state_parts = 3
    input_blocks = (0, 1)
    hidden_blocks = (0, 1)

    def activate(self, state, z):
        total = 0.9 * state[1] + z[0].tanh()
        of_totals = 0.8 * state[2] + 0.5 * state[1].sin() + 0.1 * z[1]
        return z[1].sigmoid() * (total + of_totals).tanh(), total, of_totals
