"""Serving over streamable HTTP behind a bearer token, and over stdio.

Rules from the MCP specification 2026-07-28, transports: a server checks Origin (403) and should
bind to localhost. The SDK checks Host and Origin by itself for local binds only, so the lists
are always given here.
"""

import hmac
import ipaddress
import logging
import socket
from collections.abc import Callable
from typing import Final, Literal

import uvicorn
from mcp.server.transport_security import TransportSecuritySettings
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from mcp_servers.audit import log_to_stderr
from mcp_servers.errors import SettingsError
from mcp_servers.settings import ServerSettings
from mcp_servers.site import SiteServer

logger = logging.getLogger(__name__)

Transport = Literal["http", "stdio"]

MAX_REQUEST_BYTES: Final = 256 * 1024
"""Tool arguments are a path, a question or a statement; nothing longer is a real call."""


class BearerToken:
    """Lets a request pass only with the right bearer token; GET /health needs none."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._expected = b"bearer " + token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or scope["path"] == "/health":
            await self._app(scope, receive, send)
            return
        sent = [value for name, value in scope["headers"] if name == b"authorization"]
        # RFC 9110 11.1: the scheme's name is case-insensitive, the token is not.
        offered = sent[0][:7].lower() + sent[0][7:] if len(sent) == 1 else b""
        # A comparison in constant time tells an attacker nothing about how much of a guess fits.
        if hmac.compare_digest(offered, self._expected):
            await self._app(scope, receive, send)
            return
        client = scope.get("client")
        logger.warning(
            "request without a valid token",
            extra={"fields": {"event": "unauthorized", "client": client[0] if client else None}},
        )
        response = PlainTextResponse(
            "A valid bearer token is required.", 401, headers={"WWW-Authenticate": "Bearer"}
        )
        await response(scope, receive, send)


def http_app(server: SiteServer, settings: ServerSettings) -> ASGIApp:
    """The server as an ASGI app: `/mcp` behind the token, `/health` in front of it.

    Raises:
        SettingsError: no token is set. An open server would hand the site's data to anybody.
    """
    token = settings.token.get_secret_value() if settings.token else ""
    if not token:
        raise SettingsError(
            f"The {server.name} server has no token.",
            f"Set {server.name}.token, or HOHEIT_{server.name.upper()}__TOKEN in the environment.",
        )

    async def health(_request: Request) -> Response:
        return JSONResponse({"status": "ok", **server.health()})

    server.custom_route("/health", methods=["GET"])(health)
    app = server.streamable_http_app(
        streamable_http_path="/mcp",
        json_response=True,
        stateless_http=True,
        max_request_body_size=MAX_REQUEST_BYTES,
        transport_security=host_rules(settings),
        host=settings.host,
    )
    return BearerToken(app, token)


def host_rules(settings: ServerSettings) -> TransportSecuritySettings:
    """Which Host and Origin headers are accepted: loopback, the bind address, the configured names."""
    names = ["127.0.0.1", "localhost", "[::1]", *settings.allowed_hosts]
    if not _is_wildcard(settings.host):
        names.append(f"[{settings.host}]" if ":" in settings.host else settings.host)
    hosts = dict.fromkeys(form for name in names for form in (name, f"{name}:*"))
    origins = [f"http://{name}{port}" for name in names[:3] for port in ("", ":*")]
    return TransportSecuritySettings(
        enable_dns_rebinding_protection=True,
        allowed_hosts=list(hosts),
        allowed_origins=[*origins, *settings.allowed_origins],
    )


def _is_wildcard(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def run(
    create_server: Callable[[], SiteServer],
    settings: ServerSettings,
    port: int,
    transport: Transport,
) -> None:
    """Serve until SIGINT or SIGTERM, or on stdio until the parent closes it. Blocks.

    On stdio there is no token: the parent process is the caller.

    Raises:
        SettingsError: no token, or the address cannot be bound.
    """
    log_to_stderr(settings.log_level)
    server = create_server()
    if transport == "stdio":
        server.run("stdio")
        return
    app = http_app(server, settings)
    with _listen(settings.host, port) as listener:
        config = uvicorn.Config(
            app,
            loop="uvloop",
            http="httptools",
            ws="none",
            lifespan="on",
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=5,
        )
        logger.info("%s serves http://%s:%d/mcp", server.name, settings.host, port)
        try:
            uvicorn.Server(config).run(sockets=[listener])
        except KeyboardInterrupt:
            logger.info("%s stopped", server.name)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise SettingsError(
            f"Cannot listen on {host}:{port}: {error.strerror or error}.",
            "Stop what uses the port, or set another one.",
        ) from None
    return listener
