"""The tables of the message queue, which its room describes and this project creates."""

from typing import Any

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from marinemap.transport import schema_statements, table_names


def create_tables(apps: Any, editor: BaseDatabaseSchemaEditor) -> None:
    for statement in schema_statements(editor.connection.vendor):
        editor.execute(statement)


def drop_tables(apps: Any, editor: BaseDatabaseSchemaEditor) -> None:
    for name in table_names():
        editor.execute(f"DROP TABLE {editor.quote_name(name)}")


class Migration(migrations.Migration):
    initial = True
    dependencies: list[tuple[str, str]] = []
    operations = [migrations.RunPython(create_tables, drop_tables)]
