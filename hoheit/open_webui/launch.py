"""Turns this process into Open WebUI, run from its isolated environment."""

import os
import sys

from hoheit import environments
from hoheit.home import Home, make_folder
from hoheit.open_webui.process import command, environment
from hoheit.open_webui.settings import OpenWebUISettings
from hoheit.progress import Progress
from hoheit.settings import Settings

_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE")


def edition_environment(settings: OpenWebUISettings) -> str:
    """The name of the isolated environment that this edition needs."""
    return "open-webui-full" if settings.edition == "full" else "open-webui"


def become_open_webui(home: Home, settings: Settings, progress: Progress) -> None:
    """Replaces this process by Open WebUI, building its environment first where it is missing.

    Raises HoheitError; does not return otherwise.
    """
    chat = settings.open_webui
    root = settings.environments_dir or home.environments
    place = environments.ensure(edition_environment(chat), root, progress)
    data = home.data / "open-webui"
    make_folder(data, private=True)
    key, jwt_secret = settings.adapter.api_key, settings.adapter.user_jwt_secret
    variables = environment(
        chat,
        data_dir=data,
        adapter_url=f"{settings.adapter_address}/v1",
        adapter_key=key.get_secret_value() if key else "",
        user_jwt_secret=jwt_secret.get_secret_value() if jwt_secret else "",
    )
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    os.chdir(data)
    arguments = command(place, chat.host, chat.port)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(arguments[0], arguments, {**inherited, **variables})  # noqa: S606 - that is its purpose
