"""The code that a result depends on, hashed: what runs, not how it is written down.

A module counts by its syntax tree without docstrings and comments, so wording and formatting keep every result. Where
code begins is given by import names; what these import is found in the text.
"""

import ast
import functools
import hashlib
import importlib.metadata
import importlib.util
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch


@dataclass(frozen=True)
class Code:
    """What a result was made by, besides its own settings.

    Attributes:
        modules: the import names where the code begins. What they import of throughtime counts as well, and of plugins
            whatever they import that is not an installed library; of a library, its version.
        data: the checksum of the data file that is read; empty for generated data.
    """

    modules: tuple[str, ...]
    data: str = ""

    @functools.cached_property
    def plugins(self) -> dict[str, str]:
        """The sha256 of each file from outside of throughtime that is used, by module."""
        return {name: file_hash(name) for name in sorted(self._found) if not _ours(name)}

    def fingerprint(self, arithmetic: str) -> str:
        """The hash of code, data and torch, and of what the arithmetic of the machine depends on."""
        code = {name: source_hash(name) for name in sorted(self._found)}
        libraries = {name: _version_of_library(name) for name in sorted(_libraries(frozenset(self._found)))}
        return _hashed([code, self.data, torch.__version__, arithmetic, libraries])

    @property
    def _found(self) -> set[str]:
        return {name for root in self.modules for name in imported(root)}


def key_of(settings: Mapping[str, Any], fingerprint: str) -> str:
    """The name of a record: two with the same settings, code, data, torch and machine are the same."""
    return _hashed([dict(settings), fingerprint])[:20]


def _hashed(content: list[Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def look_again() -> None:
    """Forget what was read of sources where one was edited since, or a file came or went beside one."""
    if _looks != {path: _look(path) for path in _looks} or _path != sys.path:
        forget()


def forget() -> None:
    """Forget what was read of sources, whatever became of them."""
    source_hash.cache_clear()
    file_hash.cache_clear()
    imported.cache_clear()
    _path[:] = sys.path
    _looks.clear()
    _looks.update((path, _look(path)) for path in map(Path, _path))


_looks: dict[Path, tuple[int, ...]] = {}
"""How the files that were read looked then, and the folders: a run asks twice, and to read all takes milliseconds."""

_path: list[str] = []
"""Where modules were looked for."""


def _look(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino


def _read(path: Path) -> bytes:
    """A source, which `look_again` looks at from now on."""
    for one in (path, path.parent):
        _looks.setdefault(one, _look(one))  # before it is read: what is edited meanwhile is seen
    return path.read_bytes()


@functools.cache
def imported(module: str) -> frozenset[str]:
    """A module and all the modules that it imports, directly or through others, but for libraries and Python's own.

    Found in the text: imports inside of functions count, a module whose name is made at run time does not.
    """
    found: set[str] = set()
    todo = [module]
    own = module.partition(".")[0]
    while todo:
        name = todo.pop()
        path = source_of(name) if _followed(name, own) else None
        if name in found or path is None:
            continue
        found.add(name)
        todo += _imports(name, path)
    return frozenset(found)


def _imports(module: str, path: Path) -> tuple[str, ...]:
    """What may be modules among the words that a module's source imports."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    return _imported_by(_read(path), package)


@functools.cache  # by the text itself: a run looks at every file anew, and hardly ever finds another text in it
def _imported_by(source: bytes, package: str) -> tuple[str, ...]:
    names: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            names += [base, *(f"{base}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    return tuple(names)


def words(file: Path) -> list[str]:
    """What may be modules among the words that a loose file imports, which is in no package."""
    found: list[str] = []
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
    return found


def _ours(module: str) -> bool:
    return module.partition(".")[0] == "throughtime"


def _followed(module: str, own: str) -> bool:
    """Whether a module's source is looked into: throughtime's, a plugin's own, and any that no library's folder has."""
    top = module.partition(".")[0]
    if top in ("throughtime", own):
        return True
    path = None if top in sys.stdlib_module_names else source_of(top)
    return path is not None and not _in_a_library(path)


def _in_a_library(path: Path) -> bool:
    """Whether the file of a module or package lies where libraries are installed: in a folder of that name, or in one
    where pip has installed something, as it does with --target. What is installed as editable is its user's own code.
    """
    folder = path.parent.parent if path.name == "__init__.py" else path.parent
    return bool(_LIBRARY_FOLDERS & set(path.parts)) or any(folder.glob("*.dist-info/RECORD"))


_LIBRARY_FOLDERS = {"site-packages", "dist-packages"}


def _libraries(modules: frozenset[str]) -> set[str]:
    """The libraries that modules from outside of throughtime import, by import name; torch stands in every key."""
    found = set()
    for name in modules:
        path = None if _ours(name) else source_of(name)
        if path is not None:
            own = name.partition(".")[0]
            tops = {word.partition(".")[0] for word in _imports(name, path)}
            found |= {top for top in tops - sys.stdlib_module_names if not _followed(top, own)}
    return found - {"torch"}


def _version_of_library(module: str) -> str | None:
    packages = importlib.metadata.packages_distributions().get(module)
    return importlib.metadata.version(packages[0]) if packages else None


def source_of(module: str) -> Path | None:
    """The file of a module in Python; None where there is none."""
    try:
        spec = importlib.util.find_spec(module)
    except Exception:  # a word that is no module, a module without a spec, or whose package can't be imported
        return None
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    return Path(spec.origin)


@functools.cache
def source_hash(module: str) -> str:
    """The hash of what a module does: of its syntax tree without docstrings; empty where there is no source."""
    path = source_of(module)
    return _hash_of_what_runs(_read(path)) if path is not None else ""


@functools.cache  # by the text itself, as what it imports
def _hash_of_what_runs(source: bytes) -> str:
    return hashlib.sha256(_bare(source).encode()).hexdigest()


@functools.cache
def file_hash(module: str) -> str:
    """The sha256 of a module's file, byte by byte; empty where there is none."""
    path = source_of(module)
    return hashlib.sha256(_read(path)).hexdigest() if path is not None else ""


def _bare(source: bytes) -> str:
    r"""Python code without docstrings, comments and formatting.

    A string that stands alone is never read by what runs, wherever it stands: under a class, a function, a constant.

    >>> _bare(b'def f(x):  # why\\n    "What."\\n    return (x +\\n 1)')
    'def f(x):\\n    return x + 1'
    """
    tree = ast.parse(source)
    for node in ast.walk(tree):
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            if isinstance(block, list):
                kept = [one for one in block if not _is_text(one)]
                setattr(node, name, kept or ([ast.Pass()] if block and name == "body" else []))
    return ast.unparse(tree)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
