"""As a script: a command is given over and over, harmed each time at another of the operations that it does on files.

    python crash.py FOLDER PLACES WORDS...

gives `throughtime WORDS` in a fresh copy of FOLDER, once undisturbed and then harmed: by SIGKILL ("kill"), in the
middle of what is written, or by ENOSPC ("full"), from there on. PLACES are "all", each in both ways, or "some": one of
each kind of operation. Each time the command is given once more, undisturbed. What is found is printed as JSON: the
operations, and of each place what went wrong; nothing did where its list is empty.

Every command is a fork of this process, which has imported all: a hundred operations take minutes, not hours. Jobs are
done without workers, which write nothing that is kept.
"""

import builtins
import contextlib
import errno
import io
import json
import os
import re
import shutil
import signal
import sys
import traceback
from concurrent.futures import Future
from pathlib import Path

PATIENCE = 120
"""Seconds for a command: more is a hang."""

SOME = {"open": "full", "write": "kill", "fsync": "full", "rename": "kill", "mkdir": "full", "unlink": "kill"}
"""How one of each kind is harmed."""

ROOM = ("open", "write", "fsync", "mkdir", "rename")
"""What a full disk refuses; whatever is removed makes room."""


class Operations:
    """What is done to files below a folder, counted; from the operation `harmed` on as `how` says."""

    def __init__(self, folder, how="", harmed=-1):
        self.folder, self.how, self.harmed = str(folder), how, harmed
        self.done = []
        sys.addaudithook(self._hear)
        self._open, self._fsync = io.open, os.fsync
        io.open = builtins.open = self._opened
        os.fsync = self._synced

    def _hear(self, event, args):
        if event == "open":
            path, mode, flags = args
            if isinstance(path, int) or not (set(mode or "") & set("wax+") or flags & (os.O_WRONLY | os.O_RDWR)):
                return
            self.count("open", path)
        elif event in ("os.rename", "os.mkdir", "os.remove", "os.rmdir"):
            kind = {"os.remove": "unlink"}.get(event, event.removeprefix("os."))
            self.count(kind, args[0], inside=args[-1] != -1 and kind in ("unlink", "rmdir"))

    def _opened(self, path, mode="r", *args, **rest):
        file = self._open(path, mode, *args, **rest)
        return Torn(file, path, self) if set(mode) & set("wax+") and not isinstance(path, int) else file

    def _synced(self, fd):
        self.count("fsync", Path(f"/proc/self/fd/{fd}").readlink())
        self._fsync(fd)

    def count(self, kind, path, inside=False, before=lambda: None):
        """One more; harmed if it is its turn. `inside`: the path is below a folder that was opened."""
        if isinstance(path, bytes):
            path = os.fsdecode(path)
        name = os.path.abspath(os.fspath(path))  # noqa: PTH100 (what resolves links asks for more)
        if not inside and not name.startswith(self.folder):
            return
        number = len(self.done)
        self.done.append((kind, re.sub(r"\.\d+$", ".PID", name.removeprefix(self.folder))))
        if number == self.harmed or (self.is_full and kind in ROOM):
            self.harm(name, before)

    @property
    def is_full(self):
        """Whether the disk is, by now."""
        return self.how == "full" and 0 <= self.harmed < len(self.done)

    def harm(self, name, before=lambda: None):
        """End here, or say that the disk is full."""
        before()
        if self.how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), name)


