"""What fails here and not on Redis."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from scripts.celery_suite.brokers import REDIS
from scripts.celery_suite.wiring.outcomes import FAILED, NOT_REACHED, PASSED, SKIPPED, Outcome

_UNKNOWN = Outcome(NOT_REACHED, "the run was over before")
_STATES = (PASSED, FAILED, SKIPPED, NOT_REACHED)

# How each test ended, by broker.
Outcomes = Mapping[str, Mapping[str, Outcome]]


def find_only_here(outcomes: Outcomes) -> dict[str, dict[str, Outcome]]:
    """Return, by test and broker, what did not pass although it passed on Redis."""
    found: dict[str, dict[str, Outcome]] = {}
    for test, on_redis in outcomes[REDIS].items():
        if on_redis.state != PASSED:
            continue
        for broker, ended in outcomes.items():
            outcome = ended.get(test, _UNKNOWN)
            if outcome.state in (FAILED, NOT_REACHED):
                found.setdefault(test, {})[broker] = outcome
    return found


def write_counts(title: str, outcomes: Outcomes) -> str:
    """Return a table of how many tests ended how on each broker."""
    tests = set().union(*outcomes.values())
    lines = [f"{title}, {len(tests)} tests".ljust(34) + "".join(map("{:>12}".format, outcomes))]
    for state in _STATES:
        counts = [_count(tests, ended)[state] for ended in outcomes.values()]
        lines.append(f"  {state}".ljust(34) + "".join(map("{:>12}".format, counts)))
    return "\n".join(lines)


def write_failures(found: Mapping[str, Mapping[str, Outcome]]) -> str:
    """Return a line for each test and broker: why it failed."""
    return "\n".join(
        f"  {broker:<12}{test}\n{'':<14}{outcome.why[:200] or outcome.state}"
        for test, brokers in found.items()
        for broker, outcome in brokers.items()
    )


def _count(tests: set[str], ended: Mapping[str, Outcome]) -> Counter[str]:
    return Counter(ended.get(test, _UNKNOWN).state for test in tests)
