"""What a plugin's file imports from its own folder: the file that lies there, or a refusal that names both.

Python knows a module by its name alone, once for the whole process. Of two files with one name the first is what every
later import gets, without a word; so a name that stands for another file already is refused before anything runs.
"""

import importlib.util
import sys
from pathlib import Path

from throughtime.parts import BadInput

from .fingerprint import words


def check_beside(plugin: Path) -> None:
    """`BadInput` where a name that a plugin imports means a file beside it, and stands for another one."""
    todo, seen = [plugin], {plugin}
    while todo:
        for word in _words(todo.pop()):
            mine = _beside(plugin.parent, word)
            if mine is None or mine in seen:
                continue
            other = _found(word)
            if other is not None and other != str(mine):
                raise BadInput(
                    f"--plugin {plugin}: it imports {word!r}, for which there are two files: {mine} beside it, and "
                    f"{other}, which that name stands for in this process; rename the one beside it, or put both "
                    "plugins into one folder with one such file"
                )
            seen.add(mine)
            todo.append(mine)


def forget_beside(plugin: Path) -> None:
    """Undo the imports from a plugin's folder."""
    there = {path.stem for path in plugin.parent.iterdir()} if plugin.parent.is_dir() else set()  # few, of thousands
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None) if name.partition(".")[0] in there else None
        if file and _beside(plugin.parent, name) == Path(file).resolve():
            del sys.modules[name]
    if str(plugin.parent) in sys.path:
        sys.path.remove(str(plugin.parent))


def _words(file: Path) -> list[str]:
    """Each with the packages that it is in."""
    try:
        found = words(file)
    except (SyntaxError, ValueError):  # its import will tell
        return []
    steps = [word.split(".") for word in found]
    return list(dict.fromkeys(".".join(parts[:end]) for parts in steps for end in range(1, len(parts) + 1)))


def _beside(folder: Path, module: str) -> Path | None:
    """The file in a folder that a module's name means there, where there is one."""
    path = folder.joinpath(*module.split("."))
    for file in (path / "__init__.py", path.with_name(f"{path.name}.py")):
        if file.is_file():
            return file.resolve()
    return None


def _found(module: str) -> str | None:
    """What a module's name stands for now; None for nothing."""
    try:
        spec = importlib.util.find_spec(module)
    except Exception:  # no package, a module without a spec, or a package that can't be imported
        return None
    if spec is None:
        return None
    return str(Path(spec.origin).resolve()) if spec.has_location and spec.origin else f"Python's own {module}"
