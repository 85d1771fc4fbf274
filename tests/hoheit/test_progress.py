"""A person sees what is being done and for how long, on a terminal and in a log."""

import io

import pytest

from hoheit.progress import Progress
from tests.conftest import wait_until


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_the_running_step_with_detail_and_seconds() -> None:
    out = Terminal()
    with Progress(out).step("Building") as step:
        step.update("3 of 9: downloading")
        wait_until(lambda: "Building · 0 s · 3 of 9: downloading" in out.getvalue(), "it is shown")
    assert "✔ Building" in out.getvalue()


def test_a_log_gets_whole_lines_without_control_codes() -> None:
    out = io.StringIO()
    with Progress(out).step("Building"):
        pass
    first, last = out.getvalue().splitlines()
    assert first == "… Building"
    assert last.startswith("✔ Building · ")
    assert "\x1b" not in out.getvalue()


def test_a_step_that_fails_is_marked_and_the_error_goes_on() -> None:
    out = io.StringIO()
    with pytest.raises(ValueError, match="no"), Progress(out).step("Building"):
        raise ValueError("no")
    assert out.getvalue().splitlines()[-1].startswith("✘ Building · ")
