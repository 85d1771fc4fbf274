"""Who asks: a client by its key, and a person by what Open WebUI signs.

Open WebUI knows its users and vouches for the one who asks in a JSON Web Token (RFC 7519) of five minutes,
signed with a secret that only it and the adapter have. Only the site's own key may present one: another
program's key stands for that program. The headers with a user's name that Open WebUI can send unsigned are
never read, because whoever has a key could write anything there.
"""

import hashlib
import hmac
from dataclasses import dataclass

import jwt
from pydantic import SecretStr

from backend_adapter.errors import SettingsError, UnauthorizedError
from backend_adapter.settings import AdapterSettings

USER_HEADER = "x-openwebui-user-jwt"
# The client that `adapter.api_key` belongs to.
SITE = "site"

_ISSUER = "open-webui"
# How far the clocks of both machines may differ, in seconds.
_LEEWAY_S = 10
# HMAC-SHA256 takes no shorter secret (RFC 7518, section 3.2), in bytes.
_SHORTEST_SECRET = 32
# Longest token that is looked at; Open WebUI's have some 300 characters.
_LONGEST_TOKEN = 4096


@dataclass(frozen=True)
class Caller:
    """`user` is a person's id, or the client's name where it asks for itself.

    A person whom the settings name by e-mail address is known by that address instead of the id. `names` are all
    that one is known by in a policy: id, address, `role:admin`, `client:NAME`.
    """

    user: str
    client: str
    names: tuple[str, ...] = ()


class Identity:
    """The keys of all clients, and the secret that Open WebUI signs with."""

    def __init__(self, settings: AdapterSettings) -> None:
        """Raises SettingsError where two keys are alike, none is set or the secret is too short."""
        if settings.api_key is None or not settings.api_key.get_secret_value():
            raise SettingsError(
                "The adapter has no api_key, so anybody could use the models.",
                "Set api_key under [adapter] in hoheit.toml.",
            )
        keys = [(settings.api_key, SITE)]
        keys += [(client.api_key, client.name) for client in settings.clients]
        self._clients = [(_digest(key.get_secret_value()), name) for key, name in keys]
        admin = settings.admin_key
        self._admin = _digest(admin.get_secret_value()) if admin else None
        labels = settings.labels_key
        self._labels = _digest(labels.get_secret_value()) if labels else None
        self._secret = _signing_secret(settings.user_jwt_secret)
        named = (*settings.admission.weights, *settings.quotas.overrides)
        self._named = {name.lower(): name for name in named if "@" in name}
        if any(name == SITE for _, name in self._clients[1:]):
            raise SettingsError(
                f"adapter.clients has an entry named {SITE!r}, which is the name for adapter.api_key.",
                "Give that client another name.",
            )
        digests = [digest for digest, _ in self._clients]
        digests += [each for each in (self._admin, self._labels) if each]
        if len(set(digests)) < len(digests):
            raise SettingsError(
                "Two of adapter.api_key, admin_key, labels_key and the keys of adapter.clients are alike, "
                "so that a key would not tell who asks.",
                "Give each a key of its own.",
            )

    def caller(self, authorization: str, user_token: str | None) -> Caller:
        """Who sends these two headers (`Authorization` and `X-OpenWebUI-User-Jwt`).

        Raises UnauthorizedError for a wrong key, and for a token that is there and not right.
        """
        given = _digest(_bearer(authorization))
        client = ""
        for digest, name in self._clients:  # all of them, so that the time tells nothing
            if hmac.compare_digest(given, digest):
                client = name
        if not client:
            raise UnauthorizedError(
                "The API key is not the adapter's.",
                "Use the api_key of [adapter] in hoheit.toml, or one of [[adapter.clients]].",
                code="invalid_api_key",
            )
        if user_token is None or self._secret is None:
            return Caller(client, client, (client, f"client:{client}"))
        if client != SITE:
            raise UnauthorizedError(
                f"The client {client!r} presents a user, and may only ask for itself.",
                f"Leave out the header {USER_HEADER}; only Open WebUI, with adapter.api_key, sends it.",
                code="invalid_user_token",
            )
        return self._user(user_token, self._secret, client)

    def require_admin(self, authorization: str) -> None:
        """Raises UnauthorizedError unless the key is `adapter.admin_key`."""
        given = _digest(_bearer(authorization))
        if self._admin is None or not hmac.compare_digest(given, self._admin):
            raise UnauthorizedError(
                "This is for operators, and the key is not theirs."
                if self._admin
                else "This is for operators, and no key of theirs is set.",
                "Use admin_key of [adapter] in hoheit.toml (the secret admin-key of a site).",
                code="invalid_admin_key",
            )

    def require_labels(self, authorization: str) -> None:
        """Raises UnauthorizedError unless the key is `adapter.labels_key`."""
        given = _digest(_bearer(authorization))
        if self._labels is None or not hmac.compare_digest(given, self._labels):
            raise UnauthorizedError(
                "This is for the site's MCP servers, and the key is not theirs."
                if self._labels
                else "This is for the site's MCP servers, and no key of theirs is set.",
                "Use labels_key of [adapter] in hoheit.toml (the secret labels-key of a site).",
                code="invalid_labels_key",
            )

    def _user(self, token: str, secret: bytes, client: str) -> Caller:
        if len(token) > _LONGEST_TOKEN:
            raise _refused(f"it has {len(token)} characters")
        try:
            claims = jwt.decode(
                token,
                secret,
                algorithms=["HS256"],
                issuer=_ISSUER,
                leeway=_LEEWAY_S,
                options={"require": ["exp", "iss", "sub"]},
            )
        except jwt.PyJWTError as error:
            raise _refused(str(error)) from None
        user, email = str(claims["sub"]).strip(), claims.get("email")
        if not user:
            raise _refused("it names nobody")
        names = [user, f"client:{client}"]
        if isinstance(email, str):
            names.append(email)
        if isinstance(role := claims.get("role"), str):
            names.append(f"role:{role}")
        known_as = self._named.get(email.lower(), user) if isinstance(email, str) else user
        return Caller(known_as, client, tuple(names))


def _refused(why: str) -> UnauthorizedError:
    return UnauthorizedError(
        f"The user token in {USER_HEADER} is refused: {why}.",
        "Give Open WebUI the adapter's user_jwt_secret as FORWARD_USER_INFO_HEADER_JWT_SECRET, "
        "and see that both machines' clocks are right.",
        code="invalid_user_token",
    )


def _bearer(authorization: str) -> str:
    scheme, _, given = authorization.partition(" ")
    if scheme.lower() != "bearer" or not given.strip():
        raise UnauthorizedError(
            "The API key is missing.",
            "Send it as 'Authorization: Bearer KEY'.",
            code="missing_api_key",
        )
    return given.strip()


def _digest(key: str) -> bytes:
    """Of one length for all keys, so that comparing does not tell how long the right one is."""
    return hashlib.sha256(key.encode()).digest()


def _signing_secret(secret: SecretStr | None) -> bytes | None:
    if secret is None:
        return None
    value = secret.get_secret_value().encode()
    if len(value) < _SHORTEST_SECRET:
        raise SettingsError(
            f"adapter.user_jwt_secret has {len(value)} bytes; at least {_SHORTEST_SECRET} are needed.",
            "Use a longer one, in Open WebUI as well.",
        )
    return value
