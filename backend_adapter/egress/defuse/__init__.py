"""Takes from an answer what a page would load or link by itself; what the model wrote stays readable.

An upstream outside the site could otherwise put what it was told into the address of a picture, which
the reader's browser fetches. The form is always the same: what the model wrote, escaped so that no
renderer sees more than text in it, and an address in inline code (``![Plan\\](`https://host.example/x`)``
is shown as ``![Plan](https://host.example/x)``).
"""

from backend_adapter.egress.defuse.bounds import LONGEST_HELD
from backend_adapter.egress.defuse.stream import Defusing

__all__ = ["LONGEST_HELD", "Defusing"]
