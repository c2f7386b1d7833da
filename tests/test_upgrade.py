"""What the code of before meets while a site is upgraded."""

from __future__ import annotations

from typing import Any

from django.db.migrations import AddField
from django.db.migrations.loader import MigrationLoader
from django.db.models import NOT_PROVIDED, Field

# Of before the rule; what stores rows by the code before these is answered by an error.
NEWEST_BEFORE_THE_RULE = {"catalogue": 16, "jobs": 20, "mail": 2}


def test_columns_that_are_added_can_be_left_out_by_the_code_of_before() -> None:
    """Its web server and worker store rows until they are restarted."""
    loader = MigrationLoader(None)
    migrations = [
        m for m in loader.disk_migrations.values() if m.__module__.startswith("marinemap.")
    ]
    added = [
        (migration.app_label, migration.name, operation.name)
        for migration in migrations
        for operation in migration.operations
        if isinstance(operation, AddField) and not _may_be_left_out(operation.field)
    ]
    assert added, "those of before the rule"
    late = [each for each in added if int(each[1][:4]) > NEWEST_BEFORE_THE_RULE.get(each[0], 0)]
    assert late == [], "null=True, or a db_default"


def _may_be_left_out(field: Field[Any, Any]) -> bool:
    return field.null or field.many_to_many or field.db_default is not NOT_PROVIDED
