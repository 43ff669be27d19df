"""``throughtime new``: an algorithm, a task or a cell that works as it is written, for its user to change.

As two files, the part and its test, to be used by ``--plugin``; or as a package with an entry point. The files are
templates in ``templates/``, filled by `string.Template`.
"""

import ast
import builtins
import keyword
import os
import re
import shlex
import sys
from collections.abc import Mapping
from importlib import resources
from importlib.metadata import packages_distributions
from pathlib import Path
from string import Template
from typing import Literal

from throughtime.parts import BadInput
from throughtime.parts.specs import snake_case
from throughtime.runners.suite.plugins import REGISTRIES

Kind = Literal["algorithm", "task", "cell"]

LONGEST_NAME = 40
"""Characters: with more, lines of the templates would be too long."""

EXAMPLES = {"algorithm": "full", "task": "adding", "cell": "lstm"}
"""What a suite may list beside the new one."""


def write(kind: Kind, name: str, folder: Path, *, package: bool = False) -> list[Path]:
    """Write a part and its test, all files or none.

    Args:
        kind: of part.
        name: in snake case; the class has the same in camel case.
        folder: where; made where it is missing.
        package: as a package, in a folder of its own within `folder`.

    Returns:
        The files.

    Raises:
        BadInput: the name can't be used, something of that name is there, or the folder can't be written.
    """
    _check_name(kind, name)
    files = {folder / path: text for path, text in _files(kind, name, package=package).items()}
    for path in [folder / name] if package else files:
        if os.path.lexists(path):
            raise BadInput(f"'{path}' is there already, and is left as it is; take another name, or another --out DIR")
    _write(files)
    return list(files)


def next_steps(kind: Kind, name: str, folder: Path, *, package: bool = False) -> list[str]:
    """Commands that work on what was written, each with a word on what it does."""
    if package:
        # To pip a bare word is a package to be fetched, so a relative path begins with ./ here.
        use = name
        plugin = ""
        test = shlex.quote(str(folder / name) if folder.is_absolute() else f"./{folder / name}")
        steps = [(f"pip install -e {test}", f"then {name} is a name like any other")]
    else:
        use = shlex.quote(str(folder / f"{name}.py"))
        plugin = f" --plugin {use}"
        test = shlex.quote(str(folder / f"test_{name}.py"))
        steps = []
    steps += [
        (f"throughtime verify {use}", "what it promises beside what is measured"),
        (f"pytest {test}", "the same as tests"),
        (f"throughtime describe {name}{plugin}", "as others will see it"),
        (f"throughtime run SUITE.toml{plugin}", f"a suite of yours with {kind}s = {_listed(kind, name)}"),
    ]
    width = max(len(command) for command, _ in steps)
    return [f"{command:<{width}}    ({what})" for command, what in steps]


def _files(kind: Kind, name: str, *, package: bool = False) -> dict[Path, str]:
    """Each file's text, by its path in the folder that is written to."""
    cls = _class_name(name)
    # One's own module and throughtime stand in one block, in order.
    imports = sorted([f"from {name} import {cls}", f"from throughtime.runners import {kind}_checks"])
    words = {
        "name": name,
        "Name": cls,
        "kind": kind,
        "a_kind": _with_article(kind),
        "subject": cls if kind == "cell" else f"{cls}()",  # a cell's sizes are its network's to choose
        "imports": "\n".join(imports),
        "project": name.replace("_", "-"),
        "group": REGISTRIES[f"{kind}s"].group,
        "listed": _listed(kind, name),
    }
    templates = {f"{name}.py": f"{kind}.py", f"test_{name}.py": "test.py"}
    if package:
        templates = {
            f"{name}/pyproject.toml": "pyproject.toml",
            f"{name}/README.md": "README.md",
            f"{name}/src/{name}.py": f"{kind}.py",
            f"{name}/tests/test_{name}.py": "test.py",
        }
    folder = resources.files("throughtime.runners.commands") / "templates"
    return {
        Path(path): Template((folder / f"{template}.template").read_text(encoding="utf-8")).substitute(words)
        for path, template in templates.items()
    }


def _check_name(kind: Kind, name: str) -> None:
    """`BadInput` where a part can't be called that, or should not be."""
    subject = f"{name!r} can't be the name of {_with_article(kind)}"
    instead = "take another" if name.startswith("my_") else f"take another, such as my_{name}"
    cls = _class_name(name)
    if not re.fullmatch("[a-z][a-z0-9_]*", name):
        meant = _suggestion(name)
        raise BadInput(
            f"{subject}: a name is in snake case, of the letters a to z, digits and underscores; "
            + (f"write {meant}, whose class is {_class_name(meant)}" if meant else "my_idea is one")
        )
    if len(name) > LONGEST_NAME:
        raise BadInput(f"{subject}: it has {len(name)} characters; take one of {LONGEST_NAME} or fewer")
    if keyword.iskeyword(name) or hasattr(builtins, name):
        raise BadInput(f"{subject}: it is a word of Python's own; {instead}")
    if snake_case(cls) != name:
        raise BadInput(f"{subject}: its class would be {cls}, which is found as {snake_case(cls)!r}; write that")
    if cls in _imported(_files(kind, name)[Path(f"{name}.py")]):
        raise BadInput(f"{subject}: its class would hide the {cls} that it is written with; {instead}")
    for other, registry in REGISTRIES.items():
        if name in registry.names():
            there = _with_article(other.removesuffix("s"))
            raise BadInput(f"{subject}: there is {there} of that name already; {instead}")
    if name in sys.stdlib_module_names or name in packages_distributions():
        raise BadInput(f"{subject}: {name}.py would hide the module {name}; {instead}")


def _imported(code: str) -> set[str]:
    """The names that Python code imports from modules."""
    froms = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.ImportFrom)]
    return {alias.name for node in froms for alias in node.names}


def _class_name(name: str) -> str:
    """In camel case."""
    return "".join(word[:1].upper() + word[1:] for word in name.split("_"))


def _suggestion(name: str) -> str:
    """What may have been meant by what is no name; empty where there is no telling."""
    words = re.sub(r"\W", "_", snake_case(Path(name).name.removesuffix(".py")))
    found = snake_case(_class_name(words))
    return found if re.fullmatch("[a-z][a-z0-9_]*", found) else ""


def _with_article(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def _listed(kind: Kind, name: str) -> str:
    """As a suite's TOML has it."""
    return f'["{EXAMPLES[kind]}", "{name}"]'


def _write(files: Mapping[Path, str]) -> None:
    """Write new files, and the folders that they need; where one can't be written, none of it stays."""
    made: list[Path] = []
    try:
        for path, text in files.items():
            for folder in reversed(path.parents):
                if not folder.exists():
                    folder.mkdir()
                    made.append(folder)
            with path.open("x", encoding="utf-8", newline="\n") as file:
                made.append(path)
                file.write(text)
    except BaseException as error:
        for path in reversed(made):
            if path.is_dir():
                path.rmdir()
            else:
                path.unlink()
        if isinstance(error, OSError):
            raise BadInput(
                f"'{error.filename}' can't be written ({error.strerror}); choose another --out DIR"
            ) from None
        raise
