"""Which field of a layer names its features: what a map writes beside them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from marinemap.errors import RequestError, did_you_mean
from marinemap.sentences import say

# A field called so is a name in whatever layer; the first of these that there is counts.
_WORDS = (
    *("name", "title", "label", "bezeichnung", "titel", "nom", "nombre", "nome", "naam", "navn"),
    *("namn", "nimi", "naziv", "nazwa", "name_en", "name_de", "name_fr", "geoname", "toponym"),
)
# port_name, portName, PORTNAME; but not filename and username, which name something else.
_NAMED = re.compile(r"(?<!file)(?<!file_)(?<!user)(?<!user_)(?:name|bezeichnung)$", re.IGNORECASE)


def field_of_names(fields: Sequence[dict[str, Any]], chosen: str = "") -> str | None:
    """Return the field that names the features of a layer; None where there is none.

    Parameters
    ----------
    fields : sequence of dict
        As ``Layer.fields`` has them.
    chosen : str
        By an operator; it counts while the data have it.

    >>> field_of_names([{"name": "id", "type": "str"}, {"name": "port_name", "type": "str"}])
    'port_name'
    >>> field_of_names([{"name": "name", "type": "int32"}])
    """
    if any(field["name"] == chosen for field in fields):
        return chosen
    texts = [field["name"] for field in fields if field["type"].partition(":")[0] == "str"]
    # A list of names in an address is parted by commas.
    plain = [name for name in texts if "," not in name]
    words = {name.lower(): name for name in reversed(plain)}
    exact = (words[word] for word in _WORDS if word in words)
    return next(exact, None) or next(filter(_NAMED.search, plain), None)


def check_name_field(fields: Sequence[dict[str, Any]], chosen: str) -> None:
    """Refuse a field that the data do not have.

    Raises
    ------
    RequestError
        Naming those that there are.
    """
    names = [field["name"] for field in fields if "," not in field["name"]]
    if chosen in names:
        return
    raise RequestError(
        say(
            "the layer has no field '{field}'; it has {listed}.{nearest}",
            field=chosen,
            listed=", ".join(f"'{name}'" for name in names) or "none",
            nearest=did_you_mean(chosen, names),
        ),
        field="name_field",
        value=chosen,
    )
