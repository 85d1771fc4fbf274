"""Recognises addresses of mail.

RFC 5321 section 4.5.3.1 (lengths), RFC 5322 section 3.4.1; unlike Presidio's, the recogniser asks for no public
suffix, because the domains of a site's own network have none, and so nothing is ever fetched.
"""

import re
from collections.abc import Iterator

from backend_adapter.egress.detect.hits import LABELLED, Hit
from backend_adapter.egress.detect.scan import Scan
from backend_adapter.egress.detect.views import matches

_MAIL = re.compile(
    r"[^\W_](?<![\w.%+&#~-].)[\w.%+&#~-]{0,127}+@"
    r"(?:[^\W_][\w-]{0,62}\.){1,8}[^\W\d_][\w-]{1,62}(?<![-_])"
)
_LOCAL_REACH, _DOMAIN_REACH = 132, 260
_AT = re.compile(r"\w@[^\W_]")


def mails(scan: Scan) -> Iterator[Hit]:
    """The addresses of mail in a text."""
    if "@" not in scan.text:
        return
    for match, begin in matches(_MAIL, scan.around(_AT, _LOCAL_REACH, _DOMAIN_REACH)):
        if ".." not in match[0]:
            yield Hit(begin, begin + len(match[0]), "EMAIL", LABELLED + 5)
