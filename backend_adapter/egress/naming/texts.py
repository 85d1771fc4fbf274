"""What stands in the texts of a request that could be taken for a pseudonym, and so must not become one."""

import re
from datetime import date

from backend_adapter.egress.naming import dates, tokens
from backend_adapter.egress.naming.codes import Taken
from backend_adapter.egress.naming.folding import fold
from backend_adapter.egress.naming.iban import compact
from backend_adapter.egress.urls import Addresses

_DATES = re.compile(rf"(?<![^\W_]){dates.SHAPE.whole}(?![0-9])")
_ACCOUNTS = re.compile(
    r"(?<![^\W_])[a-z]{2}[ .\u200b-]?[0-9][ .\u200b-]?[0-9](?:[ .\u200b-]?[0-9a-z]){11,30}"
)
_SHORTEST_ACCOUNT = 15


class Texts:
    """Texts are looked through when it is asked for the first time what stands in them."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        # How many texts each was looked for in.
        self._looked = {"codes": 0, "accounts": 0, "days": 0}
        self._codes = Taken()
        self._accounts = set[str]()
        self._days = set[date]()

    def __bool__(self) -> bool:
        return bool(self._texts)

    def add(self, text: str) -> None:
        """Something that leaves as well."""
        self._texts.append(text)

    @property
    def codes(self) -> Taken:
        """The codes that stand there."""
        for text in self._new("codes"):
            # Within an address one was not restored before, and is what it was there.
            addresses, begin = Addresses(), 0
            for start, code in tokens.codes_in(fold(text)):
                addresses.follow(text[begin:start])
                begin = start
                if not addresses.inside:
                    self._codes.add(code)
        return self._codes

    def has_account(self, account: str) -> bool:
        """Whether this account number stands there."""
        for text in self._new("accounts"):
            for match in _ACCOUNTS.finditer(fold(text)):
                # In groups, it may have swallowed the words after it.
                run = compact(match[0])
                self._accounts.update(run[:end] for end in range(_SHORTEST_ACCOUNT, len(run) + 1))
        return compact(account) in self._accounts

    @property
    def days(self) -> set[date]:
        """All that the dates there may mean."""
        for text in self._new("days"):
            for match in _DATES.finditer(fold(text)):
                if (written := dates.read(match[0])) is not None:
                    self._days.update(written.days)
        return self._days

    def _new(self, what: str) -> list[str]:
        looked, self._looked[what] = self._looked[what], len(self._texts)
        return self._texts[looked:]
