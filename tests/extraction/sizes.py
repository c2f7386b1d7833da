"""How much the generated tests try: a little in `make test`, more in `make fuzz`."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

CASES = int(os.environ.get("FUZZ_CASES", "0"))
MUTANTS = int(os.environ.get("FUZZ_MUTANTS", "0"))


def unhurried(few: int) -> settings:
    """Return settings for so many examples, or as many as ``make fuzz`` asks for."""
    return settings(
        max_examples=CASES or few,
        # `make test` tries the same cases each time, `make fuzz` others.
        derandomize=not CASES,
        # A busy machine is no fault of the code.
        deadline=None,
        suppress_health_check=[
            HealthCheck.too_slow,
            HealthCheck.filter_too_much,
            HealthCheck.data_too_large,
            HealthCheck.large_base_example,
            HealthCheck.function_scoped_fixture,
        ],
    )
