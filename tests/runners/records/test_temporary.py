"""Temporary folders: gone with their block, and after a kill with the next one; those of others stay."""

import os
import subprocess
import sys
import tempfile

import pytest

from throughtime.parts import BadInput
from throughtime.runners.records.temporary import temporary_folder

KILLED = """
import os, signal
from throughtime.runners.records.temporary import temporary_folder
with temporary_folder() as folder:
    (folder / "inside").mkdir()
    (folder / "inside" / "file").touch()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Where temporary folders are made, and nothing else is."""
    folder = tmp_path / "place"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def abandoned(place):
    """What a killed process left."""
    subprocess.run([sys.executable, "-c", KILLED], env={**os.environ, "TMPDIR": str(place)}, check=False)
    (folder,) = [path for path in place.iterdir() if path.is_dir()]
    assert (folder / "inside" / "file").exists()
    return folder


def test_it_goes_with_its_block(place):
    with temporary_folder() as folder:
        (folder / "file").touch()
        assert folder.parent == place
    assert not list(place.iterdir())
    with pytest.raises(KeyboardInterrupt), temporary_folder():
        raise KeyboardInterrupt
    assert not list(place.iterdir())


def test_one_whose_process_was_killed_goes_when_the_next_is_made(place, abandoned):
    with temporary_folder() as folder:
        assert not abandoned.exists()
        assert folder.exists()
    assert not list(place.iterdir())


def test_one_that_is_in_use_stays(place):
    with temporary_folder() as one, temporary_folder() as other:
        assert one.is_dir()
        assert other.is_dir()


def test_what_is_not_ours_stays(place, abandoned, monkeypatch):
    (place / "throughtime-notes").mkdir()
    (place / "throughtime-data").mkdir()
    (place / "throughtime-data.lock").symlink_to(place / "throughtime-notes")
    (place / "throughtime-link").symlink_to(place / "throughtime-notes")
    (place / "throughtime-link.lock").touch()
    with monkeypatch.context() as another_user:
        another_user.setattr(os, "getuid", lambda: -1)
        with temporary_folder():
            assert abandoned.exists()
    with temporary_folder():
        assert not abandoned.exists()
    assert sorted(path.name for path in place.iterdir() if not path.name.endswith(".lock")) == [
        "throughtime-data",
        "throughtime-link",
        "throughtime-notes",
    ]


def test_a_place_that_takes_none_is_told(place):
    place.rmdir()
    with pytest.raises(BadInput, match=r"No such file or directory.*TMPDIR"), temporary_folder():
        pass
