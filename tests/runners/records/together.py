"""As a script: one command is given by many processes at the same moment, in one folder.

    python together.py FOLDER NUMBER WORDS...

How each ended, and what it printed, is printed as JSON. The processes are forks of this one, which has imported all.
"""

import json
import os
import shutil
import signal
import sys
from pathlib import Path

import crash


def start(main, words, folder, number, gate):
    """A process that waits at the gate, and then gives the command."""
    pid = os.fork()
    if pid == 0:
        os.close(gate[1])
        with (folder / f"printed-{number}").open("w") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
        signal.alarm(crash.PATIENCE)
        os.read(gate[0], 1)
        code = crash.give(main, words, folder)
        sys.stderr.flush()
        os._exit(code)
    return pid


def main(folder, number, *words):
    """All of it."""
    folder, throughtime = Path(folder).resolve(), crash.prepare()
    assert crash.give(throughtime, words, folder) == 0  # in this process, for what is imported on the way
    shutil.rmtree(folder / "out")
    gate = os.pipe()
    started = [start(throughtime, words, folder, one, gate) for one in range(int(number))]
    os.close(gate[1])  # which opens it
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in started]
    printed = [(folder / f"printed-{one}").read_text() for one in range(int(number))]
    json.dump(list(zip(codes, printed, strict=True)), sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
