"""Which addresses an answer may load or link."""

import re
from collections.abc import Collection

# Narrower than RFC 3986, so that every renderer and browser reads the same host in it: no user, no backslash, no
# entity, no letter that is folded into another one.
URL = r"https?://[A-Za-z0-9.\-]{1,253}(?::[0-9]{1,5})?(?:[/?#][A-Za-z0-9._~:/?#@!&*+,;=%\-]*)?"
_URL = re.compile(URL, re.IGNORECASE | re.ASCII)
_PARTS = re.compile(r"(https?)://([^/?#:]+)(?::([0-9]+))?", re.IGNORECASE | re.ASCII)
_PORTS = {"http": "80", "https": "443"}


class Hosts:
    """A list: `host.example`, `*.host.example` for the hosts below it, `host.example:8443` for another port."""

    def __init__(self, hosts: Collection[str]) -> None:
        names = {host.strip().lower().removesuffix(".") for host in hosts}
        self._names = {name for name in names if not name.startswith("*.")}
        self._below = tuple(name[1:] for name in names if name.startswith("*.") and len(name) > 2)

    def allow(self, url: str) -> bool:
        """Whether `url` is written plainly and its host is on the list; what is relative has no host."""
        if not _URL.fullmatch(url) or not (parts := _PARTS.match(url)):
            return False
        scheme, host, port = parts[1].lower(), parts[2].lower().removesuffix("."), parts[3]
        if port is not None and port.lstrip("0") != _PORTS[scheme]:
            host = f"{host}:{port}"
        return host in self._names or host.endswith(self._below)
