"""The schedule in the database, and the checks of the room's settings."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask, SolarSchedule

from marinemap.celery import app
from marinemap.errors import ServiceError
from marinemap.jobs import periodic
from marinemap.jobs.checks import check_settings
from marinemap.jobs.conf import job_settings
from marinemap.jobs.schedule import EditableScheduler

NAMES = {
    "clean up temporary files",
    "remove expired artifacts",
    "queue stalled jobs again",
    "clear old sessions",
}


def start_beat() -> None:
    EditableScheduler(app=app, lazy=True).setup_schedule()


def read_schedule() -> set[str]:
    """Read the schedule anew, as beat does; return the names of what is due."""
    entries = EditableScheduler(app=app, lazy=True).all_as_schedule().items()
    return {name for name, entry in entries if entry.is_due().is_due}


@pytest.mark.django_db(transaction=True)
def test_absent_entries_are_made_from_the_settings() -> None:
    start_beat()
    entries = {entry.name: entry for entry in PeriodicTask.objects.all()}
    assert set(entries) >= NAMES
    often = entries["clean up temporary files"].interval
    assert (often.every, often.period) == (30, "seconds")
    noon = entries["clear old sessions"].crontab
    assert (noon.hour, noon.minute, noon.day_of_week) == ("12", "0", "*")
    for name in NAMES:
        assert entries[name].task in app.tasks


@pytest.mark.django_db(transaction=True)
def test_edited_entries_stay_as_they_were_edited() -> None:
    start_beat()
    hourly = IntervalSchedule.objects.create(every=1, period="hours")
    PeriodicTask.objects.filter(name="clean up temporary files").update(
        interval=hourly, enabled=False
    )
    PeriodicTask.objects.filter(name="clear old sessions").delete()
    start_beat()
    edited = PeriodicTask.objects.get(name="clean up temporary files")
    assert (edited.interval, edited.enabled) == (hourly, False)
    assert PeriodicTask.objects.filter(name="clear old sessions").exists()


@pytest.mark.django_db(transaction=True)
def test_run_of_a_clock_that_was_ahead_is_counted_from_now_on() -> None:
    start_beat()
    ahead = timezone.now() + timedelta(days=400)
    PeriodicTask.objects.update(last_run_at=ahead)
    before = timezone.now()
    read_schedule()
    # Beat reads the schedule anew every five minutes: a wait that is in its memory alone would
    # begin again each time.
    # What is due at an hour of the day is only read within two hours of it.
    often = PeriodicTask.objects.filter(name__in=NAMES, crontab=None)
    runs = list(often.values_list("last_run_at", flat=True))
    assert runs and all(before <= run <= timezone.now() for run in runs)


@pytest.mark.django_db(transaction=True)
def test_what_is_due_after_longer_than_the_schedule_is_kept_is_set_off() -> None:
    start_beat()
    PeriodicTask.objects.update(last_run_at=timezone.now() + timedelta(days=10))
    read_schedule()
    # Time goes on: what was last set off, as the database has it, is ten minutes ago.
    for run in PeriodicTask.objects.all():
        run.last_run_at -= timedelta(minutes=10)
        run.save(update_fields=["last_run_at"])
    assert "remove expired artifacts" in read_schedule()


@pytest.mark.django_db(transaction=True)
def test_one_that_cannot_be_followed_holds_up_no_other(caplog: pytest.LogCaptureFixture) -> None:
    start_beat()
    sunset = SolarSchedule.objects.create(event="sunset", latitude=0, longitude=0)
    ages = IntervalSchedule.objects.create(every=10**11, period="days")
    minute = IntervalSchedule.objects.create(every=1, period="minutes")
    PeriodicTask.objects.create(name="by the sun", task="x", solar=sunset)
    PeriodicTask.objects.create(name="in ages", task="x", interval=ages)
    PeriodicTask.objects.create(name="headed", task="x", interval=minute, headers="[]")
    scheduler = EditableScheduler(app=app)
    names = set(scheduler.schedule)
    assert names >= NAMES - {"clear old sessions"}
    for left_out in ("by the sun", "in ages", "headed"):
        assert left_out not in names
        assert f"The schedule '{left_out}' cannot be followed" in caplog.text


def test_settings_as_they_come_are_sound() -> None:
    assert check_settings() == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MARINEMAP_EXTRACT_RATE", "fast"),
        ("MARINEMAP_EXTRACT_RATE", "4/d"),
        ("MARINEMAP_EXTRACT_RATE", "-4/m"),
        ("MARINEMAP_EXTRACT_RATE", ""),
        ("MARINEMAP_KEEP_DAYS", "0"),
        ("MARINEMAP_KEEP_DAYS", "400"),
        ("MARINEMAP_KEEP_DAYS", "a week"),
        ("MARINEMAP_MAX_ATTEMPTS", "0"),
        ("MARINEMAP_MAX_ATTEMPTS", "11"),
        ("MARINEMAP_MAX_ATTEMPTS", "many"),
        ("MARINEMAP_MAX_RUN_SECONDS", "-1"),
        ("MARINEMAP_MAX_RUN_SECONDS", "1e12"),
        ("MARINEMAP_MAX_RUN_MB", "-0.5"),
    ],
)
def test_setting_out_of_range_is_reported_by_name(settings: Any, name: str, value: str) -> None:
    setattr(settings, name, value)
    (found,) = check_settings()
    assert found.id == "marinemap.E001"
    assert name in found.msg
    with pytest.raises(ServiceError) as caught:
        job_settings()
    assert caught.value.field == name


@pytest.mark.parametrize("rate", ["4/m", "1/s", "100/h", "0.5/m", "10"])
def test_rates_of_celery_are_taken(settings: Any, rate: str) -> None:
    settings.MARINEMAP_EXTRACT_RATE = rate
    assert job_settings().extract_rate == rate


@pytest.mark.parametrize("days", ["400", "1e300"])
def test_number_of_days_is_told_as_it_was_given(settings: Any, days: str) -> None:
    settings.MARINEMAP_KEEP_DAYS = days
    (found,) = check_settings()
    assert found.msg == f"MARINEMAP_KEEP_DAYS: '{days}' is not a number of days, 365 at most"


def test_letting_in_pickle_is_reported(settings: Any) -> None:
    settings.CELERY_ACCEPT_CONTENT = ["json", "pickle"]
    (found,) = check_settings()
    assert found.id == "marinemap.E003"


@pytest.mark.django_db
@pytest.mark.parametrize(
    "name,value",
    [
        ("MARINEMAP_KEEP_DAYS", "nan"),
        ("MARINEMAP_MAX_ATTEMPTS", "inf"),
        ("MARINEMAP_MAX_ATTEMPTS", "2.7"),
        ("MARINEMAP_EXTRACT_RATE", "0/m"),
    ],
)
def test_odd_number_is_reported(settings, name, value):
    from marinemap.jobs.checks import check_settings

    setattr(settings, name, value)
    assert [m.id for m in check_settings()] == ["marinemap.E001"]


def test_each_periodic_task_has_an_entry_and_each_entry_a_task() -> None:
    scheduled = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}
    written = {
        task.name
        for task in vars(periodic).values()
        # A name of its own does not hide one.
        if hasattr(task, "delay") and task.__module__ == periodic.__name__
    }
    assert written <= scheduled
    assert {name for name in scheduled if name.startswith(f"{periodic.__name__}.")} <= written
