"""The one door: everything that a request says passes it before it leaves the site, and the answer after."""

import logging
import os
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

import msgspec

from backend_adapter.egress.attached import holds_attached
from backend_adapter.egress.detect.detectors import Detectors
from backend_adapter.egress.detect.names.titles import gender_of
from backend_adapter.egress.detect.settings import DetectorSettings
from backend_adapter.egress.found import Detector, Finder, Found, apart
from backend_adapter.egress.incoming import Restored
from backend_adapter.egress.known.dictionary import Dictionary
from backend_adapter.egress.known.lists import read_dictionary
from backend_adapter.egress.labels import NOTHING_KNOWN, Known
from backend_adapter.egress.media import media_in, tokens_in
from backend_adapter.egress.outgoing import OpaqueError, left_over, replace
from backend_adapter.egress.policy.reading import read_policy
from backend_adapter.egress.policy.rules import Action, Policy
from backend_adapter.egress.pseudonyms import Pseudonyms
from backend_adapter.egress.restore import Restoring
from backend_adapter.egress.settings import KEY_BYTES, EgressSettings
from backend_adapter.errors import EgressError, SettingsError

log = logging.getLogger(__name__)

# A body; what is in it is whatever clients send.
Body = dict[str, object]


@lru_cache(maxsize=1)
def detectors(settings: DetectorSettings) -> Detectors:
    """Made once, however often other settings change: what they have seen they need not look through again."""
    return Detectors(settings)


class Together:
    """What is known and what is recognised, found as one."""

    def __init__(self, known: Sequence[Finder], detectors: Sequence[Detector] = ()) -> None:
        self._known, self._detectors = known, detectors

    def find(self, text: str, label: str = "") -> list[Found]:
        """What any of them finds, none reaching into another."""
        found = [each for finder in self._known for each in finder.find(text)]
        found += [each for detector in self._detectors for each in detector.find(text, label)]
        return apart(found)


class Guard:
    """What these settings say; `read` it anew where they change."""

    def __init__(
        self, policy: Policy, listed: Dictionary, key: bytes, detectors: Sequence[Detector] = ()
    ) -> None:
        self.policy = policy
        self._listed, self._key, self._detectors = listed, key, tuple(detectors)

    @classmethod
    def read(cls, settings: EgressSettings) -> "Guard":
        """With the policy and the lists that the settings name. Blocks. Raises SettingsError."""
        key = None if settings.key is None else settings.key.get_secret_value().encode()
        if settings.dictionaries and len(key or b"") < KEY_BYTES:
            raise SettingsError(
                f"The key to make pseudonyms with has {len(key or b'')} bytes, and there are values to protect "
                "(adapter.egress.dictionaries).",
                f"Give adapter.egress.key, or the secret egress-key, at least {KEY_BYTES}.",
            )
        # Without a key, pseudonyms are good for as long as this process runs.
        return cls(
            read_policy(settings.policy),
            read_dictionary(settings.dictionaries, settings.index_folder, log.info),
            key or os.urandom(KEY_BYTES),
            [detectors(settings.detectors)] if settings.detectors.enabled else (),
        )

    def find(self, text: str) -> list[Found]:
        """All that the site has listed, and all that is recognised, in a text."""
        return Together([self._listed], self._detectors).find(text)

    def protect(
        self, chat: str, known: Known = NOTHING_KNOWN, action: Action = "pseudonymise"
    ) -> "Protected":
        """What protects one request of a chat, and its answer."""
        certain = Together([self._listed, known.dictionary])
        searched = Together([certain], self._detectors)
        return Protected(self.policy, certain, searched, Pseudonyms(self._key, chat), known, action)


class Protected:
    """One request on its way out and its answer on its way in."""

    def __init__(
        self,
        policy: Policy,
        certain: Finder,
        searched: Detector,
        pseudonyms: Pseudonyms,
        known: Known,
        action: Action,
    ) -> None:
        self._policy, self._certain, self._searched = policy, certain, searched
        self._pseudonyms, self._known, self._action = pseudonyms, known, action
        # How many values of each kind were replaced, in all that went out.
        self.counts = Counter[str]()

    def outgoing(self, body: Body) -> Body:
        """The body that may leave. Raises EgressError where it must not, or cannot be looked through."""
        if media := media_in(body):
            raise EgressError(
                f"This model runs outside of the site, and nobody can tell what is in {media}.",
                "Ask a model that runs on site, or describe it in words.",
            )
        if self._action == "passages" and holds_attached(body):
            raise EgressError(
                "A document is attached to this chat, which is confidential.",
                "Remove the document, ask a model that runs on site, or have the site's tools search it.",
            )
        if self._action == "send":
            return body
        if tokens_in(body):
            raise _opaque("It holds the numbers of tokens in place of a text.")
        return msgspec.convert(self._replaced(body), Body)

    def _replaced(self, value: object) -> object:
        try:
            replaced = replace(value, self._searched, self._pseudonyms, gender_of)
            missed = left_over(replaced.value, self._certain, self._pseudonyms)
        except RecursionError:
            raise _opaque("It is nested too deep.") from None
        except OpaqueError as error:
            raise _opaque(str(error)) from None
        if missed:
            raise EgressError(
                f"{missed} protected values would still have left the site.",
                "Tell whoever runs the adapter: this is a fault of it.",
            )
        self.counts += replaced.counts
        return replaced.value

    @property
    def pseudonyms(self) -> list[str]:
        """Those that stand for values in what goes out."""
        return [*self._pseudonyms.values]

    def incoming(self, *, shown: bool = True) -> Restored:
        """The step of the answer that restores what was replaced; `shown` tells that a page may show it."""
        return Restored(
            self._pseudonyms.restorable,
            site_tool=self._policy.runs_on_site,
            leaving_call=self._leaving_call,
            link_hosts=self._policy.link_hosts if shown else None,
        )

    def _leaving_call(self, tool: str, arguments: str) -> str:
        """The arguments that a tool outside the site may have. Raises EgressError."""
        restoring = Restoring(self._pseudonyms.restorable)
        restored = restoring.feed(arguments) + restoring.end()
        if any(each.value in self._known.confidential for each in self._certain.find(restored)):
            raise EgressError(
                f"The model wanted to give confidential values to {tool}, which is no tool of the site.",
                "Ask it to search without them, or have an admin name the tool under site_tools of the policy.",
            )
        return str(self._replaced(arguments))


def _opaque(reason: str) -> EgressError:
    return EgressError(
        f"The request must not leave the site, because it cannot be looked through. {reason}",
        "Leave that out, or ask a model that runs on site.",
    )
