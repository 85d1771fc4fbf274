"""The site's secrets: one file each, made at first need, readable by their owner only."""

import secrets as random
from pathlib import Path

from pydantic import SecretStr

from hoheit.errors import SettingsError
from hoheit.home import make_folder, write_whole

# Every secret of a site, and what it opens.
NAMES: dict[str, str] = {
    "adapter-key": "the adapter's API key, which Open WebUI sends",
    "admin-key": "the adapter's key for operators",
    "user-jwt-secret": "signs who asks: Open WebUI tells the adapter with it",
    "egress-key": "makes the pseudonyms under which values leave the site",
    "labels-key": "lets the site's MCP servers register labels with the adapter",
    "embedded-key": "the embedded engine's API key, which the adapter sends",
    "swarm-key": "the swarm's key: who has it belongs to the swarm",
    "petals-key": "the API key of the gateway to the swarm, which the adapter sends",
    "vllm-key": "the API key of this machine's vLLM servers, which the adapter sends",
    "files-token": "the files server's bearer token",
    "databases-token": "the databases server's bearer token",
    "webui-secret-key": "signs Open WebUI's sessions",
    "admin-password": "Open WebUI's admin",
    "user-password": "Open WebUI's first normal user",
}

_BYTES = 32
_TYPED_BYTES = 12  # people type the passwords
_MINIMUM = 12


def read_or_make(directory: Path, name: str) -> SecretStr:
    """The secret called `name`, made at random where its file is missing.

    Raises SettingsError when the file is unreadable or too short to be a secret, HoheitError when it
    cannot be made.
    """
    path = directory / name
    try:
        value = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        make_folder(directory, private=True)
        value = random.token_urlsafe(_TYPED_BYTES if name.endswith("password") else _BYTES)
        write_whole(path, value + "\n", mode=0o600)
    except OSError as error:
        raise SettingsError(
            f"The secret {path} cannot be read: {error.strerror}.",
            "Give this user read access to the file, or point HOHEIT_SECRETS_DIR elsewhere.",
        ) from error
    if len(value) < _MINIMUM:
        raise SettingsError(
            f"The secret {path} ({NAMES[name]}) has {len(value)} characters; at least {_MINIMUM} are needed.",
            "Write a longer one into it, or delete the file to have one made.",
        )
    return SecretStr(value)
