"""All sorts of identifiers that are recognised by their shape, their checksum and the words beside them.

Their patterns and checksums are Presidio's, python-stdnum's, or those of who gives them.
"""

from backend_adapter.egress.detect import identifiers_machines
from backend_adapter.egress.detect.identifier import Identifier
from backend_adapter.egress.detect.identifiers_foreign import foreign
from backend_adapter.egress.detect.identifiers_german import german
from backend_adapter.egress.detect.identifiers_machines import machines
from backend_adapter.egress.detect.identifiers_payment import payment

WORDS = identifiers_machines.WORDS


def identifiers() -> tuple[Identifier, ...]:
    """All of them. Imports Presidio, which takes a second or two."""
    return (*german(), *foreign(), *payment(), *machines())
