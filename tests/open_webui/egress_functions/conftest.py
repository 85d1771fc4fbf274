"""An adapter for the functions about the egress boundary, and the secret they share with it."""

from collections.abc import Iterator

import pytest

from tests.open_webui.background import running
from tests.open_webui.egress_functions.asking import SECRET
from tests.open_webui.scripted_adapter import ScriptedAdapter


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORWARD_USER_INFO_HEADER_JWT_SECRET", SECRET)


@pytest.fixture(scope="module")
def adapter() -> Iterator[ScriptedAdapter]:
    adapter = ScriptedAdapter("key", user_jwt_secret=SECRET)
    with running(adapter):
        yield adapter
