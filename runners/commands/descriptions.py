"""Words about suites, tasks, algorithms and cells, drawn from their code."""

import inspect
import math
import textwrap
from collections.abc import Callable
from typing import Any

from throughtime.algorithms import Algorithm
from throughtime.networks import CELLS, Cell, DiagonalCell, make_network
from throughtime.parts import BadInput, Broken, Registry, Unavailable
from throughtime.parts.containment import contained
from throughtime.parts.registry import parameters_of, source_file, third_party
from throughtime.parts.specs import nearest, parse_spec
from throughtime.runners.cost.suite import CostSuite, cost_suite_names, load_cost_suite
from throughtime.runners.gradients.suite import gradient_suite_names, load_gradient_suite
from throughtime.runners.suite.experiment import Experiment
from throughtime.runners.suite.plugins import REGISTRIES
from throughtime.runners.suite.suite import Suite, load_suite, suite_names
from throughtime.tasks import Task


def listing() -> str:
    """All names with a line each."""
    lines = ["suites:"]
    lines += [_entry(name, _title(load_suite, name)) for name in suite_names()]
    lines += ["", "cost suites (`throughtime cost`):"]
    lines += [_entry(name, _title(load_cost_suite, name)) for name in cost_suite_names()]
    lines += ["", "gradient suites (`throughtime gradients`, which takes any suite):"]
    lines += [_entry(name, _title(load_gradient_suite, name)) for name in gradient_suite_names()]
    for title, registry in REGISTRIES.items():
        lines += ["", f"{title}:"]
        lines += [_listed(registry, name) for name in registry.names()]
    return "\n".join([*lines, "", "more of any of them: throughtime describe NAME"])


def _listed(registry: Registry[Any], name: str) -> str:
    """A name's line, also of what can't be used."""
    try:
        cls = registry.get(name)
    except (BadInput, Broken) as error:
        return _entry(name, f"can't be used: {error}")
    mark = f" [{source_file(cls)}]" if third_party(cls) else ""
    return _entry(_brief(registry, cls, name), f"{_first_line(cls)}{mark}")


WIDTH, COLUMN = 118, 46


def _entry(name: str, words: str) -> str:
    """A name and words on it, in two columns; long words go on below, and a path is not broken."""
    wrapper = textwrap.TextWrapper(WIDTH, break_long_words=False, break_on_hyphens=False)
    wrapper.initial_indent, wrapper.subsequent_indent = f"  {name:<{COLUMN - 2}}", " " * COLUMN
    return wrapper.fill(words)


def _title(load: Callable[[str], Suite | CostSuite], name: str) -> str:
    try:
        return load(name).title
    except BadInput as error:
        return f"can't be used: {error}"


def description(name: str) -> str:
    """All that is called `name`, which may have parameters; `BadInput` with the nearest name if nothing is."""
    if name.lower().endswith(".toml"):
        return _suite(load_suite(name), "run", name)
    bare, parameters = parse_spec(name)
    found = []
    if not parameters:
        found += [_cost_suite(name)] if name in cost_suite_names() else []
        found += [_suite(load_suite(name), "run")] if name in suite_names() else []
        found += [_suite(load_gradient_suite(name), "gradients")] if name in gradient_suite_names() else []
    for title, registry in REGISTRIES.items():
        if bare in registry.names():
            found.append(_part(title.removesuffix("s"), bare, registry.get(bare), name if parameters else ""))
    if found:
        return f"\n\n{'─' * 40}\n\n".join(found)
    every = [
        *suite_names(),
        *cost_suite_names(),
        *gradient_suite_names(),
        *(one for registry in REGISTRIES.values() for one in registry.names()),
    ]
    raise BadInput(f"nothing is called {bare!r}; {nearest(bare, every)}")


def _suite(suite: Suite, command: str, name: str = "") -> str:
    lines = [f"suite {suite.name}: {suite.title}", *([suite.description.strip()] if suite.description else [])]
    for experiment in suite.experiments:
        tuning = experiment.runs - experiment.seeds
        least = "at least " if experiment.ladder else ""
        rows = len(list(experiment.groups()))
        lines += [
            "",
            f"tasks:          {', '.join(experiment.tasks)}",
            f"cells:          {', '.join(experiment.cells)}, {experiment.hidden_size} units",
            f"algorithms:     {', '.join(experiment.algorithms)}",
            f"forcing:        {', '.join(experiment.forcing)}",
            f"budget:         {experiment.budget}, batches of {experiment.batch_size}",
            f"learning rates: {experiment.rates_in_words} ({experiment.optimizer})",
            f"runs:           {rows} rows × ({least}{tuning} to tune + {experiment.seeds} to report)",
        ]
    word = "run" if command == "run" else "measure"
    return "\n".join([*lines, "", f"{word} it: throughtime {command} {name or suite.name}"])


def _cost_suite(name: str) -> str:
    suite = load_cost_suite(name)
    lines = [f"cost suite {suite.name}: {suite.title}", *([suite.description.strip()] if suite.description else [])]
    for sweep in suite.sweeps:
        sizes = ", ".join(map(str, sweep.sizes(sweep.axis)))
        lines += [
            "",
            f"{sweep.axis + ':':<15} {sizes}; {sweep.held}",
            f"cells:          {', '.join(sweep.cells)}",
            f"algorithms:     {', '.join(sweep.algorithms)}",
        ]
    return "\n".join([*lines, "", f"measure it: throughtime cost {name}"])


