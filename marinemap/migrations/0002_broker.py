"""The queue's tables, brought to revision 2 while workers of revision 1 go on."""

from typing import Any

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from marinemap.transport import step_statements


def upgrade(apps: Any, editor: BaseDatabaseSchemaEditor) -> None:
    for statement in step_statements(editor.connection.vendor, 2):
        editor.execute(statement)


_BACK = (
    "DROP TABLE broker_subscriptions",
    "DROP INDEX broker_messages_delayed",
    "DROP INDEX broker_messages_limited",
    "CREATE INDEX broker_messages_limited ON broker_messages (rate_key, priority DESC, turn, id) "
    "WHERE claimed_by IS NULL AND due_at_ms IS NULL AND rate_key IS NOT NULL",
    "ALTER TABLE broker_consumers DROP COLUMN lease_ms",
    "ALTER TABLE broker_consumers DROP COLUMN lock_offset",
    "ALTER TABLE broker_rates DROP COLUMN recent_starts",
    "ALTER TABLE broker_schema DROP COLUMN revision",
    "ALTER TABLE broker_schema DROP COLUMN oldest_code",
)


def downgrade(apps: Any, editor: BaseDatabaseSchemaEditor) -> None:
    for statement in _BACK:
        editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("marinemap", "0001_broker")]
    operations = [migrations.RunPython(upgrade, downgrade)]
