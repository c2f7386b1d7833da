"""Features that an extract leaves out though it should have them: how many, and which first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from marinemap.errors import DatasetError, quote
from marinemap.sentences import say

# Nobody reads more; all of them are counted.
_MOST_NAMED = 10


@dataclass(frozen=True)
class NamedFeature:
    """A feature by its id in the source, as pages of the API have it, and why it is named."""

    id: int
    reason: str


@dataclass(frozen=True)
class LeftOut:
    """Features left out: their number, and the first ones by name."""

    count: int = 0
    first: tuple[NamedFeature, ...] = ()

    @classmethod
    def of(cls, reasons: Mapping[int, str]) -> LeftOut:
        """Return features by their ids, each with the reason."""
        named = list(reasons.items())[:_MOST_NAMED]
        return cls(len(reasons), tuple(NamedFeature(id_, quote(why)) for id_, why in named))

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> LeftOut:
        """Return what ``dataclasses.asdict`` made of it, through JSON."""
        return cls(found["count"], tuple(NamedFeature(**each) for each in found["first"]))

    def __add__(self, other: LeftOut) -> LeftOut:
        return LeftOut(self.count + other.count, (*self.first, *other.first)[:_MOST_NAMED])

    @property
    def ids(self) -> str:
        """The ids of the first ones, in words."""
        return self._listed([str(each.id) for each in self.first])

    @property
    def ids_and_reasons(self) -> str:
        """The ids of the first ones, each with its reason, in words."""
        return self._listed([f"{each.id} ({each.reason})" for each in self.first])

    def _listed(self, named: list[str]) -> str:
        more = self.count - len(named)
        listed = ", ".join(named)
        return say("{listed}, and {more:,} more", listed=listed, more=more) if more else listed


def check_readable_share(title: str, unreadable: LeftOut, read: int) -> None:
    """Refuse a layer of which more features cannot be read than can.

    Parameters
    ----------
    title : str
        What to call the layer in a message.
    unreadable : LeftOut
    read : int
        How many features were looked at, those that cannot be read among them.

    Raises
    ------
    DatasetError
        With the first of them.
    """
    if 2 * unreadable.count > read:
        raise DatasetError(
            say(
                "{count:,} of the {read:,} geometries that were looked at of {title} cannot be "
                "read: feature {named}: it is damaged",
                count=unreadable.count,
                read=read,
                title=title,
                named=unreadable.ids_and_reasons,
            ),
            field="source",
            hint=say("Mend these features, or ask for a whole copy."),
        )
