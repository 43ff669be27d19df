"""Algorithms with one seeded defect each, in the group of parameters that its name says."""

import torch

from throughtime.algorithms import Algorithm, make_algorithm


class Defective(Algorithm):
    """Full BPTT, and then something done to its gradient."""

    exact_up_to = 0
    unbiased = False
    online = False

    def updates(self, network, batch, carry=None, *, generator=None):
        for update in make_algorithm("full").updates(network, batch, carry, generator=generator):
            self.spoil(dict(network.named_parameters()))
            yield update


class Scaled(Defective):
    """The readout's gradient is .9 of what it should be."""

    def spoil(self, parameters):
        for name, parameter in parameters.items():
            if name.startswith("readout"):
                parameter.grad *= 0.9


class MissingFactor(Defective):
    """The forget gate's slope lacks a factor of one half."""

    def spoil(self, parameters):
        for name, parameter in parameters.items():
            if name.startswith("cell"):
                rows = len(parameter) // 4
                parameter.grad[rows : 2 * rows] *= 2


class StaleState(Algorithm):
    """The recurrent weights' gradient is made with the states of a step before: of inputs that came too late."""

    exact_up_to = 0
    unbiased = False
    online = False

    def updates(self, network, batch, carry=None, *, generator=None):
        (_,) = make_algorithm("full").updates(network, self.late(batch), carry)
        wrong = network.cell.weight_hh_l0.grad.clone()
        for update in make_algorithm("full").updates(network, batch, carry):
            network.cell.weight_hh_l0.grad = wrong
            yield update

    def late(self, batch):
        from dataclasses import replace

        return replace(batch, inputs=torch.cat([batch.inputs[:1], batch.inputs[:-1]]))


class Noisy(Defective):
    """Noise of a known size on a gradient with a known bias: N(b, s²) is added to each parameter."""

    def __init__(self, b=0.0, s=0.1):
        self.b, self.s = b, s

    def updates(self, network, batch, carry=None, *, generator=None):
        self.source = generator
        yield from super().updates(network, batch, carry)

    def spoil(self, parameters):
        for parameter in parameters.values():
            noise = torch.randn(parameter.shape, generator=self.source, dtype=parameter.dtype)
            parameter.grad += self.b + self.s * noise
