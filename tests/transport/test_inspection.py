"""`celery inspect scheduled`, of what waits in the database for its ETA."""

from __future__ import annotations

import json

from tests.transport.conftest import Broker, WorkerStarter, wait_until

_SCHEDULED = """
import json
print(json.dumps(app.control.inspect(timeout=120, limit=1).scheduled()))
"""


def test_inspect_tells_what_waits_for_its_eta(broker: Broker, workers: WorkerStarter) -> None:
    worker = workers.start("-c", "1", "--without-mingle", "--without-gossip")
    code = """
add.apply_async((1,), {'y': 2}, countdown=600, task_id='later', priority=3)
add.apply_async((1, 2), countdown=300, task_id='sooner', compression='gzip')
record.apply_async(('x' * 5000,), countdown=900, task_id='long')
add.apply_async((1, 2), countdown=300, task_id='elsewhere', queue='others')
"""
    workers.call(code)
    wait_until(
        lambda: broker.count("broker_messages", "due_at_ms IS NOT NULL") == 4, "four waiting"
    )
    listed = json.loads(workers.call(_SCHEDULED))[worker.name]
    # What was compressed or is long is named, and stays in the database.
    assert [one["request"]["id"] for one in listed] == ["sooner", "later", "long"]
    assert [one["request"]["args"] for one in listed] == [None, [1], None]
    assert [one["request"]["name"] for one in listed] == ["add", "add", "record"]
    assert {tuple(sorted(one)) for one in listed} == {("eta", "priority", "request")}
    assert len({tuple(sorted(one["request"])) for one in listed}) == 1
    assert listed[1]["request"]["kwargs"] == {"y": 2}
    assert listed[1]["request"]["delivery_info"] == {
        "exchange": "",
        "routing_key": "celery",
        "priority": 3,
        "redelivered": False,
    }
    etas = [one["eta"] for one in listed]
    assert etas == sorted(etas)
    assert broker.count("broker_messages", "due_at_ms IS NOT NULL") == 4
