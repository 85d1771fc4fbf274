"""How the Open WebUI process is started: its command and its environment variables.

Both are pure functions, so that `hoheit up`, a unit file and a container can use the same values.
Variables are those of Open WebUI 0.12 (`env.py`, `config.py`). Most of them only seed the database at the
first start; afterwards what an admin sets in the interface holds (persistent configuration stays on).
"""

from pathlib import Path

from hoheit.errors import SettingsError
from hoheit.open_webui.settings import OpenWebUISettings

# Open WebUI waits for every tool server before each message; these bound that, in seconds.
_TOOL_LIST_SECONDS = 5
_TOOL_CALL_SECONDS = 120


def command(environment_dir: Path, host: str, port: int) -> list[str]:
    """The command line that serves Open WebUI from the virtual environment at `environment_dir`."""
    return [
        # Not bin/open-webui: that script names the folder in which it was installed, which may have moved.
        str(environment_dir / "bin" / "python"),
        # Its data folder, from which it is started, is no place to import code from.
        "-sP",
        "-c",
        "from open_webui import app; app()",
        "serve",
        "--host",
        host,
        "--port",
        str(port),
    ]


def environment(
    settings: OpenWebUISettings,
    *,
    data_dir: Path,
    adapter_url: str,
    adapter_key: str,
    user_jwt_secret: str,
) -> dict[str, str]:
    """The variables to start Open WebUI with; `adapter_url` ends in `/v1`.

    Start the process with these and PATH, HOME and LANG only: Open WebUI reads several hundred variables,
    and a stray OPENAI_API_KEY or DATABASE_URL from the shell would become its configuration.

    Raises SettingsError when a secret is missing: without them sessions could be forged.
    """
    return {
        **_identity(settings, data_dir),
        **_no_calls_home(),
        **_only_the_adapter(adapter_url, adapter_key),
        **_who_asks(user_jwt_secret),
        **_for_people(settings),
    }


def _identity(settings: OpenWebUISettings, data_dir: Path) -> dict[str, str]:
    """Who may log in, and what protects the session."""
    missing = [name for name in ("secret_key", "admin_password") if getattr(settings, name) is None]
    if missing or not settings.secret_key or not settings.admin_password:
        raise SettingsError(
            f"open_webui.{' and open_webui.'.join(missing)} not set.",
            "Set it in hoheit.toml or as HOHEIT_OPEN_WEBUI__"
            f"{missing[0].upper()}; 'hoheit up' makes one by itself.",
        )
    secure = (settings.public_url or "").startswith("https://")
    return {
        "DATA_DIR": str(data_dir),
        "WEBUI_SECRET_KEY": settings.secret_key.get_secret_value(),
        "WEBUI_AUTH": "true",
        "WEBUI_URL": settings.public_url or settings.address,
        "CORS_ALLOW_ORIGIN": ";".join(settings.origins),
        "WEBUI_ADMIN_EMAIL": settings.admin_email,
        "WEBUI_ADMIN_NAME": settings.admin_name,
        "WEBUI_ADMIN_PASSWORD": settings.admin_password.get_secret_value(),
        "ENABLE_SIGNUP": "false",
        "DEFAULT_USER_ROLE": "pending",
        "JWT_EXPIRES_IN": settings.session_lifetime,
        "WEBUI_SESSION_COOKIE_SAME_SITE": "lax",
        "WEBUI_AUTH_COOKIE_SAME_SITE": "lax",
        "WEBUI_SESSION_COOKIE_SECURE": str(secure).lower(),
        "WEBUI_AUTH_COOKIE_SECURE": str(secure).lower(),
        "ENABLE_ADMIN_CHAT_ACCESS": str(settings.admins_read_chats).lower(),
        "ENABLE_ADMIN_EXPORT": str(settings.admins_read_chats).lower(),
    }


