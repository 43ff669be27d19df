"""Cells written down once more, from their papers, as plainly as can be; masked weights are left to the reader."""

import torch

SPECS = {
    "leaky(leak=0.3)": 3,
    "leaky(leak=0.3, sparsity=0.5)": 4,
    "rnn(sparsity=0.5)": 4,
    "gru(sparsity=0.5)": 4,
    "lstm(sparsity=0.75, forget_bias=1.0)": 4,
    "rnn(init='orthogonal', gain=0.9)": 3,
    "lru": 4,
    "rtu": 4,
    "elstm": 3,
    "rnn(layers=2)": 3,
    "gru(layers=2, sparsity=0.5)": 3,
    "lstm(layers=2)": 3,
    "leaky(layers=2)": 3,
    "lru(layers=2)": 4,
    "elstm(layers=3)": 2,
}
"""Each with a number of units that suits it."""

DIAGONAL = ["lru", "rtu", "elstm"]


def loss_of(network, batch, spec):
    """The mean loss over the batch's targets, from zeros, as a function of the network's parameters."""
    return losses_of(network, batch, spec, dict(network.named_parameters())).sum() / batch.total


def losses_of(network, batch, spec, p, states=None):
    """(T, B), each step's under the same parameters."""
    states = start(network, batch.size) if states is None else states
    losses = []
    for x, t in zip(batch.inputs, range(batch.length), strict=True):
        states = step(network, spec, p, x, states)
        outputs = states[-1][0] @ p["readout.weight"].T + p["readout.bias"]
        losses.append(batch.window(t, t + 1).losses(outputs[None])[0])
    return torch.stack(losses)


def start(network, size):
    """Each layer's state, from the first layer to the last."""
    cell = network.cell
    zeros = cell.initial_state(size)
    layers = sum(name.startswith("weight_ih_l") for name, _ in cell.named_parameters())
    return [zeros[: len(zeros) // layers] for _ in range(layers)]


def step(network, spec, p, x, states):
    """One step of all layers."""
    new = []
    for layer, state in enumerate(states):
        mine = {
            name.removesuffix(f"_l{layer}"): p[f"cell.{name}"]
            for name, _ in network.cell.named_parameters()
            if name.endswith(f"_l{layer}")
        }
        mask = dict(network.cell.named_buffers()).get(f"mask_hh_l{layer}")
        if mask is not None:
            mine["weight_hh"] = torch.where(mask, mine["weight_hh"], 0.0)
        new.append(STEPS[spec.partition("(")[0]](mine, x, state, spec))
        x = new[-1][0]
    return new


def _rnn(p, x, state, spec):
    return (torch.tanh(x @ p["weight_ih"].T + p["bias_ih"] + state[0] @ p["weight_hh"].T + p["bias_hh"]),)


def _leaky(p, x, state, spec):
    leak = 0.3 if "0.3" in spec else 0.5
    return ((1 - leak) * state[0] + leak * _rnn(p, x, state, spec)[0],)


def _gru(p, x, state, spec):
    n = state[0].shape[1]
    a = (x @ p["weight_ih"].T + p["bias_ih"]).split(n, dim=1)
    b = (state[0] @ p["weight_hh"].T + p["bias_hh"]).split(n, dim=1)
    r, u = torch.sigmoid(a[0] + b[0]), torch.sigmoid(a[1] + b[1])
    return ((1 - u) * torch.tanh(a[2] + r * b[2]) + u * state[0],)


def _lstm(p, x, state, spec):
    h, c = state
    z = x @ p["weight_ih"].T + p["bias_ih"] + h @ p["weight_hh"].T + p["bias_hh"]
    i, f, g, o = z.split(h.shape[1], dim=1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def _lru(p, x, state, spec):
    h = torch.complex(*state[0].chunk(2, dim=1))
    eigenvalue = torch.exp(torch.complex(-p["nu"].exp(), p["theta"].exp()))
    gamma = p["gamma"] if "gamma" in p else torch.sqrt(1 - torch.exp(-2 * p["nu"].exp()))
    h = eigenvalue * h + gamma * torch.complex(*(x @ p["weight_ih"].T).chunk(2, dim=1))
    return (torch.cat([h.real, h.imag], dim=1),)


def _elstm(p, x, state, spec):
    (c,) = state
    a, b = (x @ p["weight_ih"].T + p["bias_ih"]).chunk(2, dim=1)
    f = torch.sigmoid(a + p["weight_f"] * c)
    return (f * c + (1 - f) * torch.tanh(b + p["weight_z"] * c),)


STEPS = {"rnn": _rnn, "leaky": _leaky, "gru": _gru, "lstm": _lstm, "lru": _lru, "rtu": _lru, "elstm": _elstm}
