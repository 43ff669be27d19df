"""A directory of results: a manifest, and one JSON record for each thing that was run; every file whole or not there.

DIR/manifest.json      what was asked for, and the records' keys in the order of a table
DIR/environment.json   machine, versions and load, as of the last time that something was executed
DIR/runs/KEY.json      one record
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, ClassVar, Generic, Self, TypeVar

import filelock
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from throughtime.parts import BadInput

from .files import is_abandoned, is_temporary, read_regular, write_json
from .kept import Kept

Key = Annotated[str, Field(pattern=r"^[0-9a-f]{20}$")]
"""Of a record, in a manifest: it is a part of a path."""

_LOCK, _NOTES, _ENVIRONMENT, _FIGURES = ".lock", ".running", "environment.json", "figures"

ELSEWHERE = ".elsewhere"
"""A folder of what tasks of a cluster have and give, which outlives a client that was killed."""


class Asked(BaseModel):
    """What every manifest says: the layout's version, who wrote it, and the device that all was run on.

    `file` is where the suite was read from, or the script that made it, seen from the directory, so that it holds where
    both are moved together and names no home; empty for a built-in suite, and for what was typed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int
    version: str
    device: Annotated[str, Field(pattern="^(cpu|cuda)$")]
    file: str = ""

    @property
    def rows(self) -> dict[str, str]:
        """Each row of its tables: by all that was asked of it, what it is called."""
        raise NotImplementedError

    @property
    def subject(self) -> str:
        """Whose results these are, for a message."""
        raise NotImplementedError


M = TypeVar("M", bound=Asked)
R = TypeVar("R", bound=Kept)


