"""The address of a table: which server and database, which table, and what of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from marinemap.errors import DatasetError, did_you_mean

# As GDAL's users write a connection, in place of an address.
_GDAL = "PG:"
_SCHEMES = ("postgresql", "postgres", "postgis")
_OWN = ("table", "geometry", "key")
_WHERE = ("host", "port", "dbname", "user")
_HOW = (
    "Write postgresql://host:5432/database?table=schema.name, with &geometry=column where the "
    "table has several, and &key=column for a view."
)
_NAME = re.compile(r'(?:"((?:[^"]|"")+)"|([^".]+))(?:\.|$)')


@dataclass(frozen=True)
class Table:
    """A table or view of a PostGIS database; stands where a path of a file does.

    ``geometry`` and ``key`` are columns, where they were named. ``snapshot`` names a state of the
    database that another transaction holds (PostgreSQL, ``pg_export_snapshot``): with it all that
    is read is of that state. There is never a password in it.
    """

    host: str
    port: str
    database: str
    user: str
    schema: str
    relation: str
    geometry: str = ""
    key: str = ""
    snapshot: str = ""

    @classmethod
    def parse(cls, address: str) -> Table:
        """Read an address, or a connection as GDAL has it (``PG:dbname=... tables=...``).

        Raises
        ------
        DatasetError
            If it cannot be read, or holds a password. It is not repeated: it may hold one.
        """
        own, connection = _parted(address)
        if "password" in connection or "passfile" in connection:
            raise _refused(
                "the address of a table holds a password, which everybody would see",
                "Take it out: user and password belong to the server in MARINEMAP_POSTGIS_SERVERS.",
            )
        unknown = sorted({*own, *connection} - {*_OWN, *_WHERE})
        if unknown:
            hint = did_you_mean(unknown[0], (*_OWN, *_WHERE))
            raise _refused(f"the address of a table has no part '{unknown[0]}'.{hint}", _HOW)
        if not own.get("table") or not connection.get("dbname"):
            raise _refused("the address names no database or no table", _HOW)
        schema, relation = _names(own["table"])
        host, port, database, user = (connection.get(part, "") for part in _WHERE)
        geometry, key = own.get("geometry", ""), own.get("key", "")
        return cls(host, port or "5432", database, user, schema, relation, geometry, key)

    def __str__(self) -> str:
        """Return the address."""
        user = f"{quote(self.user, safe='')}@" if self.user else ""
        # A folder of sockets is no host of an address.
        is_folder = self.host.startswith("/")
        place = "" if is_folder else f"[{self.host}]" if ":" in self.host else self.host
        parts = {
            "host": self.host if is_folder else "",
            "table": ".".join(_quoted(name) for name in (self.schema, self.relation)),
            "geometry": self.geometry,
            "key": self.key,
        }
        query = urlencode({name: part for name, part in parts.items() if part}, quote_via=quote)
        database = quote(self.database, safe="")
        return f"postgresql://{user}{place}:{self.port}/{database}?{query}"

    @property
    def name(self) -> str:
        """What people are told in place of a file's name."""
        return f"database {self.database}"

    @property
    def layer(self) -> str:
        """What the layer is called in its database."""
        return f"{self.schema}.{self.relation}"

    def as_it_is(self) -> Table:
        """Return the table as it is at any moment, of no snapshot."""
        return replace(self, snapshot="")


def is_table(text: str) -> bool:
    """Tell whether a text is the address of a table, rather than a path."""
    return text.startswith(_GDAL) or text.partition("://")[0] in _SCHEMES


def _parted(address: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return our own parts of an address, and those that say where the database is."""
    # Imported here: it takes long to import, and who knows no table needs none of it.
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    try:
        if address.startswith(_GDAL):
            found = {k: str(v) for k, v in _gdal_parts(address.removeprefix(_GDAL)).items()}
            return {k: v for k, v in found.items() if k in _OWN}, {
                k: v for k, v in found.items() if k not in _OWN
            }
        parts = urlsplit(address)
        query = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
        rest = urlencode({k: v for k, v in query.items() if k not in _OWN}, quote_via=quote)
        bare = parts._replace(scheme="postgresql", query=rest, fragment="").geturl()
        own = {k: v for k, v in query.items() if k in _OWN}
        return own, {k: str(v) for k, v in conninfo_to_dict(bare).items()}
    except (ValueError, psycopg.Error) as error:
        raise _refused("the address of a table cannot be read", _HOW) from error


def _gdal_parts(text: str) -> Mapping[str, object]:
    from psycopg.conninfo import conninfo_to_dict

    words = re.sub(r"\b(tables|active_schema|schemas)=", r"application_name=\1:", text)
    if len(re.findall("application_name=", words)) > 1:
        raise ValueError("more than one table")
    found = dict(conninfo_to_dict(words))
    named = str(found.pop("application_name", ""))
    return {**found, "table": named.removeprefix("tables:")} if named else found


def _names(text: str) -> tuple[str, str]:
    found = [quoted.replace('""', '"') or plain for quoted, plain in _NAME.findall(text)]
    if not 1 <= len(found) <= 2 or "".join(m.group(0) for m in _NAME.finditer(text)) != text:
        raise _refused("the name of the table cannot be read", _HOW)
    return ("public", found[0]) if len(found) == 1 else (found[0], found[1])


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"' if re.search(r'[".]', name) else name


def _refused(message: str, hint: str) -> DatasetError:
    return DatasetError(message, field="source", hint=hint)
