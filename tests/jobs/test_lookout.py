"""Looks at what may not answer: each has an end, and another may follow it."""

from __future__ import annotations

import pytest

from marinemap.jobs.lookout import Lookout
from tests.jobs.conftest import no_new_threads


def test_look_without_a_thread_is_followed_by_another() -> None:
    lookout = Lookout(lambda: "seen", 120, "look")
    with no_new_threads(), pytest.raises(TimeoutError, match="thread"):
        lookout.ask()
    assert lookout.ask() == "seen"


def test_thread_that_could_not_be_kept_is_not_waited_for() -> None:
    lookout = Lookout(lambda: "seen", 120, "look")
    with no_new_threads(), pytest.raises(RuntimeError, match="thread"):
        lookout.keep_connection()
    assert lookout.ask() == "seen"