class Torn:
    """A file that is written; where its first write is harmed, half of it has reached the disk."""

    def __init__(self, file, path, operations):
        self._file, self._path, self._operations, self._fresh = file, path, operations, True

    def write(self, data):
        def half():
            self._file.write(data[: len(data) // 2])
            self._file.flush()

        if self._fresh:
            self._fresh = False
            self._operations.count("write", self._path, before=half)
        elif self._operations.is_full:
            self._operations.harm(str(self._path))
        return self._file.write(data)

    def __enter__(self):
        self._file.__enter__()
        return self

    def __exit__(self, *error):
        return self._file.__exit__(*error)

    def __iter__(self):
        return iter(self._file)

    def __getattr__(self, name):
        return getattr(self._file, name)


class Here:
    """Stands in for a pool of workers: each piece of work is done at once, in this process."""

    def schedule(self, work, args=(), timeout=None):
        future = Future()
        future.set_running_or_notify_cancel()
        try:
            future.set_result(work(*args))
        except Exception as error:
            future.set_exception(error)
        return future


@contextlib.contextmanager
def here(workers, jobs_a_process=0):
    """In place of `worker_pool`."""
    yield Here()


def prepare():
    """Import all, once, and let figures be empty: that they are written matters here."""
    import scipy.stats  # noqa: F401
    import seaborn  # noqa: F401
    import torch
    from matplotlib.backends import backend_agg  # noqa: F401

    from throughtime.runners.commands import cli
    from throughtime.runners.execution import local
    from throughtime.runners.showing import canvas, plots, saved
    from throughtime.runners.training import train  # noqa: F401

    torch.set_num_threads(1)
    local.worker_pool = here
    saved.DPI = 20
    names = ("frontier", "curves_steps", "curves_seconds", "gradient")
    plots._figures = lambda results: {name: lambda: canvas.canvas(["a panel"], "a figure")[0] for name in names}
    return cli.main


def give(main, words, folder):
    """Give a command in this process, in a folder: its exit code; 99 where it ends with a traceback."""
    os.chdir(folder)
    sys.argv = ["throughtime", *words]
    try:
        with contextlib.redirect_stdout(sys.stderr):
            main()
    except SystemExit as end:
        return end.code or 0
    except BaseException:
        traceback.print_exc()
        return 99
    return 0


def command(main, words, folder, how="", harmed=-1):
    """Give a command in a fork: how it ended (minus the signal), what it printed, and its operations."""
    printed, told = folder / "printed", folder / "operations"
    pid = os.fork()
    if pid == 0:
        with open(printed, "w") as file:  # noqa: PTH123
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
        signal.alarm(PATIENCE)
        operations = Operations(folder / "out", how, harmed)
        code = give(main, words, folder)
        operations.harmed = -1
        sys.stdout.flush()
        sys.stderr.flush()
        told.write_text(json.dumps(operations.done))
        os._exit(code)
    _, status = os.waitpid(pid, 0)
    done = json.loads(told.read_text()) if told.exists() else []
    told.unlink(missing_ok=True)
    return os.waitstatus_to_exitcode(status), printed.read_text(), done


def files(out):
    """Those of a directory with their content, but for temporary ones."""
    temporary = re.compile(r"\..+\.\d+")
    found = {}
    for path in sorted(out.rglob("*")):
        if path.is_file() and not temporary.fullmatch(path.name) and ".running" not in path.parts:
            found[str(path.relative_to(out))] = path.read_bytes()
    return found


def torn(name, content):
    """Whether a file is not whole."""
    if name.endswith(".json"):
        try:
            json.loads(content)
        except ValueError:
            return True
        return False
    if name.endswith(".png"):
        return not content.endswith(b"IEND\xaeB`\x82")
    return name.startswith("table") and not content.endswith(b"\n")


def numbers(found):
    """Of records what repeats exactly."""
    records = {name: json.loads(text) for name, text in found.items() if re.fullmatch(r"(runs|points)/\w+\.json", name)}
    kept = ("status", "test", "validation", "peak_bytes", "flops", "ops", "updates")
    return {name: [record.get(one) for one in kept] for name, record in records.items()}


def harmed(main, words, source, how, number, right):
    """What goes wrong where one operation is harmed, and the command given again."""
    folder = source.parent / f"{source.name}-{how}-{number}"
    shutil.copytree(source, folder)
    code, printed, _ = command(main, words, folder, how, number)
    wrong = [] if code in ((-signal.SIGKILL,) if how == "kill" else (0, 2)) else [f"it ended with {code}"]
    if how == "full" and code == 2 and "No space left on device" not in printed:
        wrong.append("it does not say why")
    between = files(folder / "out")
    wrong += [f"{name} is torn" for name, content in between.items() if torn(name, content)]
    finished = {name: content for name, content in between.items() if b'"status": "done"' in content}
    again, printed_again, _ = command(main, words, folder)
    after = files(folder / "out")
    if again != 0:
        wrong.append(f"the second time it ended with {again}")
    wrong += [f"{name} was lost" for name, content in finished.items() if after.get(name) != content]
    if numbers(after) != numbers(right):
        wrong.append("the results differ")
    wrong += [f"{name} is there" for name in sorted(after.keys() ^ right.keys())]
    left = [path.name for path in (folder / "out").rglob(".*") if path.name != ".lock"]
    wrong += [f"{name} was left" for name in left]
    if "Traceback" in printed + printed_again:
        wrong.append("a traceback")
    if wrong:
        wrong += [printed[-2000:], printed_again[-2000:]]
    shutil.rmtree(folder)
    return wrong


def chosen(places, done):
    """What is harmed: how, and the number of the operation."""
    if places == "all":
        return [(how, number) for how in ("kill", "full") for number in range(len(done))]
    kinds = {}
    for number, (kind, _) in enumerate(done):
        kinds.setdefault(kind, []).append(number)
    return [(how, kinds[kind][len(kinds[kind]) // 2]) for kind, how in SOME.items()]


def main(folder, places, *words):
    """All of it."""
    source, throughtime = Path(folder).resolve(), prepare()
    first = source.parent / f"{source.name}-right"
    shutil.copytree(source, first)
    give(throughtime, words, first)  # in this process, for what is imported on the way
    shutil.rmtree(first / "out")
    code, printed, done = command(throughtime, words, first)
    assert code == 0, printed
    right = files(first / "out")
    found = [
        (how, *done[number], harmed(throughtime, words, source, how, number, right))
        for how, number in chosen(places, done)
    ]
    json.dump({"operations": done, "found": found}, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
