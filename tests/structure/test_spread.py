"""What spreading the tests over workers rests on: all have the same tests, and a shared house has one worker."""

import subprocess
import sys
from pathlib import Path

import pytest

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


def name(item: pytest.Item) -> str:
    """Without the group, which pytest-xdist appends."""
    group = item.get_closest_marker("xdist_group")
    return item.nodeid.removesuffix(f"@{group.args[0]}") if group else item.nodeid


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


def test_every_worker_collects_the_same_tests(request: pytest.FixtureRequest) -> None:
    """No name of a test depends on the clock or on the order of a set: workers that do not agree run none."""
    ours = [name(item) for item in request.session.items]
    again = subprocess.run(
        pytest_command("--collect-only", "-q", *request.config.args),
        cwd=request.config.rootpath,
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    )
    known = set(ours)
    assert [line for line in again.stdout.splitlines() if line in known] == ours
