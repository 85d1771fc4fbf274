"""All sorts of identifiers that are recognised by their shape, their checksum and the words beside them.

Their patterns and checksums are Presidio's, python-stdnum's, or those of who gives them.
"""

from backend_adapter.egress.detect.identifiers.foreign import foreign
from backend_adapter.egress.detect.identifiers.german import german
from backend_adapter.egress.detect.identifiers.identifier import Identifier
from backend_adapter.egress.detect.identifiers.machines import RELEASES, machines
from backend_adapter.egress.detect.identifiers.payment import payment

WORDS = (RELEASES,)


def identifiers() -> tuple[Identifier, ...]:
    """All of them. Imports Presidio, which takes a second or two."""
    return (*german(), *foreign(), *payment(), *machines())
