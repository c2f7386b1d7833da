"""What beat sets off: files, sessions and stalled jobs are looked after."""

from __future__ import annotations

from collections.abc import Callable

from celery import shared_task
from celery.utils.log import get_task_logger
from django.core.management import call_command

from marinemap.catalogue import (
    area_names,
    drawings,
    freshness,
    new_sources,
    source_looks,
    undrawn,
)
from marinemap.catalogue import uploads as layer_uploads
from marinemap.jobs import (
    alarms,
    background,
    clock,
    correspondence,
    expiry,
    notify,
    orphans,
    repeats,
    site_mark,
    stalled,
    uploads,
    watch,
)
from marinemap.mail.letters import write_to_admins
from marinemap.mail.sending import send_due
from marinemap.tasks.faults import tell_rest
from marinemap.tasks.outages import DATABASE_AWAY

logger = get_task_logger(__name__)


@shared_task(ignore_result=True)
def clean_up_temp_files() -> None:
    """Remove the temporary files of runs that were killed; files in use are left alone."""
    for name in orphans.remove_abandoned():
        logger.info("Removed the temporary files of run %s, which was killed", name)


@shared_task(ignore_result=True)
def remove_expired_artifacts() -> None:
    """Remove archives, jobs, keys and areas whose time is over, orphaned files, old drawings.

    By a clock that has jumped nothing is removed until it has gone on evenly for an hour; nor
    anything of a folder that is another site's. What cannot be done, such as for a file that the
    disk does not give up, keeps nothing else from being done, and fails the task in the end.
    """
    if doubt := clock.find_doubt() or site_mark.claim():
        logger.warning("Nothing is removed for now: %s", doubt)
        return
    failures = [error for each in _CLEANING if (error := _failure_of(each)) is not None]
    if failures:
        raise failures[0]


def _failure_of(cleaning: Callable[[], object]) -> Exception | None:
    try:
        cleaning()
    except DATABASE_AWAY:
        # So would all that follows.
        raise
    except Exception as error:
        logger.warning("The cleaning goes on, although: %s", error)
        return error
    return None


def _remove_archives() -> None:
    for name in expiry.expire_artifacts():
        logger.info("Removed archive %s", name)


def _remove_orphans() -> None:
    for name in orphans.remove_orphans():
        logger.info("Removed archive %s, which is no job's", name)


def _remove_jobs() -> None:
    if count := expiry.expire_jobs():
        logger.info("Removed %d jobs, for their time was over", count)


def _remove_layer_uploads() -> None:
    for name in layer_uploads.forget_old():
        logger.info("Removed what an operator pointed at, %s, which no layer uses", name)


def _remove_drawings() -> None:
    for name in drawings.remove_stale():
        logger.info("Removed the drawing %s, whose layer changed", name)


_CLEANING: tuple[Callable[[], object], ...] = (
    _remove_archives,
    _remove_orphans,
    _remove_layer_uploads,
    _remove_drawings,
    _remove_jobs,
    repeats.forget_old,
    notify.forget_old,
    correspondence.forget_over,
    uploads.forget_old,
)


@shared_task(ignore_result=True)
def requeue_stalled_jobs() -> None:
    """Queue again the jobs whose worker died or whose message was lost."""
    for job_id in stalled.requeue_stalled():
        logger.warning("Job %s had stalled and was queued again", job_id)


@shared_task(ignore_result=True)
def call_back() -> None:
    """Tell those who asked for it how their jobs go."""
    for told in notify.tell_due():
        logger.info("Callback: %s", told)


@shared_task(ignore_result=True)
def watch_site() -> None:
    """Tell the operator's addresses what is wrong with the site, and what is right again."""
    for told in watch.watch():
        logger.warning("%s", told)


@shared_task(ignore_result=True)
def send_letters() -> None:
    """Send the letters that wait; those that are due by now are written first."""
    try:
        tell_rest()
        correspondence.write_due()
    finally:
        # Whatever is wrong with one that is to be written: others wait, an alarm among them.
        send_due()


@shared_task(ignore_result=True)
def refresh_layers() -> None:
    """Read the layers of the catalogue again whose data changed, in a process of its own."""
    is_due = freshness.is_any_changed() or area_names.is_any_unindexed()
    if is_due and background.refreshing.begin():
        logger.info("Layers whose data changed are being read")
    is_unfinished = freshness.is_any_unfinished() or area_names.is_any_unfinished()
    if is_unfinished and background.refreshing_again.begin():
        logger.info("Layers whose reading had no end are being read again")
    # Found by an earlier round's reading.
    for layer in freshness.take_untold_troubles():
        logger.error("The data of layer %s cannot be read: %s", layer.pk, layer.trouble)
        write_to_admins(f"layer {layer.pk} cannot be read", alarms.describe_layer(layer))


@shared_task(ignore_result=True)
def read_layers() -> None:
    """Look into sources that operators point at, read those that they gave; each in a process."""
    if source_looks.is_any_waiting() and background.looking.begin():
        logger.info("What operators point at is being looked at")
    if new_sources.is_any_waiting() and background.reading.begin():
        logger.info("Sources that were given for layers are being read")
    if new_sources.is_any_unfinished() and background.reading_again.begin():
        logger.info("Sources whose reading had no end are being read again")


@shared_task(ignore_result=True)
def draw_layers() -> None:
    """Draw the layers that have no drawing of their present data, in a process of its own."""
    if site_mark.find_mismatch() is not None:
        # In a folder that is another site's none would be found.
        return
    if undrawn.find_next() is not None and background.drawing.begin():
        logger.info("Layers are being drawn")


@shared_task(ignore_result=True)
def clear_sessions() -> None:
    """Remove expired sessions, as Django's ``clearsessions`` does."""
    call_command("clearsessions")
