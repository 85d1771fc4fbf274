"""Who belongs to a swarm: peers that can show what only a holder of the swarm's key could have made.

libp2p authenticates every connection's peer id by its private key. A proof is bound to one peer id, so a copied one
is worth nothing to another peer.
"""

import base64
import hmac
import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from backend_adapter.petals.errors import SwarmSettingsError
from backend_adapter.petals.settings import SwarmSettings

_CONTEXT = b"hoheit-swarm-1:"
_KEY_BYTES = 32


def new_key() -> str:
    """A new swarm key, as it is kept in a file."""
    return secrets.token_urlsafe(_KEY_BYTES)


def read_key(file: Path) -> bytes:
    """The swarm key in `file`. Raises SwarmSettingsError."""
    try:
        key = base64.urlsafe_b64decode(file.read_text(encoding="ascii").strip() + "=")
    except (OSError, ValueError) as error:
        raise SwarmSettingsError(
            f"The swarm key {file} cannot be read: {error}.",
            "Copy the key file of the swarm's first site.",
        ) from error
    if len(key) != _KEY_BYTES:
        raise SwarmSettingsError(
            f"The swarm key {file} has {len(key)} bytes, not {_KEY_BYTES}.",
            "Copy the key file of the swarm's first site.",
        )
    return key


@dataclass(frozen=True)
class Membership:
    """Tells members from strangers; without a key, only those of `allowed` are members."""

    key: bytes | None = None
    allowed: Collection[str] = field(default_factory=frozenset)
    open: bool = False

    @classmethod
    def of(cls, settings: SwarmSettings) -> "Membership":
        """What the settings say. Raises SwarmSettingsError where nobody would be a member."""
        if settings.open:
            return cls(open=True)
        if settings.key_file is None and not settings.allowed_peers:
            raise SwarmSettingsError(
                "Neither a swarm key nor allowed peers are set, so nobody would belong to the swarm.",
                "Set key_file, or open = true for a swarm that anybody may use and serve.",
            )
        key = read_key(settings.key_file) if settings.key_file else None
        return cls(key, frozenset(settings.allowed_peers))

    def proof(self, peer: str) -> str:
        """What `peer` (a peer id in base58) shows to prove that it is a member; empty without a key."""
        if self.key is None:
            return ""
        digest = hmac.digest(self.key, _CONTEXT + peer.encode(), "sha256")
        return base64.urlsafe_b64encode(digest).decode()

    def admits(self, peer: str, proof: object) -> bool:
        """Whether `peer`, who shows `proof`, is a member."""
        if self.open or peer in self.allowed:
            return True
        expected = self.proof(peer)
        return bool(expected) and isinstance(proof, str) and hmac.compare_digest(proof, expected)
