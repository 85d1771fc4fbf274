"""The four classes of data, from what anybody may have to what never leaves the site."""

from collections.abc import Iterable
from typing import Literal, TypeAlias, get_args

DataClass: TypeAlias = Literal["public", "internal", "confidential", "secret"]

_ORDER: tuple[DataClass, ...] = get_args(DataClass)


def highest(classes: Iterable[DataClass]) -> DataClass:
    """The one that needs most care; `public` where there is none."""
    return max(classes, key=_ORDER.index, default="public")
