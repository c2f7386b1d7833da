"""The tables of the message queue, which its room describes and this project creates."""

from typing import Any

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from marinemap.transport import step_statements

# Those of this version; later ones are the affair of later migrations.
_TABLES = (
    "bindings",
    "consumers",
    "dead_letters",
    "exchanges",
    "messages",
    "queues",
    "rates",
    "schema",
    "starts",
)


def create_tables(apps: Any, editor: BaseDatabaseSchemaEditor) -> None:
    for statement in step_statements(editor.connection.vendor, 1):
        editor.execute(statement)


def drop_tables(apps: Any, editor: BaseDatabaseSchemaEditor) -> None:
    for name in _TABLES:
        editor.execute(f"DROP TABLE {editor.quote_name('broker_' + name)}")


class Migration(migrations.Migration):
    initial = True
    dependencies: list[tuple[str, str]] = []
    operations = [migrations.RunPython(create_tables, drop_tables)]
