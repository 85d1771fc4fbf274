"""The adapter as a process."""

import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator

import pytest
from pydantic import ValidationError

from backend_adapter.app import create_app
from backend_adapter.errors import SettingsError
from backend_adapter.serve import serve
from backend_adapter.settings import AdapterSettings, ModelSettings

PROGRAM = """
import sys
from backend_adapter.serve import serve
from backend_adapter.settings import AdapterSettings
serve(AdapterSettings(port=int(sys.argv[1]), api_key="k"))
"""


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def process(free_port: int) -> Iterator[subprocess.Popen[str]]:
    """The running adapter, once it answers."""
    command = [sys.executable, "-c", PROGRAM, str(free_port)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as started:
        try:
            wait_for(f"http://127.0.0.1:{free_port}/health", started)
            yield started
        finally:
            started.kill()


def wait_for(url: str, process: subprocess.Popen[str]) -> None:
    """Return once the address answers."""
    deadline = time.monotonic() + 20
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_cleanly_on_a_signal(process: subprocess.Popen[str], number: signal.Signals):
    process.send_signal(number)
    _, log = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "Traceback" not in log


def test_a_used_port_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError) as refused:
            serve(AdapterSettings(port=port, api_key="k"))
    assert str(port) in refused.value.message
    assert refused.value.remedy


@pytest.mark.parametrize("key", [None, ""])
def test_without_a_key_it_does_not_start(key: str | None):
    with pytest.raises(SettingsError) as refused:
        create_app(AdapterSettings(api_key=key))
    assert "api_key" in refused.value.remedy


@pytest.mark.parametrize(
    "wrong",
    [
        {"port": 70000},
        {"ports": 1},
        {"upstreams": [{"name": "a b", "base_url": "http://h/v1"}]},
        {"upstreams": [{"name": "a", "base_url": "ftp://h/v1"}]},
        {"upstreams": [{"name": "a", "base_url": "http://user:pw@h/v1"}]},
        {"upstreams": [{"name": "a", "base_url": "http://h/v1"}] * 2},
        {"models": [{"id": "a"}, {"id": "a"}]},
        {"models": [{"id": "a", "reasoning": "often"}]},
        {"connect_timeout_s": 0},
        {"api_key": "Schlüssel"},
        {"api_key": "two words"},
    ],
)
def test_wrong_settings_are_refused(wrong: dict):
    with pytest.raises(ValidationError):
        AdapterSettings(**wrong)


def test_every_setting_is_described():
    for model in (AdapterSettings, ModelSettings):
        assert all(field.description for field in model.model_fields.values())


def test_a_model_without_an_entry_gets_the_defaults():
    settings = AdapterSettings(models=[ModelSettings(id="a", tool_calls="schema")])
    assert settings.model("a").tool_calls == "schema"
    assert settings.model("b") == ModelSettings(id="b")
