"""Jobs of earlier releases are still there after an upgrade."""

from __future__ import annotations

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from marinemap.jobs.models import Job, JobDocuments

pytestmark = pytest.mark.django_db(transaction=True)


def migrate(name: str | None) -> MigrationExecutor:
    executor = MigrationExecutor(connection)
    # Of every app: what stands on the jobs' tables goes back with them.
    newest = executor.loader.graph.leaf_nodes()
    executor.migrate([("jobs", name)] if name else newest)
    return executor


def test_what_was_asked_and_answered_moves_to_its_own_table() -> None:
    try:
        migrate("0001_initial")
        columns = "id, process_id, inputs, outputs, owner, is_owner_known, status, progress"
        others = "message, attempt, artifact, media_type, file_name, created_at, updated_at"
        with connection.cursor() as cursor:
            for number, outputs in ((1, "NULL"), (2, '\'{"message": "x"}\'')):
                cursor.execute(
                    f"INSERT INTO jobs_job ({columns}, {others}) VALUES ("
                    f"'0000000000000000000000000000000{number}', 'echo', '{{\"message\": \"x\"}}',"
                    f" {outputs}, 'browser:x', TRUE, 'successful', 100, '', 1, '', '', '',"
                    " CURRENT_TIMESTAMP, CURRENT_TIMESTAMP)"
                )
    finally:
        migrate(None)
    waiting, answered = Job.objects.order_by("pk")
    assert JobDocuments.objects.get(pk=waiting.pk).inputs == {"message": "x"}
    assert (waiting.has_outputs, waiting.documents.outputs) == (False, None)
    assert (answered.has_outputs, answered.documents.outputs) == (True, {"message": "x"})
