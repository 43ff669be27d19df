"""A directory of results on the disk: one writer at a time, and every file is there whole or not at all."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import filelock

from throughtime.networks import BadInput

_LOCK, _NOTES, _ENVIRONMENT = ".lock", ".running", "environment.json"


class Directory:
    """A directory that holds JSON records in a folder of its own, and a manifest that orders them.

    Attributes:
        manifest_name: the manifest's file.
        records: the folder of the records.
        contents: what it holds, in a message's words.
        maker: the command that writes it.
        also: files that may stand in it without a manifest.
    """

    manifest_name: ClassVar[str] = "manifest.json"
    records: ClassVar[str] = "runs"
    contents: ClassVar[str] = "throughtime results"
    maker: ClassVar[str] = "throughtime run"
    also: ClassVar[tuple[str, ...]] = ()

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)

    def check_holds_results(self) -> None:
        """`BadInput` unless there is a manifest."""
        if not self.directory.is_dir():
            command = f"{self.maker} SUITE --out DIR"
            raise BadInput(f"there is no directory {str(self.directory)!r}; `{command}` makes one")
        if not self.has_manifest():
            raise BadInput(f"{str(self.directory)!r} holds no {self.contents} (no {self.manifest_name} in it)")

    def check_writable(self) -> None:
        """`BadInput` unless results can be written here; makes no directory and no file."""
        directory = self.directory
        if directory.exists() and not directory.is_dir():
            raise BadInput(f"{str(directory)!r} is a file; give a directory to write results into")
        if directory.is_dir() and not self.has_manifest():
            mine = {_LOCK, _NOTES, _ENVIRONMENT, self.records, *self.also}  # a kill may come before the manifest
            other = sorted(entry.name for entry in directory.iterdir() if entry.name not in mine)
            if other:
                raise BadInput(
                    f"{str(directory)!r} is not empty and holds no {self.contents} (there is {other[0]!r}); "
                    "give an empty or a new directory"
                )
        above = next(path for path in (directory, *directory.absolute().parents) if path.exists())
        if not os.access(above, os.W_OK | os.X_OK) or not above.is_dir():
            raise BadInput(f"results can't be written to {str(directory)!r}: no permission in {str(above)!r}")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other runs out of the directory, which is made where there is none."""
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            with filelock.FileLock(self.directory / _LOCK, timeout=0):
                (self.directory / self.records).mkdir(exist_ok=True)
                self._clear()
                yield
                self._clear()
        except filelock.Timeout:
            raise BadInput(f"another `{self.maker}` is writing to {str(self.directory)!r}; wait for it") from None
        except OSError as error:
            raise BadInput(f"results can't be written to {str(self.directory)!r}: {error.strerror}") from error

    @property
    def notes(self) -> Path:
        """A folder for what is of no use once the runs in flight have ended; emptied by `locked`."""
        folder = self.directory / _NOTES
        folder.mkdir(exist_ok=True)
        return folder

    def _clear(self) -> None:
        """Remove what a run leaves behind that is killed in the middle."""
        shutil.rmtree(self.directory / _NOTES, ignore_errors=True)
        for folder in (self.directory, self.directory / self.records):
            for leftover in folder.glob(".*.json.*"):
                if leftover.suffix[1:].isdigit():  # as `write_json` names them
                    leftover.unlink()

    def has_manifest(self) -> bool:
        """Whether something was written here."""
        return self.manifest_path.is_file()

    @property
    def manifest_path(self) -> Path:
        """Where the manifest is."""
        return self.directory / self.manifest_name

    def record_path(self, key: str) -> Path:
        """Where a record is."""
        return self.directory / self.records / f"{key}.json"

    def environment(self) -> dict[str, Any]:
        """The environment of the last execution; empty where none is recorded."""
        path = self.directory / _ENVIRONMENT
        try:
            return dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return {}

    def write_environment(self, environment: dict[str, Any]) -> None:
        """Replace the environment."""
        write_json(self.directory / _ENVIRONMENT, environment)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write under a temporary name and rename, so that a kill at any moment leaves the old file or the new one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(content, file, indent=1)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def write_text(path: Path, text: str) -> Path:
    """A text file, whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    return temporary.replace(path)
