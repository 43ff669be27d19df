"""Where the machine code of kernels is kept: what is the user's own and can be written, and who compiles."""

import os
import threading
import time

import pytest
import torch

from throughtime.networks.compiled import cache

pytest.importorskip("numba")


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(cache.tempfile, "gettempdir", lambda: str(tmp_path / "temporary"))
    cache.cache_folder.cache_clear()
    yield tmp_path
    cache.cache_folder.cache_clear()


def test_it_is_under_the_users_cache(home):
    folder = cache.cache_folder()
    assert folder.parent == home / "home" / "throughtime"
    assert folder.stat().st_mode & 0o777 == 0o700


def test_another_place_where_that_cannot_be_made(home):
    (home / "home").write_text("in the way")
    assert cache.cache_folder().parent.parent == home / "temporary"


def test_none_where_nothing_can_be_made(home):
    (home / "home").write_text("in the way")
    (home / "temporary").write_text("in the way")
    assert cache.cache_folder() is None
    with cache.compiling("window-rnn-float32"):  # which works all the same
        pass
    assert not cache.is_compiled("window-rnn-float32")


@pytest.mark.parametrize("theirs", ["throughtime", "kernels-"])
def test_no_code_is_taken_from_another_users_folder(home, monkeypatch, theirs):
    under_home = str(home / "home")
    monkeypatch.setattr(
        cache, "_is_ours", lambda folder: not (str(folder).startswith(under_home) and folder.name.startswith(theirs))
    )
    assert cache.cache_folder().parent.parent == home / "temporary"


def test_other_sources_have_another_folder(home, monkeypatch):
    before = cache.cache_folder()
    cache.cache_folder.cache_clear()
    monkeypatch.setattr(cache.importlib.metadata, "version", lambda name: "1.2.3")
    assert cache.cache_folder() != before


def test_what_was_not_used_for_long_goes_when_another_is_made(home):
    parent = home / "home" / "throughtime"
    old, recent, other = (parent / name for name in ("kernels-old", "kernels-recent", "settings"))
    for folder in (old, recent, other):
        folder.mkdir(parents=True)
    long_ago = time.time() - (cache.UNUSED_DAYS + 1) * 24 * 3600
    for folder in (old, other):
        os.utime(folder, (long_ago, long_ago))
    cache.cache_folder()
    assert not old.exists()
    assert recent.exists()
    assert other.exists()


def test_one_compiles_and_the_others_wait(home):
    name, order = cache.name_of("window", "rnn", torch.float32), []
    assert name == "window-rnn-float32"
    begun = threading.Event()

    def first():
        with cache.compiling(name):
            begun.set()
            time.sleep(0.2)
            order.append("compiled")

    thread = threading.Thread(target=first)
    thread.start()
    begun.wait()
    with cache.compiling(name):
        order.append("loaded")
    thread.join()
    assert order == ["compiled", "loaded"]
    assert cache.is_compiled(name)


def test_what_failed_to_compile_is_not_there(home):
    with pytest.raises(RuntimeError), cache.compiling("window-rnn-float32"):
        raise RuntimeError
    assert not cache.is_compiled("window-rnn-float32")
