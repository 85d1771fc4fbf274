"""What spreading the tests over workers rests on: all have the same tests, and a shared house has one worker."""

import os
import subprocess
import sys
import time
from itertools import zip_longest
from pathlib import Path

ROOT = Path(__file__).parents[2]
TESTS = """
import os
import pytest

@pytest.mark.xdist_group("house")
@pytest.mark.parametrize("number", range(6))
def test_in_a_group(number):
    with open("workers.txt", "a") as file:
        print(os.environ["PYTEST_XDIST_WORKER"], file=file)
"""


def pytest_command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]


def test_a_group_of_tests_has_one_worker(tmp_path: Path) -> None:
    (tmp_path / "test_grouped.py").write_text(TESTS, encoding="utf-8")
    subprocess.run(
        pytest_command("-n", "2", "--dist", "loadgroup"),
        cwd=tmp_path,
        check=True,
        capture_output=True,
        timeout=120,
    )
    workers = (tmp_path / "workers.txt").read_text("utf-8").split()
    assert len(workers) == 6
    assert len(set(workers)) == 1


def test_every_worker_collects_the_same_tests() -> None:
    """No name of a test depends on the clock or on the order of a set: workers that do not agree run none."""
    collecting = []
    for seed in ("1", "2"):
        collecting.append(
            subprocess.Popen(
                pytest_command("--collect-only", "-q"),
                cwd=ROOT,
                env={**os.environ, "PYTHONHASHSEED": seed},
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        time.sleep(1.1)  # so that no second is the same for both
    first, second = (process.communicate(timeout=300)[0].splitlines() for process in collecting)
    assert [process.returncode for process in collecting] == [0, 0]
    assert len(first) > 1_000
    # The last line says how long it took.
    pairs = zip_longest(first[:-1], second[:-1])
    assert [pair for pair in pairs if pair[0] != pair[1]] == []
