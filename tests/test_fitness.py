"""A database of PostgreSQL with defaults of its own, or one that cannot hold the site."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import dj_database_url
import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from pytest_django import DjangoDbBlocker

from marinemap.management.fitness import find_unfit_encoding, find_weak_durability

Open = Callable[..., BaseDatabaseWrapper]


@pytest.fixture
def open_odd(postgresql_url: str, django_db_blocker: DjangoDbBlocker) -> Iterator[Open]:
    """Make a database with the words given, change it, and open it as Django does."""
    name = "odd"
    server = postgresql_url.rpartition("/")[0]

    def run(database: str, *statements: str) -> None:
        with psycopg.connect(f"{server}/{database}", autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    def open_it(words: str = "", *changes: str, user: str = "postgres") -> BaseDatabaseWrapper:
        drop = f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"
        run("postgres", drop, f"CREATE DATABASE {name} {words}", *changes)
        of = dj_database_url.parse(f"{server}/{name}".replace("postgres@", f"{user}@"))
        connections.settings[name] = connections.configure_settings({"default": of})["default"]
        return connections[name]

    with django_db_blocker.unblock():
        yield open_it
        connections[name].close()
        del connections[name], connections.settings[name]
        run("postgres", f"DROP DATABASE {name} WITH (FORCE)", "DROP ROLE IF EXISTS guest")


@pytest.mark.parametrize("isolation", ["serializable", "repeatable read"])
def test_defaults_of_a_database_are_not_the_sites(open_odd: Open, isolation: str) -> None:
    """Requests that came together were refused with 503; `migrate` ended in a traceback."""
    odd = open_odd(
        "",
        f"ALTER DATABASE odd SET default_transaction_isolation = '{isolation}'",
        "ALTER DATABASE odd SET default_transaction_deferrable = on",
        "ALTER DATABASE odd SET DateStyle = 'German, DMY'",
    )
    with odd.cursor() as cursor:
        cursor.execute("SELECT current_setting('transaction_isolation'), now()")
        assert cursor.fetchone()[0] == "read committed"


def test_database_that_lacks_letters_is_refused(open_odd: Open) -> None:
    """A filter in Greek was answered with 500."""
    odd = open_odd("ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    told = find_unfit_encoding(odd)
    assert told is not None and "in LATIN1, not in UTF8" in told
    with pytest.raises(CommandError, match=r"LATIN1.*createdb --encoding=UTF8"):
        call_command("migrate", database="odd", verbosity=0)
    with odd.cursor() as cursor:
        assert odd.introspection.table_names(cursor) == []


def test_user_who_may_make_no_tables_is_told_what_to_do(open_odd: Open) -> None:
    """PostgreSQL 15 lets nobody but the owner; it was a traceback."""
    open_odd("", "CREATE ROLE guest LOGIN", user="guest")
    with pytest.raises(CommandError, match=r"permission denied for schema public.*OWNER TO"):
        call_command("migrate", database="odd", verbosity=0)


def test_search_path_that_names_no_schema_is_told(open_odd: Open) -> None:
    open_odd("", "ALTER DATABASE odd SET search_path = 'nowhere'")
    with pytest.raises(CommandError, match=r"no schema has been selected.*CREATE SCHEMA"):
        call_command("migrate", database="odd", verbosity=0)


def test_database_that_forgets_at_a_power_cut_is_told(open_odd: Open) -> None:
    """A worker refused to start; web servers went on taking requests."""
    odd = open_odd("", "ALTER DATABASE odd SET synchronous_commit = off")
    assert find_weak_durability(odd) == ["synchronous_commit"]


@pytest.mark.django_db
def test_database_of_the_site_is_fit() -> None:
    assert find_unfit_encoding(connections["default"]) is None
    assert find_weak_durability(connections["default"]) == []
