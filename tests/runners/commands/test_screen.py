"""The screen can't break the work: closed pipes, full devices, narrow encodings."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from throughtime.runners.commands.screen import Patient

REFERENCE = Path(__file__).parents[3] / "results" / "reference" / "influence_balancing"
TABLE = [sys.executable, "-c", "from throughtime.runners.commands.cli import main; main()", "table", str(REFERENCE)]


def test_what_an_encoding_does_not_have_is_replaced():
    raw = io.BytesIO()
    stream = Patient(io.TextIOWrapper(raw, encoding="ascii"))
    assert stream.write("1 ↓ θ\n") == 6
    stream.flush()
    assert raw.getvalue() == b"1 ? ?\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
def test_a_full_device_is_told_nothing_more():
    stream = Patient(open("/dev/full", "w", encoding="utf-8"))  # noqa: SIM115, PTH123 (it stays open)
    for _ in range(3):
        stream.write("x" * 100_000)
        stream.flush()
    stream.close()


def test_a_reader_that_is_gone_is_no_error():
    reading, writing = os.pipe()
    os.close(reading)
    stream = Patient(os.fdopen(writing, "w"))
    stream.write("x" * 100_000)
    stream.flush()
    stream.close()


def test_the_rest_is_as_of_any_stream():
    assert Patient(sys.__stdout__).encoding == sys.__stdout__.encoding
    assert not Patient(io.StringIO()).isatty()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
def test_a_command_ends_well_on_a_full_device_in_ascii():
    with Path("/dev/full").open("w") as full:
        environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
        done = subprocess.run(TABLE, stdout=full, stderr=subprocess.PIPE, env=environment, timeout=120, check=False)
    assert done.returncode == 0
    assert done.stderr == b""
