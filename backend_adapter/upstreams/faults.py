"""What an upstream's faults are called towards a client: by the upstream's name, with a remedy.

Its address and its key are never part of an error, nor is anything it sent but a plain reason.
"""

import msgspec

from backend_adapter.chat.plain import plain_text
from backend_adapter.errors import AdapterError, RequestError, UpstreamError, UpstreamTimeoutError

# Statuses with which an upstream says that the request itself is at fault.
REQUEST_FAULTS = (400, 413, 422)
OVERLOADED = 429
_MAX_RETRY_AFTER_S = 3600
# What vLLM answers with status 500 once its engine has died, while the server itself lives on.
_ENGINE_DEAD = (b"EngineCore encountered an issue", b"EngineDeadError")


def refusal(name: str, status: int, body: bytes, retry_after: str = "") -> AdapterError:
    """An answer with another status than 200; `body` matters only where it may hold a reason.

    `retry_after` is the header of that name (RFC 9110, section 10.2.3), of which only seconds are read.
    """
    if status in REQUEST_FAULTS:
        return RequestError(
            f"Upstream {name} refused the request: {_reason(body)}.",
            "Correct the request and send it again.",
            code="refused_by_upstream",
            status=status,
        )
    if status == OVERLOADED:
        overloaded = UpstreamError(
            f"Upstream {name} is overloaded: {_reason(body)}.",
            "Try again in a moment.",
            code="upstream_overloaded",
            status=OVERLOADED,
        )
        wait = int(retry_after) if retry_after.isdecimal() else 1
        overloaded.retry_after_s = min(max(wait, 1), _MAX_RETRY_AFTER_S)
        return overloaded
    if status in (401, 403):
        return UpstreamError(
            f"Upstream {name} does not accept the adapter's key (HTTP {status}).",
            "Set the api_key of this upstream in hoheit.toml.",
            code="upstream_key_refused",
        )
    if status == 500 and any(text in body for text in _ENGINE_DEAD):
        return engine_dead(name)
    if status == 404:
        remedy = "Check that it has the model, and its base_url in hoheit.toml."
    elif 300 <= status < 400:
        remedy = "Set its base_url in hoheit.toml to the address that it redirects to."
    else:
        remedy = "Look into that server's own log, or try again in a moment."
    return UpstreamError(
        f"Upstream {name} failed with HTTP {status}.", remedy, code="upstream_failed"
    )


def engine_dead(name: str) -> UpstreamError:
    """The server lives, but what computes behind it does not, and will not come back by itself."""
    return UpstreamError(
        f"The engine of upstream {name} has died.",
        "Look into that server's own log, and start it again.",
        code="engine_dead",
    )


def unreachable(name: str, error: Exception) -> UpstreamError:
    """No connection, or one that broke; the error's own text may hold the address, so it stays here."""
    return UpstreamError(
        f"Upstream {name} cannot be reached ({type(error).__name__}).",
        "Check that it runs, and its base_url in hoheit.toml.",
        code="upstream_unreachable",
    )


def no_connection(name: str, reason: str) -> UpstreamError:
    """Nothing accepted a connection; `reason` holds no address."""
    return UpstreamError(
        f"Upstream {name} cannot be reached ({reason}).",
        "Check that it runs, its base_url, and connect_timeout_s in hoheit.toml.",
        code="upstream_unreachable",
    )


def too_slow(name: str, what: str, limit_s: float, setting: str) -> UpstreamTimeoutError:
    """A time limit has passed; `setting` is the one to raise."""
    return UpstreamTimeoutError(
        f"Upstream {name} {what} within {limit_s:g} s.",
        f"Try again, or raise {setting} in hoheit.toml.",
        code="upstream_timeout",
    )


def unreadable(name: str, what: str) -> UpstreamError:
    """It answers, but not in the way of an OpenAI API."""
    return UpstreamError(
        f"Upstream {name} answered with {what}.",
        "Check that its base_url in hoheit.toml is that of an OpenAI API.",
        code="upstream_unreadable",
    )


class _Detail(msgspec.Struct):
    message: str = ""


class _ErrorBody(msgspec.Struct):
    error: _Detail | str = ""
    message: str = ""
    detail: str = ""


def _reason(body: bytes) -> str:
    """The reason in a JSON error body; anything else, an HTML page for one, holds none to be shown."""
    try:
        read = msgspec.json.decode(body, type=_ErrorBody)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return "no reason given"
    reason = read.error if isinstance(read.error, str) else read.error.message
    return plain_text(reason or read.message or read.detail).rstrip(".") or "no reason given"
