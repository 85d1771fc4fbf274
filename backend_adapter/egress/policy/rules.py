"""What a policy says about one destination of one request."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal, TypeAlias

from backend_adapter.egress.classes import DataClass

# What becomes of a request; see default.yaml.
Action: TypeAlias = Literal["send", "pseudonymise", "passages", "on_site", "refuse"]
# From what lets most through to what lets nothing through.
_STRICTER: tuple[Action, ...] = ("send", "pseudonymise", "passages", "on_site", "refuse")


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of a policy; an empty field fits everything."""

    line: int
    then: Action
    classes: tuple[DataClass, ...] = ()
    to: tuple[str, ...] = ()
    users: tuple[str, ...] = ()

    def fits(
        self, data_class: DataClass, destination: "Destination", user: Collection[str]
    ) -> bool:
        """Whether it speaks about this class, destination and user (all names that one has)."""
        return (
            (not self.classes or data_class in self.classes)
            and (not self.to or bool({destination.trust, destination.name} & {*self.to}))
            and (not self.users or any(_named(name, self.users) for name in user))
        )


@dataclass(frozen=True, slots=True)
class Destination:
    """An upstream that is not the site's."""

    name: str
    trust: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a request, and which line says so, such as `policy.yaml:7`."""

    action: Action
    line: str

    @property
    def leaves(self) -> bool:
        """Whether it goes to the destination at all."""
        return self.action in ("send", "pseudonymise", "passages")


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules in their order, and what else is decided in one place; `name` is what lines are told by."""

    name: str
    rules: tuple[Rule, ...]
    unlabelled: DataClass = "internal"
    on_site_model: str | None = None
    site_tools: tuple[str, ...] = ()
    link_hosts: tuple[str, ...] = ()

    def decide(
        self, data_class: DataClass, destination: Destination, user: Collection[str]
    ) -> Decision:
        """What the first rule that fits says; where none does, nothing leaves."""
        for rule in self.rules:
            if rule.fits(data_class, destination, user):
                return Decision(rule.then, f"{self.name}:{rule.line}")
        return Decision("refuse", f"{self.name}: no rule fits")

    def runs_on_site(self, tool: str) -> bool:
        """Whether a tool may be given the values themselves."""
        return any(fnmatchcase(tool, pattern) for pattern in self.site_tools)


def strictest(decisions: Sequence[Decision]) -> Decision:
    """Of decisions about one request, the one that lets least through. Raises ValueError for none."""
    return max(decisions, key=lambda decision: _STRICTER.index(decision.action))


def _named(name: str, patterns: Collection[str]) -> bool:
    return any(fnmatchcase(name.casefold(), pattern.casefold()) for pattern in patterns)
