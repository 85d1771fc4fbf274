"""`hoheit receipts` as a process: what it prints where, how it ends, on a terminal and beside an adapter."""

import asyncio
import json
import os
import pty
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from receipts_site import BODY, SiteReceipts, made

from backend_adapter.database import open_database
from backend_adapter.egress.receipts.settings import ReceiptSettings
from backend_adapter.egress.receipts.store import Receipts
from hoheit.receipts import verifying


@pytest.fixture
def site(tmp_path: Path) -> SiteReceipts:
    return SiteReceipts(tmp_path / "home")


def seen(terminal: int) -> str:
    """All that was written to a terminal, whose other end is closed."""
    said = b""
    # Linux ends what is read from it with an error.
    with suppress(OSError):
        while piece := os.read(terminal, 10_000):
            said += piece
    os.close(terminal)
    return said.decode()


@pytest.mark.parametrize(
    ("arguments", "status"),
    [(["list"], 0), (["verify", "--json"], 1), (["show", "3"], 1), (["verify", "--head", "3"], 2)],
)
def test_a_process_says_the_same_and_ends_alike(
    site: SiteReceipts, arguments: list[str], status: int
) -> None:
    site.append({}, {})
    site.by_hand("DROP TRIGGER receipts_no_delete", "DELETE FROM receipts WHERE seq = 1")
    process, here = site.process(*arguments), site.run(*arguments)
    assert process.returncode == here.returncode == status
    assert process.stdout == here.stdout
    assert bool(process.stdout) is (status == 0 or "--json" in arguments)
    assert bool(process.stderr) is (not process.stdout)
    assert b"Traceback" not in process.stderr
    if status != 2:  # how to call it differs by how it was called
        assert process.stderr == here.stderr


def test_an_interrupt_ends_it_without_a_traceback(site: SiteReceipts) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"postgresql+psycopg://somebody@127.0.0.1:{silent.getsockname()[1]}/adapter"
        waiting = subprocess.Popen(
            # Tests that a shell runs in the background hand on that interrupts are ignored.
            ["env", "--default-signal=INT", *site.command("verify")],
            env=site.environment | {"HOHEIT_ADAPTER__DATABASE_URL": address},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        silent.settimeout(60)
        with silent.accept()[0]:
            waiting.send_signal(signal.SIGINT)
            output, errors = waiting.communicate(timeout=60)
    assert (waiting.returncode, output, errors) == (130, b"", b"")


def test_a_body_is_printed_to_the_byte(site: SiteReceipts) -> None:
    site.append({})
    result = site.process("show", "1")
    assert (result.returncode, result.stdout) == (0, BODY)
    assert b"pseudonymise" in result.stderr


def test_a_body_on_a_terminal_is_the_same_json_and_steers_nothing(site: SiteReceipts) -> None:
    body = '{"content":"Zürich \x9b2J \u202e end"}'.encode()
    site.append({}, body=body)
    ours, theirs = pty.openpty()
    subprocess.run(
        site.command("show", "1"),
        env=site.environment,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
        timeout=60,
        check=True,
    )
    os.close(theirs)
    shown = seen(ours)
    assert shown.strip() == r'{"content":"Zürich \u009b2J \u202e end"}'
    assert json.loads(shown) == json.loads(body)


def test_it_verifies_while_an_adapter_appends(site: SiteReceipts) -> None:
    site.append({})

    async def both() -> None:
        async with open_database(site.url) as engine:
            receipts = Receipts(engine, ReceiptSettings())

            async def append() -> None:
                while True:
                    await receipts.append(made(BODY), BODY)

            appending = [asyncio.create_task(append()) for _ in range(4)]
            checking = await asyncio.create_subprocess_exec(
                *site.command("verify", "--json"), env=site.environment, stdout=subprocess.PIPE
            )
            output, _ = await asyncio.wait_for(checking.communicate(), 60)
            for task in appending:
                assert not task.done()
                task.cancel()
            await asyncio.wait(appending)
            await receipts.close()
            assert checking.returncode == 0
            assert json.loads(output)["receipts"] > 1

    asyncio.run(both())


def test_a_long_check_says_how_far_it_is_and_a_short_one_nothing(
    site: SiteReceipts, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    site.append({}, {}, {})

    async def check() -> str:
        async with open_database(site.url) as engine:
            return (await verifying.verify(Receipts(engine, ReceiptSettings()), None)).head

    monkeypatch.setattr(verifying, "_LOOK_EVERY", 1)
    assert asyncio.run(check()).startswith("3:")
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr(verifying, "_QUIET_S", 0.0)
    monkeypatch.setattr(verifying, "_LOG_EVERY_S", 0.0)
    asyncio.run(check())
    told = capsys.readouterr()
    assert (told.out, told.err.splitlines()) == (
        "",
        ["… 1 receipts hold so far", "… 2 receipts hold so far", "… 3 receipts hold so far"],
    )


def test_on_a_terminal_a_long_check_says_it_in_one_line_and_clears_it(
    site: SiteReceipts, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.append({}, {})
    for name, value in (("_LOOK_EVERY", 1), ("_QUIET_S", 0.0), ("_TERMINAL_EVERY_S", 0.0)):
        monkeypatch.setattr(verifying, name, value)

    async def check() -> None:
        async with open_database(site.url) as engine:
            await verifying.verify(Receipts(engine, ReceiptSettings()), None)

    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w", encoding="utf-8") as terminal, monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", terminal)
        asyncio.run(check())
    shown = seen(ours)
    assert shown.split("\r\x1b[2K") == [
        "",
        "… 1 receipts hold so far",
        "… 2 receipts hold so far",
        "",
    ]
