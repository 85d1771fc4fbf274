"""Shows what is being done and for how long, on a terminal and in a log alike.

Standard library only: it also runs before anything is installed.
"""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_REDRAW_S = 0.1
_LOG_EVERY_S = 10.0


class Step:
    """One thing being done. `update` says what is happening in it right now."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.detail = ""
        self.started = time.monotonic()

    def update(self, detail: str) -> None:
        self.detail = detail

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started


class Progress:
    """Prints steps to `out`: a spinner with elapsed time on a terminal, else a line every ten seconds."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out if out is not None else sys.stderr
        self._terminal = self._out.isatty()

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Shows `title` while the body runs, then whether it succeeded and how long it took."""
        step = Step(title)
        done = threading.Event()
        shown = threading.Thread(target=self._show, args=(step, done), daemon=True)
        shown.start()
        mark = "✘"
        try:
            yield step
            mark = "✔"
        finally:
            done.set()
            shown.join()
            self._line(f"{mark} {title} · {step.seconds:.1f} s")

    def say(self, text: str) -> None:
        """Prints one line of its own."""
        self._line(text)

    def _show(self, step: Step, done: threading.Event) -> None:
        if not self._terminal:
            self._line(f"… {step.title}")
        frame = 0
        while not done.wait(_REDRAW_S if self._terminal else _LOG_EVERY_S):
            text = f"{step.title} · {step.seconds:.0f} s"
            text += f" · {step.detail}" if step.detail else ""
            if self._terminal:
                line = f"{_FRAMES[frame % len(_FRAMES)]} {text}"
                self._out.write("\r\x1b[2K" + line[: _width()])
                self._out.flush()
                frame += 1
            else:
                self._line(f"… {text}")

    def _line(self, text: str) -> None:
        self._out.write(("\r\x1b[2K" if self._terminal else "") + text + "\n")
        self._out.flush()


def _width() -> int:
    import shutil

    return max(20, shutil.get_terminal_size().columns - 1)