def _part(kind: str, name: str, cls: type, spec: str = "") -> str:
    """Of a class; of an instance, where a spec is given."""
    module = inspect.getdoc(inspect.getmodule(cls)) or ""
    registry = REGISTRIES[f"{kind}s"]
    lines = [f"{kind} {name}", "", module, "", inspect.getdoc(cls) or "", "", f"written: {_call(registry, cls, name)}"]
    lines += [f"from:    {source_file(cls)}"] if third_party(cls) else []
    made = registry.make(spec) if spec and kind != "cell" else None
    lines += [f"shown:   {spec}"] if spec else []
    if kind == "cell":
        lines += _cell(spec or name)
    if issubclass(cls, Task):
        lines += _task(cls, made)
    if issubclass(cls, Algorithm):
        lines += _algorithm(made or cls)
    return "\n".join(lines)


def _task(cls: type[Task], made: Task | None) -> list[str]:
    lines = [f"metric:  {cls.metric.name}, {cls.metric.better} is better"]
    try:
        task = made or cls()
        references = task.references()
    except (TypeError, Unavailable) as error:
        return [*lines, f"references: not shown ({error})"]
    width = max(len(reference.name) for reference in references)
    return [
        *lines,
        f"sizes:   {task.input_size} inputs, {task.output_size} outputs",
        _feedback(task),
        "references, with these parameters:" if made else "references, with the default parameters:",
        *(f"  {r.value:<10.5g} {r.kind:<9} {r.name:<{width}}  {r.source}" for r in references),
    ]


def _cell(spec: str) -> list[str]:
    """What a small one has: `BadInput` where the spec's parameters are wrong."""
    cell = make_network(spec, input_size=1, hidden_size=UNITS, output_size=1, seed=0).cell
    kinds = {Cell: "elementwise in gates", DiagonalCell: "diagonal: unit by unit"}
    structure = next((words for kind, words in kinds.items() if isinstance(cell, kind)), "dense, over all layers")
    P = sum(parameter.numel() for parameter in cell.parameters())
    lines = [f"of {UNITS} units and 1 input: {P} parameters, {len(cell.initial_state(1))} state parts"]
    return [f"jacobians: {structure}", *lines]


UNITS = 4
"""Of a cell that is described."""


def _feedback(task: Task) -> str:
    if task.feedback is None:
        return "loop:    open; teacher forcing alone"
    kind = {"real": "its past targets", "symbol": "its past symbols"}[task.feedback]
    return f"loop:    can be closed: its inputs hold {kind}; scored {task.horizon} steps ahead; any forcing"


def _algorithm(part: type[Algorithm] | Algorithm) -> list[str]:
    """The promises, of a class where they don't depend on the parameters."""
    lines = []
    for promise in ("exact_up_to", "unbiased", "online"):
        value = getattr(part, promise, None)
        shown = "depends on the parameters" if value is None else "any length" if value == math.inf else value
        lines.append(f"{promise + ':':<13}{shown}")
    return [*lines, *_served(part)]


UNITS = Experiment.model_fields["hidden_size"].default
"""Of the networks that an algorithm is asked about: what a suite takes that says nothing."""


def _served(part: type[Algorithm] | Algorithm) -> list[str]:
    """Which cells it serves, and why not the others; nothing where it refuses none."""
    cls = part if isinstance(part, type) else type(part)
    if cls.refuses is Algorithm.refuses:
        return []
    if part is cls and any(value.default is inspect.Parameter.empty for value in parameters_of(cls).values()):
        return ["cells:       told of one with its parameters: throughtime describe 'NAME(…)', as it is written above"]
    try:
        with contained(f"making {cls.__name__}"):
            algorithm = part if isinstance(part, Algorithm) else cls()
    except (TypeError, Broken) as error:
        return [f"cells:       not shown ({error})"]
    reasons = {name: _refusal(algorithm, name) for name in CELLS.names()}
    lines = [f"cells:       {', '.join(name for name, reason in reasons.items() if not reason) or 'none'}"]
    return lines + [f"             not {name}: {reason}" for name, reason in reasons.items() if reason]


def _refusal(algorithm: Algorithm, cell: str) -> str:
    """Why it does not serve a cell; of one that fails when it is asked, which may know no such cells, that."""
    try:
        with contained(f"asking it whether it serves {cell}"):
            return algorithm.refuses(make_network(cell, input_size=1, hidden_size=UNITS, output_size=1, seed=0))
    except Broken as error:
        return str(error)


def _brief(registry: Registry[Any], cls: type, name: str) -> str:
    """The call, or of a long one the names alone, or no more than that there are some."""
    call = _call(registry, cls, name)
    if len(call) > 44:
        call = f"{name}({', '.join(registry.parameters(cls))})"
    return call if len(call) <= 44 else f"{name}(…)"


def _call(registry: Registry[Any], cls: type, name: str) -> str:
    """The name with its parameters and their defaults, ``truncated(k1, k2)``."""
    parameters = []
    for parameter in registry.parameters(cls).values():
        default = "" if parameter.default is inspect.Parameter.empty else f"={parameter.default!r}"
        parameters.append(f"{parameter.name}{default}")
    return f"{name}({', '.join(parameters)})" if parameters else name


def _first_line(cls: type) -> str:
    return (inspect.getdoc(cls) or "").split("\n", 1)[0]
