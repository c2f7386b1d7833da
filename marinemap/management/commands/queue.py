"""``manage.py queue``: look at the queue, purge it, send again what failed, on any broker."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from celery import current_app
from django.core.management.base import BaseCommand, CommandError, CommandParser

from marinemap import other_brokers
from marinemap.errors import ServiceError, quote
from marinemap.jobs.lease import find_caretakers
from marinemap.jobs.purging import cancel_waiting, send_again
from marinemap.management import brokers
from marinemap.management.queue_tables import (
    describe_dead,
    describe_depths,
    describe_summary,
    describe_waiting,
)
from marinemap.transport.database import Database, open_database, verify
from marinemap.transport.errors import AwayError, TransportError
from marinemap.transport.operating.dead_letters import (
    Selection,
    discard_dead_letters,
    find_dead_letters,
    requeue_dead_letters,
)
from marinemap.transport.operating.summary import summarize
from marinemap.transport.options import read_options

# What a dead letter's id may be: both databases count to here.
_MAX_ID = 2**63 - 1
_MAX_LISTED = 10_000
_SEE_DEAD = "`manage.py queue dead` lists the dead letters with their ids"


class Command(BaseCommand):
    """Show and mend the site's queue."""

    help = (
        "Show the site's queue: what waits, who works, what the rates allow. Dead letters are "
        "messages that were given up: list them, send them again, discard them. RabbitMQ and "
        "Redis keep none: there `requeue` sends requests again that wait."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the actions; without one the summary is shown."""
        _add_json(parser, default=False)
        actions = parser.add_subparsers(dest="action", title="actions")
        show = actions.add_parser("show", help="list messages that wait, the oldest first")
        show.add_argument("queue", help="its name, as the summary has it")
        show.add_argument("--limit", type=_read_limit, default=20, help="how many; 20 by default")
        _add_json(show, default=argparse.SUPPRESS)
        purge = actions.add_parser("purge", help="delete what waits, and cancel those requests")
        purge.add_argument("queue", help="its name, as the summary has it")
        dead = actions.add_parser("dead", help="list dead letters, the newest first")
        dead.add_argument("--limit", type=_read_limit, default=20, help="how many; 20 by default")
        # Before the action or behind it; the default must not undo the first.
        _add_json(dead, default=argparse.SUPPRESS)
        requeue = actions.add_parser(
            "requeue", help="send dead letters again; with RabbitMQ and Redis requests that wait"
        )
        _add_selection(requeue)
        requeue.add_argument("--task", help="with --all: only those of this task")
        _add_selection(actions.add_parser("discard", help="delete dead letters for good"))

    def handle(self, *args: Any, **options: Any) -> None:
        """Do the action; every fault is one clear line."""
        _refuse_json(options)
        selection = _read_selection(options)
        try:
            if options["action"] in ("show", "purge"):
                self._act_on_queue(options)
            elif other_brokers.is_other():
                self._act_elsewhere(options, selection)
            else:
                self._act(_open_broker(), options, selection)
        except ServiceError as error:
            raise CommandError(str(error)) from error
        except AwayError as error:
            raise CommandError(
                f"the queue's database does not answer ({error}). Is it running, and are "
                "DATABASE_URL and CELERY_BROKER_URL right?"
            ) from error
        except TransportError as error:
            raise CommandError(str(error) + (f"\n{error.hint}" if error.hint else "")) from error

    def _act_on_queue(self, options: dict[str, Any]) -> None:
        name = brokers.check_name(options["queue"])
        if options["action"] == "purge":
            cancelled, deleted = cancel_waiting(name), brokers.purge(name)
            self.stdout.write(
                f"Purged: {cancelled} requests cancelled, {deleted} messages deleted."
            )
            return
        found = brokers.show(name, options["limit"])
        if options["json"]:
            self.stdout.write(json.dumps([asdict(one) for one in found], indent=2))
        else:
            self._write_lines(describe_waiting(found))

    def _act_elsewhere(self, options: dict[str, Any], selection: Selection) -> None:
        """Do what there is to do with RabbitMQ and Redis, which know less."""
        match options["action"]:
            case "requeue":
                if selection.task_name is not None:
                    raise CommandError("--task: RabbitMQ and Redis cannot be asked by task")
                ids = None if options["all"] else options["ids"]
                self.stdout.write(f"Sent again: {send_again(ids)} requests that wait.")
            case "dead" | "discard":
                raise CommandError(
                    "RabbitMQ and Redis keep no dead letters for Celery; a request that failed "
                    "says why in its own state, and `manage.py queue requeue` sends one that "
                    "waits again"
                )
            case _:
                self._show_depths(options["json"])

    def _show_depths(self, is_json: bool) -> None:
        depths = brokers.list_depths()
        if is_json:
            self.stdout.write(json.dumps({"queues": [asdict(each) for each in depths]}, indent=2))
            return
        self._write_lines(describe_depths(depths))
        self._write_lines(["", *other_brokers.differences()])

    def _act(self, database: Database, options: dict[str, Any], selection: Selection) -> None:
        match options["action"]:
            case "dead":
                self._show_dead(database, options["limit"], options["json"])
            case "requeue":
                self._tell("Sent again", requeue_dead_letters(database, selection))
            case "discard":
                self._tell("Discarded", discard_dead_letters(database, selection))
            case _:
                self._show_summary(database, options["json"])

    def _show_summary(self, database: Database, is_json: bool) -> None:
        summary = summarize(database)
        caretakers = find_caretakers()
        if is_json:
            told = asdict(summary)
            for consumer in told["consumers"]:
                process = (consumer["hostname"], consumer["process_id"])
                consumer["is_caretaker"] = process in caretakers
            self.stdout.write(json.dumps(told, indent=2))
        else:
            self._write_lines(describe_summary(summary, caretakers))

    def _show_dead(self, database: Database, limit: int, is_json: bool) -> None:
        letters = find_dead_letters(database, limit)
        if is_json:
            self.stdout.write(json.dumps([asdict(letter) for letter in letters], indent=2))
        else:
            self._write_lines(describe_dead(letters))

    def _tell(self, done: str, count: int) -> None:
        self.stdout.write(f"{done}: {count} dead letter{'' if count == 1 else 's'}.")

    def _write_lines(self, lines: Iterable[str]) -> None:
        self.stdout.write("\n".join(lines))


def _add_json(parser: CommandParser, default: Any) -> None:
    parser.add_argument("--json", action="store_true", default=default, help="for machines")


def _add_selection(parser: CommandParser) -> None:
    parser.add_argument(
        "ids", nargs="*", type=_read_id, metavar="ID", help="of a dead letter, or a request"
    )
    parser.add_argument("--all", action="store_true", help="all dead letters")


def _refuse_json(options: dict[str, Any]) -> None:
    action = options["action"]
    if options["json"] and action in ("requeue", "discard"):
        raise CommandError(
            f"--json: `queue {action}` has no such output; the summary and `queue dead` do",
            returncode=2,
        )


def _read_id(text: str) -> int | str:
    if other_brokers.is_other():
        # Of a request; there are no dead letters.
        return text
    return _read_number(text, "the id of a dead letter", _MAX_ID, _SEE_DEAD)


def _read_limit(text: str) -> int:
    return _read_number(text, "a limit", _MAX_LISTED, "leave it out for 20")


def _read_number(text: str, what: str, highest: int, hint: str) -> int:
    # isdigit alone also takes digits of other scripts, superscripts among them.
    is_number = text.isascii() and text.isdigit() and len(text) <= len(str(highest))
    if not is_number or not 1 <= int(text) <= highest:
        raise argparse.ArgumentTypeError(
            f"'{quote(text)}' is not {what}: a whole number from 1 to {highest}; {hint}"
        )
    return int(text)


def _read_selection(options: dict[str, Any]) -> Selection:
    if options["action"] not in ("requeue", "discard"):
        return Selection()
    ids, is_all, task_name = options["ids"], options["all"], options.get("task")
    if bool(ids) == is_all:
        fault = "both given" if ids else "neither given"
        raise CommandError(
            f"ID, --all: {fault}; name dead letters by their ids, or all with --all. {_SEE_DEAD}",
            returncode=2,
        )
    if task_name is not None and not is_all:
        raise CommandError(
            f"--task: '{quote(task_name)}' goes with --all, not with ids; leave one out",
            returncode=2,
        )
    return Selection(None if is_all else frozenset(ids), task_name)


def _open_broker() -> Database:
    scheme, plus, address = str(current_app.conf.broker_url).partition("+")
    if scheme != "marinemap" or not plus:
        kind = quote(scheme.partition(":")[0])
        raise CommandError(
            f"CELERY_BROKER_URL: this command is for the queue in the site's database, and the "
            f"site's broker is '{kind}'; look at it with that broker's own tools"
        )
    database = open_database(address, read_options(current_app.conf.broker_transport_options))
    verify(database)
    return database
