"""Makes a part end with the supervisor that started it, even when that one is killed outright."""

import ctypes
import os
import signal
import sys

PARENT_VARIABLE = "HOHEIT_PARENT"
_PR_SET_PDEATHSIG = 1  # prctl(2)


def end_with_parent() -> None:
    """Asks the kernel to send SIGTERM when the supervisor dies; does nothing in a process without one.

    The request survives `exec`, so it also covers a part that becomes another program (Open WebUI).
    """
    parent = os.environ.get(PARENT_VARIABLE)
    if parent is None or sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(parent):  # it died before the kernel knew
        sys.exit(1)
