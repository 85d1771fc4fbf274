"""One whole site for all browser tests: the real parts, and a scripted model beside the embedded one."""

import json
from collections.abc import Iterator

import pytest

from tests.conftest import House, running_house
from tests.llamacpp import KEY, LlamaServer
from tests.open_webui.background import running
from tests.open_webui.scripted_upstream import ScriptedUpstream


@pytest.fixture(scope="session")
def script() -> Iterator[ScriptedUpstream]:
    # Slow enough for a person (and a screenshot) to see it think.
    upstream = ScriptedUpstream("key-of-the-script", models=("scripted-120b",), pace_s=0.12)
    with running(upstream):
        yield upstream


@pytest.fixture(scope="session")
def replicas() -> Iterator[dict[str, LlamaServer]]:
    """Two real engines with one model, of which a test may kill one; a story of theirs has an end."""
    servers = {name: LlamaServer("town-model", 1024) for name in ("north", "south")}
    for server in servers.values():
        server.start()
    yield servers
    for server in servers.values():
        server.kill()


@pytest.fixture(scope="session")
def house(
    tmp_path_factory: pytest.TempPathFactory,
    script: ScriptedUpstream,
    replicas: dict[str, LlamaServer],
) -> Iterator[House]:
    upstreams: list[dict[str, str]] = [
        {"name": "far", "base_url": script.base_url, "api_key": script.key}
    ]
    upstreams += [
        {"name": name, "base_url": server.base_url, "api_key": KEY, "engine": "llama.cpp"}
        for name, server in replicas.items()
    ]
    home = tmp_path_factory.mktemp("site") / "home"
    with running_house(home, HOHEIT_ADAPTER__UPSTREAMS=json.dumps(upstreams)) as house:
        yield house
