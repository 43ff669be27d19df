"""Absolute times of every algorithm on every cell, for reading: ``pytest tests/benchmarks --benchmark-only``.

They tell of this machine and this hour, so nothing is judged by them; `throughtime check` judges. In the ordinary run
each of them runs once.
"""

import pytest

from throughtime.runners.gate.cases import CASES


@pytest.mark.parametrize("case", CASES, ids=str)
def test_all_updates_of_a_batch(benchmark, case):
    workload = case.workload
    benchmark.group = case.cell
    benchmark.extra_info.update(algorithm=case.algorithm, cell=case.cell, time_steps=workload.length)
    benchmark(workload.prepare().run)
