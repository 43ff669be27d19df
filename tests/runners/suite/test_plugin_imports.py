"""A loose file that can't be taken, or can't be imported: contained, and said, whatever it does."""

import os
import re
import signal
import subprocess
import sys
import threading
import time

import pytest

from throughtime.algorithms import ALGORITHMS
from throughtime.parts import BadInput, Broken, containment
from throughtime.runners.suite.plugins import load_plugin, loaded

from .conftest import GOOD

pytestmark = pytest.mark.usefixtures("nothing_stays")

WRONG = {
    "no such file": ("nowhere.py", None, "a plugin is a Python file, and there is none"),
    "no Python": ("plugin.txt", GOOD, "a plugin is a Python file"),
    "no name for a module": ("my-plugin.py", GOOD, "letters, digits and underscores"),
    "nothing in it": ("empty.py", "x = 1", "it needs a class derived from one of Algorithm, Forcing, Task, AnyCell"),
    "unfinished": (
        "unfinished.py",
        "from throughtime.algorithms import Algorithm\nclass Mine(Algorithm): pass",
        "its class Mine lacks updates",
    ),
    "a built-in's name": (
        "clash.py",
        GOOD.replace("Tenth", "RTRL"),
        r"two things are the algorithm 'rtrl': .*rtrl\.py and .*clash\.py; rename",
    ),
}

FAILING = {
    "a syntax error": (
        "x = 1\ndef f(:\n",
        r"importing the plugin .*failing\.py failed \(.*failing\.py, line 2\): SyntaxE",
    ),
    "a missing package": ("import no_such_package", "ModuleNotFoundError: No module named 'no_such_package'"),
    "an exception": ("\n\n1 / 0", r"\(.*failing\.py, line 3\): ZeroDivisionError"),
    "an exit": ("import sys\nsys.exit('good bye')", "SystemExit: good bye"),
    "an endless loop": ("while True: pass", "took longer than 0.2 s"),
    "a Ctrl-C of its own": ("\nraise KeyboardInterrupt", r"\(.*failing\.py, line 2\): KeyboardInterrupt$"),
    "a cancelled task": ("import asyncio\nraise asyncio.CancelledError", "CancelledError$"),
    "the end of a generator": ("raise GeneratorExit", "GeneratorExit$"),
    "a test that is skipped": ("import pytest\npytest.importorskip('no_such_package')", "Skipped: could not import"),
    "a name that is no text": (
        "import os\nopen(os.fsdecode(b'/no/such/\\xff'))",
        r"FileNotFoundError: \[Errno 2\] No such file or directory: '/no/such/",
    ),
    "an error that fails": (
        "class Mute(Exception):\n    def __str__(self):\n        return {}['no words']\n\n\nraise Mute",
        r"Mute: its message can't be told \(KeyError\)",
    ),
    "a loop that catches it once": (
        "try:\n    while True: pass\nexcept BaseException: pass\nwhile True: pass",
        "took longer than 0.2 s",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_with_a_file_is_said(tmp_path, what):
    name, text, message = WRONG[what]
    if text is not None:
        (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match=message):
        load_plugin(tmp_path / name)
    assert not loaded()


@pytest.mark.parametrize("what", FAILING)
def test_a_file_that_cannot_be_imported_is_contained(write, monkeypatch, capsys, what):
    monkeypatch.setattr(containment, "SECONDS", 0.2)
    text, message = FAILING[what]
    with pytest.raises(Broken, match=message) as caught:
        load_plugin(write("failing.py", text))
    assert str(caught.value).encode()  # halves of characters can be neither printed nor kept
    assert not loaded()
    assert capsys.readouterr() == ("", "")


SWALLOWING = {
    "computing": "while True:\n    try:\n        while True: pass\n    except BaseException:\n        pass\n",
    "waiting": "import time\nwhile True:\n    try:\n        time.sleep(9)\n    except BaseException:\n        pass\n",
}

LOADING = """
import sys
from throughtime.parts import containment
from throughtime.runners.suite.plugins import load_plugin

containment.SECONDS = 0.2
load_plugin(sys.argv[1])
"""


@pytest.mark.parametrize("what", SWALLOWING)
def test_a_file_that_catches_whatever_would_stop_it_ends_the_process_with_a_word(write, what):
    words = [sys.executable, "-c", LOADING, str(write("endless.py", SWALLOWING[what]))]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert ended.returncode in (1, 2)  # 1 where an alarm hit the moment between two times of catching: `Broken`
    words = r"importing the plugin \S*endless\.py took longer than 0\.2 s \(\S*endless\.py, line \d\)"
    if ended.returncode == 2:
        words = f"throughtime: {words} and catches what would stop it: leave the code out or mend it\n"
        assert re.fullmatch(words, ended.stderr)
    assert re.search(words, ended.stderr)


def test_a_file_that_never_comes_back_from_c_ends_the_process_with_the_place(write):
    path = write("endless.py", "import itertools\n\nsum(itertools.repeat(1))\n")
    words = [sys.executable, "-c", LOADING, str(path)]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 1
    assert f'File "{path}", line 3 in <module>' in ended.stderr


@pytest.mark.parametrize("text", ["time.sleep(60)", "try:\n    time.sleep(60)\nexcept BaseException:\n    pass"])
def test_a_ctrl_c_of_the_user_is_one_whatever_a_file_does_with_it(write, text):
    path = write("slow.py", f"import time\n{text}\n{GOOD}")
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        load_plugin(path)
    timer.join()
    assert not loaded()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_time_in_which_the_process_stood_still_is_not_the_files(write, monkeypatch):
    looks = iter(range(10**6))

    def now():
        return time.monotonic() + (0.0 if next(looks) < 2 else 1e6)  # as after a night with the lid closed

    monkeypatch.setattr(containment, "now", now)
    monkeypatch.setattr(containment, "SECONDS", 4.0)
    load_plugin(write(text=f"import time\ntime.sleep(1.5)\n{GOOD}"))
    assert "tenth" in ALGORITHMS.names()