def _no_calls_home() -> dict[str, str]:
    """Nothing is fetched, checked or reported anywhere."""
    return {
        "OFFLINE_MODE": "true",
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "ENABLE_VERSION_UPDATE_CHECK": "false",
        "ENABLE_PIP_INSTALL_FRONTMATTER_REQUIREMENTS": "false",
        "ANONYMIZED_TELEMETRY": "false",
        "DO_NOT_TRACK": "true",
        "SCARF_NO_ANALYTICS": "true",
        "ENABLE_OTEL": "false",
        "ENABLE_COMMUNITY_SHARING": "false",
        "ENABLE_WEB_SEARCH": "false",
        "ENABLE_USER_WEBHOOKS": "false",
        # Where a proxy is set, the parts on this machine are still reached directly.
        "NO_PROXY": "127.0.0.1,localhost,::1",
    }


def _only_the_adapter(adapter_url: str, adapter_key: str) -> dict[str, str]:
    """One way to a model, the adapter; no second path for text that a person types, speaks or uploads."""
    return {
        "ENABLE_OPENAI_API": "true",
        # Unset, this would be the address of a provider abroad.
        "OPENAI_API_BASE_URLS": adapter_url,
        "OPENAI_API_KEYS": adapter_key,
        "ENABLE_OLLAMA_API": "false",
        "ENABLE_DIRECT_CONNECTIONS": "false",
        "ENABLE_DIRECT_INTEGRATIONS": "false",
        "ENABLE_EVALUATION_ARENA_MODELS": "false",
        # An upload goes into the prompt whole, through the adapter, instead of to an embedding service.
        "BYPASS_EMBEDDING_AND_RETRIEVAL": "true",
        "RAG_EMBEDDING_ENGINE": "openai",
        "RAG_OPENAI_API_BASE_URL": adapter_url,
        "RAG_OPENAI_API_KEY": adapter_key,
        # The browser's own speech services send audio and text to its vendor.
        "USER_PERMISSIONS_CHAT_STT": "false",
        "USER_PERMISSIONS_CHAT_TTS": "false",
        "USER_PERMISSIONS_CHAT_CALL": "false",
        # Code in the page may load packages from anywhere.
        "ENABLE_CODE_EXECUTION": "false",
        "ENABLE_CODE_INTERPRETER": "false",
        "ENABLE_IMAGE_GENERATION": "false",
    }


def _who_asks(user_jwt_secret: str) -> dict[str, str]:
    """Every request says in a signed token which user it is for, so that the adapter can be fair to each."""
    if not user_jwt_secret:
        # Open WebUI would then send the user's name, address and role as they are, for anybody to write.
        raise SettingsError(
            "adapter.user_jwt_secret is not set.",
            "Set it in hoheit.toml or as HOHEIT_ADAPTER__USER_JWT_SECRET; 'hoheit up' makes one by itself.",
        )
    return {
        "ENABLE_FORWARD_USER_INFO_HEADERS": "true",
        "FORWARD_USER_INFO_HEADER_JWT_SECRET": user_jwt_secret,
    }


def _for_people(settings: OpenWebUISettings) -> dict[str, str]:
    """How it runs and what it asks the model for besides the answer."""
    return {
        **({"USE_SLIM_DOCKER": "true"} if settings.edition == "slim" else {}),
        "GLOBAL_LOG_LEVEL": settings.log_level,
        "PYTHONUNBUFFERED": "1",
        "ENABLE_EASTER_EGGS": "false",
        # Each of these is a further model call per message; a title is worth it.
        "ENABLE_TITLE_GENERATION": "true",
        "ENABLE_TAGS_GENERATION": "false",
        "ENABLE_FOLLOW_UP_GENERATION": "false",
        "ENABLE_AUTOCOMPLETE_GENERATION": "false",
        "MCP_INITIALIZE_TIMEOUT": str(_TOOL_LIST_SECONDS),
        "AIOHTTP_CLIENT_TIMEOUT_TOOL_SERVER": str(_TOOL_CALL_SECONDS),
    }
