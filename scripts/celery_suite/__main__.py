"""Run Celery's and kombu's own integration tests here and on Redis: ``make celery-suite``.

Ends with 1 where anything fails here that passes on Redis.
"""

from __future__ import annotations

import argparse
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version

from benchmarks.broker_servers import MissingServerError
from scripts.celery_suite.brokers import BROKERS, REDIS
from scripts.celery_suite.report import find_only_here, write_counts, write_failures
from scripts.celery_suite.runs import SUITES, Suite, run, stop_all
from scripts.celery_suite.sources import fetch_tests, install_packages
from scripts.celery_suite.wiring.outcomes import Outcome


def main() -> None:
    """Run the suites that are named, or all; print what fails here and not on Redis."""
    options = _parse()
    # Ended like this too, it leaves no server behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        is_good = [_try_suite(SUITES[name], options) for name in options.suites or SUITES]
    except MissingServerError as error:
        sys.exit(str(error))
    sys.exit(0 if all(is_good) else 1)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="celery-suite", description=__doc__)
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"of {', '.join(SUITES)}")
    parser.add_argument(
        "--minutes", type=float, default=45, help="end each run after so many (default: 45)"
    )
    parser.add_argument(
        "--at-once",
        type=int,
        default=1,
        help="brokers at the same time (default: 1; the tests state times, which a busy "
        "machine does not keep)",
    )
    parser.add_argument(
        "-k", dest="expression", default="", help="only tests that match, as pytest's"
    )
    options = parser.parse_args()
    for name in set(options.suites) - set(SUITES):
        parser.error(f"no suite '{name}'; there are {', '.join(SUITES)}")
    return options


def _try_suite(suite: Suite, options: argparse.Namespace) -> bool:
    # Before the runs, which may be at the same time.
    fetch_tests(suite.project)
    install_packages()
    outcomes = _run_on_all(suite, options, ())
    title = f"{suite.project} {version(suite.project)}"
    print(write_counts(title, outcomes), flush=True)
    suspects = find_only_here(outcomes)
    if not suspects:
        print("Nothing fails here that passes on Redis.\n", flush=True)
        return True
    # Many state times, which a loaded machine does not keep: what passes now was one of those.
    again = _run_on_all(suite, options, tuple(suspects))
    failures = find_only_here(again)
    unsteady = {test: found for test, found in suspects.items() if test not in failures}
    if unsteady:
        print(f"Failed here once, and not when tried again:\n{write_failures(unsteady)}")
    if failures:
        print(f"Fails here, and not on Redis:\n{write_failures(failures)}")
    print(flush=True)
    return not failures


def _run_on_all(
    suite: Suite, options: argparse.Namespace, tests: tuple[str, ...]
) -> dict[str, dict[str, Outcome]]:
    def run_on(broker: str) -> dict[str, Outcome]:
        print(f"{suite.project} on {broker}", file=sys.stderr, flush=True)
        return run(suite, broker, options.minutes, tests, options.expression)

    with ThreadPoolExecutor(options.at_once) as pool:
        runs = [pool.submit(run_on, broker) for broker in BROKERS]
        try:
            outcomes = {broker: one.result() for broker, one in zip(BROKERS, runs, strict=True)}
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            stop_all()
            raise
    if not outcomes[REDIS]:
        sys.exit(f"no test of {suite.project} ran on Redis; see var/celery-suite/*.log")
    return outcomes


if __name__ == "__main__":
    main()
