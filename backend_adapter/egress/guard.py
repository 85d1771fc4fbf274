"""The one door: everything that a request says passes it before it leaves the site, and the answer after."""

from collections import Counter

import msgspec

from backend_adapter.egress.dictionary import Dictionary
from backend_adapter.egress.incoming import Restored
from backend_adapter.egress.lists import read_values
from backend_adapter.egress.media import media_in
from backend_adapter.egress.outgoing import OpaqueError, left_over, replace
from backend_adapter.egress.pseudonyms import Pseudonyms
from backend_adapter.egress.settings import KEY_BYTES, EgressSettings
from backend_adapter.errors import EgressError, SettingsError

# A body; what is in it is whatever clients send.
Body = dict[str, object]


class Guard:
    """What these settings say; `read` it anew where they change."""

    def __init__(self, dictionary: Dictionary, key: bytes) -> None:
        self._dictionary, self._key = dictionary, key

    @classmethod
    def read(cls, settings: EgressSettings) -> "Guard":
        """With the lists that the settings name. Blocks. Raises SettingsError."""
        key = b"" if settings.key is None else settings.key.get_secret_value().encode()
        if settings.dictionaries and len(key) < KEY_BYTES:
            raise SettingsError(
                f"The key to make pseudonyms with has {len(key)} bytes, and there are values to protect "
                "(adapter.egress.dictionaries).",
                f"Give adapter.egress.key, or the secret egress-key, at least {KEY_BYTES}.",
            )
        return cls(Dictionary(read_values(settings.dictionaries)), key)

    def protect(self, chat: str) -> "Protected":
        """What protects one request of a chat, and its answer."""
        return Protected(self._dictionary, Pseudonyms(self._key, chat))


class Protected:
    """One request on its way out and its answer on its way in."""

    def __init__(self, dictionary: Dictionary, pseudonyms: Pseudonyms) -> None:
        self._dictionary, self._pseudonyms = dictionary, pseudonyms
        # How many values of each kind were replaced, in all that went out.
        self.counts = Counter[str]()

    @property
    def searches(self) -> bool:
        """Whether there are values to look for, which takes its time in a long body."""
        return bool(self._dictionary.values)

    def outgoing(self, body: Body) -> Body:
        """The body that may leave. Raises EgressError where it must not, or cannot be looked through."""
        if media := media_in(body):
            raise EgressError(
                f"This model runs outside of the site, and nobody can tell what is in {media}.",
                "Ask a model that runs on site, or describe it in words.",
            )
        if not self.searches:
            return body
        try:
            replaced = replace(body, self._dictionary, self._pseudonyms)
            missed = left_over(replaced.value, self._dictionary)
        except RecursionError:
            raise self._opaque("It is nested too deep.") from None
        except OpaqueError as error:
            raise self._opaque(str(error)) from None
        if missed:
            raise EgressError(
                f"{missed} protected values would still have left the site.",
                "Tell whoever runs the adapter: this is a fault of it.",
            )
        self.counts += replaced.counts
        return msgspec.convert(replaced.value, Body)

    @staticmethod
    def _opaque(reason: str) -> EgressError:
        return EgressError(
            f"The request must not leave the site, because it cannot be looked through. {reason}",
            "Leave that out, or ask a model that runs on site.",
        )

    def incoming(self) -> Restored:
        """The step of the answer that restores what was replaced."""
        return Restored(self._pseudonyms.values)
