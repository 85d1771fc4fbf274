"""The settings and the process of Open WebUI."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from hoheit.errors import SettingsError
from hoheit.open_webui.process import command, environment
from hoheit.open_webui.settings import OpenWebUISettings

SECRETS: dict[str, Any] = {
    "secret_key": SecretStr("k" * 32),
    "admin_password": SecretStr("p" * 12),
}


def variables(user_jwt_secret: str = "j" * 32, **settings: Any) -> dict[str, str]:
    return environment(
        OpenWebUISettings(**{**SECRETS, **settings}),
        data_dir=Path("/srv/data"),
        adapter_url="http://127.0.0.1:8081/v1",
        adapter_key="adapter-key",
        user_jwt_secret=user_jwt_secret,
    )


def test_nobody_signs_up_and_everybody_logs_in() -> None:
    found = variables()
    assert found["WEBUI_AUTH"] == "true"
    assert found["ENABLE_SIGNUP"] == "false"
    assert found["WEBUI_ADMIN_EMAIL"] == "admin@hoheit.example"


def test_the_adapter_is_the_only_address_in_it() -> None:
    addresses = {value for value in variables().values() if "http" in value}
    own = {"http://127.0.0.1:8080", "http://127.0.0.1:8080;http://localhost:8080"}
    assert addresses == own | {"http://127.0.0.1:8081/v1"}


def test_behind_https_cookies_are_secure_and_the_public_address_may_connect() -> None:
    found = variables(public_url="https://chat.example.org/")
    assert found["WEBUI_SESSION_COOKIE_SECURE"] == found["WEBUI_AUTH_COOKIE_SECURE"] == "true"
    assert found["WEBUI_URL"] == "https://chat.example.org"
    assert found["CORS_ALLOW_ORIGIN"].startswith("https://chat.example.org;")
    assert variables()["WEBUI_AUTH_COOKIE_SECURE"] == "false"


def test_no_origin_is_a_wildcard() -> None:
    assert "*" not in variables(host="0.0.0.0")["CORS_ALLOW_ORIGIN"]


@pytest.mark.parametrize("missing", SECRETS)
def test_it_does_not_start_without_a_secret(missing: str) -> None:
    with pytest.raises(SettingsError) as refused:
        variables(**{missing: None})
    assert missing in refused.value.message


def test_who_asks_is_told_signed_and_never_as_it_is() -> None:
    found = variables()
    assert found["ENABLE_FORWARD_USER_INFO_HEADERS"] == "true"
    assert found["FORWARD_USER_INFO_HEADER_JWT_SECRET"] == "j" * 32
    with pytest.raises(SettingsError) as refused:
        variables(user_jwt_secret="")
    assert "user_jwt_secret" in refused.value.message


def test_the_slim_edition_says_so_and_the_full_does_not() -> None:
    assert variables()["USE_SLIM_DOCKER"] == "true"
    assert "USE_SLIM_DOCKER" not in variables(edition="full")


def test_the_command_serves_from_the_environment_on_the_address() -> None:
    found = command(Path("/env"), "127.0.0.1", 8080)
    assert found[0] == "/env/bin/python"
    assert found[-4:] == ["--host", "127.0.0.1", "--port", "8080"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"admin_email": "admin"},
        {"admin_email": "user@hoheit.example"},
        {"public_url": "chat.example.org"},
        {"public_url": "https://example.org/chat"},
        {"secret_key": SecretStr("short")},
        {"user_password": SecretStr("ä" * 40)},
        {"edition": "huge"},
        {"port": 0},
        {"session_lifetime": "-1"},
        {"unknown": 1},
    ],
)
def test_a_wrong_value_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        OpenWebUISettings(**wrong)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:8080"),
        ("0.0.0.0", "http://127.0.0.1:8080"),
        ("::1", "http://[::1]:8080"),
        ("::", "http://[::1]:8080"),
        ("chat.local", "http://chat.local:8080"),
    ],
)
def test_the_address_is_one_that_this_machine_reaches(host: str, address: str) -> None:
    assert OpenWebUISettings(host=host).address == address
