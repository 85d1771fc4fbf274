"""The program `hoheit`, run in this process or in one of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hoheit import cli


class Program:
    """The program with a home of its own; `group` is what each of the commands begins with."""

    def __init__(self, home: Path, *group: str) -> None:
        self.home = home
        self._group = group

    @property
    def environment(self) -> dict[str, str]:
        return {"PATH": "/usr/bin:/bin", "COLUMNS": "100", "HOHEIT_HOME": str(self.home)}

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "hoheit", *self._group, *arguments]

    def process(self, *arguments: str, text: str = "") -> subprocess.CompletedProcess[bytes]:
        """Runs it as a process of its own."""
        return subprocess.run(
            self.command(*arguments),
            env=self.environment,
            input=text.encode(),
            capture_output=True,
            timeout=60,
        )

    def run(self, *arguments: str, text: str = "") -> subprocess.CompletedProcess[bytes]:
        """Runs it in this process, from its entry point to how it ends."""
        others: dict[str, str | None] = {
            name: None for name in os.environ if name.startswith("HOHEIT_")
        }
        with (
            CliRunner().isolation(text, env=others | self.environment) as (output, errors, _),
            pytest.MonkeyPatch.context() as patch,
        ):
            patch.setattr(sys, "argv", ["hoheit", *self._group, *arguments])
            with pytest.raises(SystemExit) as ended:
                cli.main()
            sys.stdout.flush()
            sys.stderr.flush()
            status = ended.value.code
            assert isinstance(status, int)
            return subprocess.CompletedProcess(
                arguments, status, output.getvalue(), errors.getvalue()
            )

    def said(self, *arguments: str, text: str = "") -> str:
        """What it prints where it ends well."""
        result = self.run(*arguments, text=text)
        assert result.returncode == 0, result.stderr.decode()
        return result.stdout.decode()

    def refused(self, *arguments: str, status: int = 1) -> str:
        """What it complains of, having printed nothing else."""
        result = self.run(*arguments)
        assert result.returncode == status, result.stderr.decode()
        assert result.stdout == b""
        assert b"Traceback" not in result.stderr
        return result.stderr.decode()
