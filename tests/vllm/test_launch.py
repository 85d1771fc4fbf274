"""`hoheit vllm launch --run`: a model over two hosts by the commands that it prints.

Both are this machine: one is started here, the other one by ssh.
"""

import contextlib
import getpass
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from models import smollm2

from tests.conftest import ENVIRONMENTS, REPOSITORY, free_port, wait_until

KEYS = ("host", "user")
SSHD = """
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
"""
SSH = """
Host library
  HostName 127.0.0.1
  Port {port}
  User {user}
  IdentityFile {folder}/user
  IdentitiesOnly yes
  UserKnownHostsFile {folder}/known
"""


@dataclass
class Site:
    """Where the commands run: a home of its own, the hosts' file, and the port of the API."""

    home: Path
    hosts: Path
    port: int

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def command(self, *options: str) -> list[str]:
        given = ["--model", str(smollm2()), "--hosts", str(self.hosts), "--name", "smol"]
        given += ["--port", str(self.port), "--argument=--dtype=float32"]
        return [sys.executable, "-m", "hoheit", "vllm", "launch", *given, *options]

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "HOHEIT_HOME": str(self.home),
            "HOHEIT_ENVIRONMENTS_DIR": str(ENVIRONMENTS),
            # Where `ssh` finds the settings below.
            "PATH": f"{self.hosts.parent}:{os.environ['PATH']}",
        }

    def check(self, layout: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*(sys.executable, "-m", "hoheit", "vllm", "check"), self.address, "--layout", layout],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=150,
        )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("launch")
    home = folder / "home"
    # Over there nothing is known of this test's environment.
    there = [f"HOHEIT_HOME={home}", f"HOHEIT_ENVIRONMENTS_DIR={ENVIRONMENTS}"]
    there += [f"PYTHONPATH={REPOSITORY}", sys.executable, "-m", "hoheit", "vllm", "exec"]
    here = {"address": "127.0.0.1", "gpus": 0, "interface": "lo"}
    hosts = [
        {"name": "hall", "cores": "0", **here},
        {"name": "library", "cores": "1", "ssh": "library", "program": ["env", *there], **here},
    ]
    (folder / "hosts.yaml").write_text(yaml.safe_dump({"hosts": hosts}))
    with ssh_server(folder):
        yield Site(home, folder / "hosts.yaml", free_port())


@contextmanager
def ssh_server(folder: Path) -> Iterator[None]:
    """A real sshd for this user alone, and an `ssh` that knows it as `library`."""
    port = free_port()
    for name in KEYS:
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True
        )
    given = {"folder": folder, "port": port, "user": getpass.getuser()}
    (folder / "sshd_config").write_text(SSHD.format(**given))
    (folder / "ssh_config").write_text(SSH.format(**given))
    (folder / "known").write_text(f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text()}")
    wrapper = folder / "ssh"
    wrapper.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {folder}/ssh_config "$@"\n')
    wrapper.chmod(0o755)
    program = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program is not None, "run scripts/sshd"
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    server = subprocess.Popen([program, "-D", "-e", "-f", folder / "sshd_config"])
    try:
        yield
    finally:
        server.terminate()
        server.wait(20)


def processes(site: Site) -> list[int]:
    """All processes that were started with this site's home."""
    mark = f"HOHEIT_HOME={site.home}".encode()
    cache = f"VLLM_CACHE_ROOT={site.home}".encode()
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                told = (folder / "environ").read_bytes()
            except OSError:
                continue
            if mark in told or cache in told:
                found.append(int(folder.name))
    return found


@pytest.fixture(scope="module")
def running(site: Site) -> Iterator[subprocess.Popen[bytes]]:
    log = site.hosts.with_name("launch.log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            site.command("--run"),
            env=site.environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )

    def ready() -> bool:
        assert process.poll() is None, log.read_text()[-3000:]
        return "smol answers at" in log.read_text()

    try:
        wait_until(ready, "the pipeline answers", 240)
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.wait(60)


def test_the_printed_commands_are_those_of_both_hosts(site: Site) -> None:
    printed = subprocess.run(
        site.command(), env=site.environment, capture_output=True, text=True, check=True
    )
    lines = [line for line in printed.stdout.splitlines() if line and not line.startswith("#")]

    assert ["--headless" in shlex.split(line) for line in lines] == [False, True]
    assert all("--pipeline-parallel-size 2" in line for line in lines)
    assert f'base_url = "{site.address}"' in printed.stdout


def test_check_knows_the_layout_of_what_runs(site: Site, running: subprocess.Popen[bytes]) -> None:
    right, wrong = site.check("pp2"), site.check("tp2")

    assert right.returncode == 0, right.stdout
    assert "(pp2)" in right.stdout
    assert wrong.returncode == 1
    assert "laid out as pp2 instead of tp2" in wrong.stdout


def test_ctrl_c_ends_the_servers_of_all_hosts(site: Site, running: subprocess.Popen[bytes]) -> None:
    running.send_signal(signal.SIGINT)

    assert running.wait(60) == 0
    wait_until(lambda: not processes(site), "those that ssh started end as well")


def test_a_host_ends_when_the_first_one_is_lost(site: Site) -> None:
    """As their units run them, each by itself: vLLM's own process would wait for ever."""
    logs = {name: site.hosts.with_name(f"only-{name}.log") for name in ("library", "hall")}
    started = {}
    for name, log in logs.items():
        with log.open("wb") as output:
            started[name] = subprocess.Popen(
                site.command("--only", name, "--run"),
                env=site.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
    try:
        wait_until(lambda: "works for hall" in logs["library"].read_text(), "both work", 240)
        os.killpg(started["hall"].pid, signal.SIGKILL)
        started["hall"].wait()
        assert started["library"].wait(120) == 1
        assert "The first host has not answered" in logs["library"].read_text()
        wait_until(lambda: not processes(site), "nothing is left running")
    finally:
        for each in started.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(each.pid, signal.SIGKILL)
            each.wait(20)


def test_a_server_that_cannot_start_is_named_and_the_others_are_stopped(site: Site) -> None:
    given = site.command("--layout", "replicas", "--argument=--no-such-option", "--run")
    run = subprocess.run(given, env=site.environment, capture_output=True, text=True, timeout=120)

    assert run.returncode == 1
    assert "no-such-option" in run.stdout
    assert "has ended with 2" in run.stderr
    wait_until(lambda: not processes(site), "nothing is left running")
