"""The whole site runs, shows its state truly, says which part died and why, and leaves nothing behind."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.conftest import SECTIONS, House, running_house, wait_until

pytestmark = [pytest.mark.house, pytest.mark.xdist_group("lifecycle")]

PARTS = ("embedded", "files", "databases", "adapter", "open-webui")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with running_house(tmp_path_factory.mktemp("site") / "home") as house:
        yield house


def processes_of(home: Path) -> list[psutil.Process]:
    """Every process that carries this home in its environment or on its command line."""
    found = []
    for process in psutil.process_iter():
        try:
            marks = [*process.cmdline(), *process.environ().values()]
            if process.pid != os.getpid() and any(str(home) in mark for mark in marks):
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_every_part_is_ready_at_the_address_that_status_tells(house: House) -> None:
    parts = house.parts()
    assert set(parts) == set(PARTS)
    for name, part in parts.items():
        assert set(part) == {"name", "address", "state", "pid", "detail"}
        assert part["state"] == "ready", part
        assert part["address"] == house.address(name.replace("-", "_"))
        assert psutil.Process(part["pid"]).is_running()


def test_up_ends_with_addresses_logins_and_folders(house: House) -> None:
    table = house.output().split("Hoheit is up")[1]
    for section in SECTIONS:
        if section != "embedded":
            assert house.address(section) in table
    for word in ("admin@hoheit.example", "user@hoheit.example", str(house.home), "oeffentlich"):
        assert word in table
    for name in ("admin-password", "user-password"):
        assert house.secret(name) in table


def test_every_step_of_up_shows_what_it_does_and_for_how_long(house: House) -> None:
    assert "✔ Starting 5 parts · " in house.output()
    assert "✔ Provisioning Open WebUI" in house.output()


def test_every_part_listens_on_this_machine_only(house: House) -> None:
    for part in house.parts().values():
        for connection in psutil.Process(part["pid"]).net_connections("tcp"):
            if connection.status == "LISTEN":
                assert connection.laddr.ip == "127.0.0.1", (part["name"], connection.laddr)


def test_a_second_up_in_the_same_home_is_refused(house: House) -> None:
    second = house.run("up")
    assert second.returncode == 1
    assert "already up" in second.stderr
    assert "hoheit down" in second.stderr


def test_another_home_on_the_same_ports_names_the_port_its_owner_and_the_setting(
    house: House, tmp_path: Path
) -> None:
    other = House(tmp_path / "home", ports=house.ports)
    result = other.run("up")
    assert result.returncode == 1
    for section, port in house.ports.items():
        assert str(port) in result.stderr
        assert f"{section}.port" in result.stderr
    assert f"by process {house.parts()['adapter']['pid']}" in result.stderr
    assert "Traceback" not in result.stderr


def test_doctor_finds_a_healthy_site_healthy(house: House) -> None:
    result = house.run("doctor", "--json")
    checks = json.loads(result.stdout)["checks"]
    assert [check for check in checks if check["verdict"] == "fault"] == []
    assert result.returncode == 0
    assert {"adapter token", "files token", "embedded token"} <= {c["subject"] for c in checks}


def test_doctor_finds_a_wrong_token_and_says_what_to_do(house: House, tmp_path: Path) -> None:
    stranger = House(house.home, {"HOHEIT_FILES__TOKEN": "a-token-of-somebody-else"}, house.ports)
    result = stranger.run("doctor")
    assert result.returncode == 1
    assert "files token" in result.stdout
    assert "files-token" in result.stdout


def test_provisioning_again_changes_nothing(house: House) -> None:
    result = house.run("provision", "--url", house.address("open_webui"))
    assert result.returncode == 0, result.stderr
    outcomes = [line.split()[0] for line in result.stdout.splitlines()]
    assert set(outcomes) == {"unchanged"}
    assert len(outcomes) >= 8


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--token", "not-a-token"], "refuses the token"),
        (["--url", "http://127.0.0.1:9"], "cannot be reached"),
    ],
)
def test_provisioning_with_a_wrong_token_or_address_says_so(
    house: House, options: list[str], said: str
) -> None:
    result = house.run("provision", "--url", house.address("open_webui"), *options)
    assert result.returncode == 1
    assert said in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("name", PARTS)
def test_a_killed_part_shows_as_failed_and_up_says_which_and_why(house: House, name: str) -> None:
    os.kill(house.parts()[name]["pid"], signal.SIGKILL)
    wait_until(lambda: house.parts()[name]["state"] == "failed", f"{name} is failed")
    part = house.parts()[name]
    assert part["pid"] is None
    assert "SIGKILL" in part["detail"]
    assert f"✘ {name} died: was killed by SIGKILL" in house.output()
    status = house.run("status")
    assert status.returncode == 1
    assert "SIGKILL" in status.stdout


def test_ctrl_c_ends_every_process_it_started(house: House) -> None:
    assert processes_of(house.home)
    assert house.stop() == 0
    wait_until(lambda: not processes_of(house.home), "every process is gone", 10)
    assert {part["state"] for part in house.parts().values()} <= {"stopped", "failed"}


WITHOUT_CHAT = {"HOHEIT_OPEN_WEBUI__ENABLED": "false"}


def test_down_stops_the_site_from_another_terminal(tmp_path: Path) -> None:
    with running_house(tmp_path / "home", **WITHOUT_CHAT) as house:
        result = house.run("down")
        assert result.returncode == 0, result.stderr
        assert not processes_of(house.home)
        assert {part["state"] for part in house.parts().values()} == {"stopped"}
        assert "Nothing is running" in house.run("down").stdout


def test_the_parts_of_a_killed_supervisor_end_with_it(tmp_path: Path) -> None:
    with running_house(tmp_path / "home", **WITHOUT_CHAT) as house:
        assert house.process is not None
        house.process.kill()
        house.process.wait(timeout=10)
        wait_until(lambda: not processes_of(house.home), "every part is gone", 20)
        assert {part["state"] for part in house.parts().values()} == {"failed"}
        house.start()
        house.wait_ready()


def test_a_part_that_cannot_start_is_named_with_its_own_words(tmp_path: Path) -> None:
    house = House(tmp_path / "home", {**WITHOUT_CHAT, "HOHEIT_EMBEDDED__MODEL": "/missing.gguf"})
    result = house.run("up")
    assert result.returncode == 1
    assert "embedded" in result.stderr
    assert "/missing.gguf does not exist" in result.stderr
    assert not processes_of(house.home)


def test_a_missing_document_folder_is_named(tmp_path: Path) -> None:
    roots = [{"name": "docs", "path": str(tmp_path / "nowhere")}]
    house = House(tmp_path / "home", {**WITHOUT_CHAT, "HOHEIT_FILES__ROOTS": json.dumps(roots)})
    result = house.run("up")
    assert result.returncode == 1
    assert str(tmp_path / "nowhere") in result.stderr
    doctor = house.run("doctor")
    assert doctor.returncode == 1
    assert f"{tmp_path / 'nowhere'} is not a readable folder" in doctor.stdout


def test_a_used_port_stops_up_before_anything_starts(tmp_path: Path) -> None:
    house = House(tmp_path / "home", dict(WITHOUT_CHAT))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", house.ports["adapter"]))
        taken.listen()
        result = house.run("up")
    assert result.returncode == 1
    assert f"Port {house.ports['adapter']} on 127.0.0.1, meant for adapter" in result.stderr
    assert f"by process {os.getpid()}" in result.stderr
    assert not (house.home / "logs").exists()


def test_wrong_settings_end_up_with_the_key_and_no_traceback(tmp_path: Path) -> None:
    house = House(tmp_path / "home", {"HOHEIT_ADAPTER__STALL_TIMEOUT_S": "-1"})
    result = house.run("up")
    assert result.returncode == 2
    assert "adapter.stall_timeout_s" in result.stderr
    assert "greater than 0" in result.stderr
    assert "Traceback" not in result.stderr
    assert not house.home.exists()


def test_an_interrupted_start_leaves_nothing_running(tmp_path: Path) -> None:
    house = House(tmp_path / "home", dict(WITHOUT_CHAT))
    house.start()
    wait_until(lambda: "Starting 4 parts" in house.output(), "parts are starting")
    house.stop()
    wait_until(lambda: not processes_of(house.home), "every process is gone", 10)
    assert "Traceback" not in house.output()


def test_ctrl_c_in_a_terminal_that_reaches_shell_and_children_ends_them_all(tmp_path: Path) -> None:
    house = House(tmp_path / "home", dict(WITHOUT_CHAT))
    # The terminal sends the signal to the whole foreground group, shell and make included.
    with house.log.open("wb") as log:
        shell = subprocess.Popen(
            ["sh", "-c", f'"{sys.executable}" -m hoheit up; true'],
            env=house.environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    wait_until(lambda: "Hoheit is up" in house.output(), "the site is up", 120)
    os.killpg(shell.pid, signal.SIGINT)
    shell.wait(timeout=60)
    wait_until(lambda: not processes_of(house.home), "every process is gone", 10)
