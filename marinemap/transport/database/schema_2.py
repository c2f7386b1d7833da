"""The step from version 1 to 2, frozen. It only adds, so that version 1's code goes on.

`version` stays as it is: version 1's code refuses any other. What the tables are, and how old
the code may be that still works with them, is told by `revision` and `oldest_code` from here on.
"""

from __future__ import annotations

_BOTH = (
    "ALTER TABLE broker_schema ADD COLUMN revision INTEGER",
    "ALTER TABLE broker_schema ADD COLUMN oldest_code INTEGER",
    "ALTER TABLE broker_consumers ADD COLUMN lease_ms BIGINT",
    # On SQLite where the process holds its lock, on PostgreSQL what tells it from others.
    "ALTER TABLE broker_consumers ADD COLUMN lock_offset BIGINT",
    # What `window.Window` writes: the starts of the last window, in the row that is locked
    # to count them.
    "ALTER TABLE broker_rates ADD COLUMN recent_starts TEXT",
    "ALTER TABLE broker_exchanges ADD COLUMN is_auto_delete BOOLEAN",
    """CREATE TABLE broker_subscriptions (
    consumer_id TEXT NOT NULL,
    queue_name TEXT NOT NULL,
    PRIMARY KEY (consumer_id, queue_name)
)""",
    "CREATE INDEX broker_subscriptions_queue ON broker_subscriptions (queue_name)",
    "DROP INDEX broker_messages_limited",
    "CREATE INDEX broker_messages_limited ON broker_messages "
    "(rate_key, queue_name, priority DESC, turn, id) "
    "WHERE claimed_by IS NULL AND due_at_ms IS NULL AND rate_key IS NOT NULL",
    "CREATE INDEX broker_messages_delayed ON broker_messages (queue_name) "
    "WHERE due_at_ms IS NOT NULL",
)
_STAMP = ("UPDATE broker_schema SET revision = 2, oldest_code = 1",)

SQLITE = (*_BOTH, *_STAMP)
# Each claim changes what a partial index is about, so no update ever stays on its page:
# the room that version 1 left for that was only read past.
POSTGRESQL = (*_BOTH, "ALTER TABLE broker_messages SET (fillfactor = 100)", *_STAMP)