class Store(Generic[M, R]):
    """A directory that holds records in a folder of its own, and a manifest that orders them.

    Attributes:
        manifest_type: what the manifest holds.
        record_type: what a record holds.
        format: the version of this layout; a change that older code can't read raises it.
        manifest_name: the manifest's file.
        records: the folder of the records.
        contents: what it holds, in a message's words.
        maker: the command that writes it.
        also: files that may stand in it without a manifest.
        indent: of the records' JSON; None: each on one line.
        doubted: records that were read and not believed: by key why.
    """

    manifest_type: type[M]
    record_type: type[R]
    format: ClassVar[int]
    manifest_name: ClassVar[str] = "manifest.json"
    records: ClassVar[str] = "runs"
    contents: ClassVar[str] = "results"
    maker: ClassVar[str] = "throughtime run"
    also: ClassVar[tuple[str, ...]] = ()
    indent: ClassVar[int | None] = 1

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)
        self.doubted: dict[str, str] = {}

    @classmethod
    def open(cls, directory: str | Path) -> Self:
        """A directory that holds such results; `BadInput` if it does not."""
        store = cls(directory)
        if not store.directory.is_dir():
            raise BadInput(f"there is no directory {str(directory)!r}; `{cls.maker} SUITE --out DIR` makes one")
        if not store.has_manifest():
            raise BadInput(f"{str(directory)!r} holds no throughtime {cls.contents} (no {cls.manifest_name} in it)")
        store.manifest()
        return store

    def check_writable(self, subject: str) -> None:
        """`BadInput` unless the results of `subject` can be written here; makes no directory and no file."""
        directory = self.directory
        if directory.exists() and not directory.is_dir():
            raise BadInput(f"{str(directory)!r} is a file; give a directory to write results into")
        if self.has_manifest():
            there = self.manifest().subject
            if there != subject:
                raise BadInput(
                    f"{str(directory)!r} holds the {self.contents} of {there}, not of {subject}; "
                    "give another directory with --out"
                )
        elif directory.is_dir():
            self._check_empty()
        above = next(path for path in (directory, *directory.absolute().parents) if path.exists())
        if not os.access(above, os.W_OK | os.X_OK) or not above.is_dir():
            raise BadInput(f"results can't be written to {str(directory)!r}: no permission in {str(above)!r}")

    def check_origin(self, file: Path | None, rows: Mapping[str, str]) -> None:
        """`BadInput` where rows of another suite of the same name would vanish from the tables.

        A suite is edited and run again, and its rows come and go: that is how people work, so whatever comes from the
        same file may replace what is here; and so may a file that was moved, as long as it drops and changes nothing.
        """
        if not self.has_manifest():
            return
        manifest = self.manifest()
        gone = [name for row, name in manifest.rows.items() if row not in rows]
        if gone and manifest.file != self.seen_from_here(file):
            there = (
                f"the file {(self.directory / manifest.file).resolve()}" if manifest.file else "no file: a built-in one"
            )
            raise BadInput(
                f"{str(self.directory)!r} holds the {self.contents} of another suite of this name, which comes from "
                f"{there}; {len(gone)} of its rows would vanish, such as {gone[0]}: give another directory with --out"
            )

    def seen_from_here(self, file: Path | None) -> str:
        """A suite's file as a manifest has it."""
        return "" if file is None else Path(os.path.relpath(file, self.directory.resolve())).as_posix()

    def _check_empty(self) -> None:
        """`BadInput` where there is something that we did not leave: a kill may come before the manifest."""
        mine = {_LOCK, _NOTES, _ENVIRONMENT, ELSEWHERE, self.records, *self.also}
        there = sorted(entry.name for entry in self.directory.iterdir())
        other = [name for name in there if name not in mine and not is_temporary(name)]
        if other:
            raise BadInput(
                f"{str(self.directory)!r} is not empty and holds no throughtime {self.contents} (there is "
                f"{other[0]!r}); give an empty or a new directory"
            )

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
        """Remove what a kill in the middle of a write leaves behind."""
        shutil.rmtree(self.directory / _NOTES, ignore_errors=True)
        for folder in (self.directory, *(self.directory / name for name in (self.records, *self.also, _FIGURES))):
            for entry in folder.iterdir() if folder.is_dir() else ():
                if is_abandoned(entry.name) and entry.is_file():
                    entry.unlink(missing_ok=True)

    def has_manifest(self) -> bool:
        """Whether something was written here."""
        return self.manifest_path.is_file()

    @property
    def manifest_path(self) -> Path:
        """Where the manifest is."""
        return self.directory / self.manifest_name

    def manifest(self) -> M:
        """The manifest; `BadInput` if another version of throughtime wrote it."""
        try:
            written = json.loads(read_regular(self.manifest_path))
            if isinstance(written, dict) and written.get("format") != self.format:
                raise BadInput(
                    f"{str(self.directory)!r} has {self.contents} of format {written.get('format')}, written by "
                    f"throughtime {written.get('version')}; this version reads format {self.format}: give another "
                    "directory"
                )
            return self.manifest_type.model_validate(written)
        except (ValueError, RecursionError) as error:
            reason = " ".join(str(error).split())[:300]
            raise BadInput(f"{str(self.manifest_path)!r} can't be read ({reason}); give another directory") from None

    def write_manifest(self, manifest: M) -> None:
        """Replace the manifest."""
        write_json(self.manifest_path, manifest.model_dump(mode="json"))

    def record_path(self, key: str) -> Path:
        """Where a record is."""
        return self.directory / self.records / f"{key}.json"

    def record(self, key: str, settings: BaseModel | None = None) -> R | None:
        """The record of a key; None where there is none, or where what there is can't be read or believed.

        Args:
            key: its file's name, which must be the key in it too: a file may have been copied.
            settings: what it must be of; a key can't be taken apart to tell. None: whatever it says.

        Raises:
            BadInput: there is something else in its place, a folder say.
        """
        try:
            record = self.record_type.model_validate_json(read_regular(self.record_path(key)))
        except (FileNotFoundError, ValidationError):
            return None
        doubt = record.contradiction
        if record.key != key:
            doubt = f"its key is {record.key or 'empty'}"
        elif settings is not None and record.settings != settings:
            doubt = f"it is of {record.settings}, not of {settings}"
        if not doubt:
            return record
        self.doubted[key] = doubt
        return None

    def read(self, asked: Mapping[str, BaseModel]) -> dict[str, R]:
        """The records that there are, by key, in the order of the keys; of each key, what it must be of."""
        folder = self.directory / self.records
        there = {path.stem for path in folder.iterdir()} if folder.is_dir() else set()
        found = ((key, self.record(key, settings)) for key, settings in asked.items() if key in there)
        return {key: record for key, record in found if record is not None}

    def write_record(self, record: R) -> None:
        """Add or replace a record."""
        write_json(self.record_path(record.key), record.model_dump(mode="json"), indent=self.indent)

    def environment(self) -> dict[str, Any]:
        """The environment of the last execution; empty where none is recorded."""
        try:
            written = json.loads(read_regular(self.directory / _ENVIRONMENT))
        except (OSError, ValueError, RecursionError):
            return {}
        return written if isinstance(written, dict) else {}

    def write_environment(self, environment: dict[str, Any]) -> None:
        """Replace the environment."""
        write_json(self.directory / _ENVIRONMENT, environment)
