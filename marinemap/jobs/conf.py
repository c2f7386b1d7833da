"""The settings of this room, read when they are used."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from django.conf import settings

from marinemap.errors import ServiceError
from marinemap.extraction import RunLimits

# Celery's rate strings: a number, and per second, minute or hour.
RATE_PATTERN = r"\d+(\.\d+)?(/[smh])?"
_MOST_DAYS = 365
_MOST_DAYS_OF_JOBS = 3650
_HIGHEST_LIMIT = 1_000_000_000


@dataclass(frozen=True)
class DayLimits:
    """What one may ask for within 24 hours; None is no limit.

    Parameters
    ----------
    jobs_person, jobs_address : float or None
        How many jobs: of one person, from one network address.
    bytes_person, bytes_address : float or None
        How many bytes of results.
    """

    jobs_person: float | None = None
    jobs_address: float | None = None
    bytes_person: float | None = None
    bytes_address: float | None = None

    def of(self, whose: str) -> tuple[float | None, float | None]:
        """Return the jobs and the bytes of a ``person`` or an ``address``."""
        if whose == "person":
            return self.jobs_person, self.bytes_person
        return self.jobs_address, self.bytes_address


@dataclass(frozen=True)
class StorageSettings:
    """A bucket, and how it is reached.

    Parameters
    ----------
    bucket : str
    prefix : str
        What the names of a site's objects begin with; empty, or with a slash at its end.
    endpoint : str
        The address of the server; empty for Amazon's.
    public_endpoint : str
        That under which people reach it; empty for the same.
    region : str
    addressing : str
        ``path`` or ``virtual``: whether the bucket stands in the path or in the host.
    access_key, secret_key : str
        Empty where the machine has a role of its own.
    link_seconds : float
        How long a signed link lasts.
    """

    bucket: str
    prefix: str
    endpoint: str
    public_endpoint: str
    region: str
    addressing: str
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    link_seconds: float


@dataclass(frozen=True)
class JobSettings:
    """Where files live, how long they are kept, how often a job is tried.

    Parameters
    ----------
    home : Path
        The site's folder, ``MARINEMAP_HOME``.
    keep_results : timedelta
        How long an archive can be downloaded; 1 hour to 365 days.
    max_attempts : float
        How often a job whose worker died is tried, the first time included; 1 to 10.
    extract_rate : str or None
        How many jobs start, such as ``4/m``; None is no limit.
    keep_jobs : timedelta
        How long a finished job is known; no shorter than its archive.
    min_free_bytes : float
        Jobs wait while a disk of the site has less room than this.
    max_waiting_person, max_waiting_address, max_waiting : float
        How many jobs may wait: of one person, from one network address, in all.
    run_limits : RunLimits
        What one run may take.
    day_limits : DayLimits
        What one may ask for in a day.
    keep_renewed : timedelta
        How long an archive is kept at most, however often its owner renews it.
    """

    home: Path
    keep_results: timedelta
    max_attempts: float
    extract_rate: str | None
    keep_jobs: timedelta
    min_free_bytes: float
    max_waiting_person: float
    max_waiting_address: float
    max_waiting: float
    run_limits: RunLimits
    day_limits: DayLimits
    keep_renewed: timedelta

    def __post_init__(self) -> None:
        self._check_times()
        self._check_numbers()
        if self.extract_rate is not None:
            self._check_rate(self.extract_rate)

    def _check_rate(self, rate: str) -> None:
        # Celery takes a rate of zero for no limit at all.
        if not re.fullmatch(RATE_PATTERN, rate) or not rate.strip("0./smh"):
            allowed = "a rate such as 4/m, 1/s or 100/h, nor the word unlimited"
            raise _wrong("MARINEMAP_EXTRACT_RATE", rate, allowed)

    def _check_times(self) -> None:
        if not timedelta(hours=1) <= self.keep_results <= timedelta(days=_MOST_DAYS):
            days = self.keep_results / timedelta(days=1)
            raise _wrong("MARINEMAP_KEEP_DAYS", days, f"a number of days, an hour to {_MOST_DAYS}")
        if not self.keep_results <= self.keep_jobs <= timedelta(days=_MOST_DAYS_OF_JOBS):
            raise _wrong(
                "MARINEMAP_KEEP_JOBS_DAYS",
                self.keep_jobs / timedelta(days=1),
                f"a number of days, MARINEMAP_KEEP_DAYS to {_MOST_DAYS_OF_JOBS}",
            )

    def _check_numbers(self) -> None:
        if self.max_attempts not in range(1, 11):
            raise _wrong("MARINEMAP_MAX_ATTEMPTS", self.max_attempts, "a number from 1 to 10")
        if self.min_free_bytes < 0:
            megabytes = self.min_free_bytes / 1e6
            raise _wrong("MARINEMAP_MIN_FREE_MB", megabytes, "a number of megabytes, 0 or more")
        for name in ("max_waiting_person", "max_waiting_address", "max_waiting"):
            number = getattr(self, name)
            if not (number.is_integer() and number >= 1):
                raise _wrong(f"MARINEMAP_{name.upper()}", number, "a whole number, 1 or more")

    @property
    def artifacts(self) -> Path:
        """Where the archives are, ready for download."""
        return self.home / "artifacts"

    @property
    def work(self) -> Path:
        """Where the running jobs keep their temporary files."""
        return self.home / "work"


def job_settings() -> JobSettings:
    """Return the settings as they stand now.

    Raises
    ------
    ServiceError
        If one is out of its range, naming it.
    """
    return JobSettings(
        home=Path(settings.MARINEMAP_HOME),
        keep_results=_days("MARINEMAP_KEEP_DAYS", 7, _MOST_DAYS),
        max_attempts=_number("MARINEMAP_MAX_ATTEMPTS", 3),
        extract_rate=settings.MARINEMAP_EXTRACT_RATE,
        keep_jobs=_days("MARINEMAP_KEEP_JOBS_DAYS", 365, _MOST_DAYS_OF_JOBS),
        min_free_bytes=_number("MARINEMAP_MIN_FREE_MB", 32) * 1e6,
        max_waiting_person=_number("MARINEMAP_MAX_WAITING_PERSON", 100),
        max_waiting_address=_number("MARINEMAP_MAX_WAITING_ADDRESS", 200),
        max_waiting=_number("MARINEMAP_MAX_WAITING", 10_000),
        run_limits=_run_limits(),
        day_limits=_day_limits(),
        keep_renewed=_days("MARINEMAP_KEEP_RENEWED_DAYS", 30, _MOST_DAYS),
    )


def storage_settings() -> StorageSettings | None:
    """Return the bucket that results go to; None where they stay on the disk."""
    found = settings.MARINEMAP_STORAGE
    return StorageSettings(**found) if found else None


def split_bounds() -> tuple[int, int]:
    """Return by how many other workers a run is helped at most, and from how many features on."""
    return settings.MARINEMAP_SPLIT_WORKERS, settings.MARINEMAP_SPLIT_FEATURES


def shares_results() -> bool:
    """Tell whether a request like an earlier one is given the result of that."""
    return bool(settings.MARINEMAP_REUSE)


def _day_limits() -> DayLimits:
    """Return what one may ask for in a day; a setting of 0 is no limit."""
    sizes = [_limit(f"MARINEMAP_MAX_MB_DAY_{whose}", 0) for whose in ("PERSON", "ADDRESS")]
    return DayLimits(
        _limit("MARINEMAP_MAX_JOBS_DAY_PERSON", 0),
        _limit("MARINEMAP_MAX_JOBS_DAY_ADDRESS", 0),
        *(size and size * 1e6 for size in sizes),
    )


def most_letters_day() -> int:
    """Return for how many requests within 24 hours one may ask for letters."""
    return int(settings.MARINEMAP_MAX_LETTERS_DAY)


def operator_webhooks() -> list[str]:
    """Return the addresses that the operator is told at of what is wrong with the site."""
    return list(settings.MARINEMAP_OPERATOR_WEBHOOKS)


def operator_events() -> frozenset[str]:
    """Return what is told there."""
    return frozenset(settings.MARINEMAP_OPERATOR_EVENTS)


def alert_bounds() -> tuple[timedelta, float]:
    """Return for how long a job may wait, and how many bytes are to be free, without an alarm."""
    waiting = timedelta(minutes=settings.MARINEMAP_ALERT_WAIT_MINUTES)
    return waiting, settings.MARINEMAP_ALERT_FREE_MB * 1e6


def webhook_secrets() -> list[str]:
    """Return the secrets that callbacks are signed with, that which stays first."""
    return list(settings.MARINEMAP_WEBHOOK_SECRETS) or [settings.SECRET_KEY]


def _run_limits() -> RunLimits:
    """Return the limits of a run; a setting of 0 is no limit."""
    memory, files = _limit("MARINEMAP_MAX_RUN_MEMORY_MB", 0), _limit("MARINEMAP_MAX_RUN_MB", 0)
    return RunLimits(
        seconds=_limit("MARINEMAP_MAX_RUN_SECONDS", 7200),
        memory_bytes=memory and memory * 1e6,
        features=_limit("MARINEMAP_MAX_RUN_FEATURES", 0),
        file_bytes=files and files * 1e6,
        # Less than 0 is refused with the other numbers, by its name.
        free_bytes=max(0, _number("MARINEMAP_MIN_FREE_MB", 32)) * 1e6 or None,
    )


def _days(name: str, default: float, most: int) -> timedelta:
    """Return a time; what no calendar holds is refused here, where its text is known."""
    days = _number(name, default)
    if not 0 <= days <= most:
        raise _wrong(name, getattr(settings, name), f"a number of days, {most} at most")
    return timedelta(days=days)


def _limit(name: str, default: float) -> float | None:
    number = _number(name, default)
    # More than any run needs, and no more than times are counted in.
    if not 0 <= number <= _HIGHEST_LIMIT:
        raise _wrong(name, number, f"a number from 0, for no limit, to {_HIGHEST_LIMIT:,}")
    return number or None


def _number(name: str, default: float) -> float:
    value = getattr(settings, name, default)
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise _wrong(name, value, "a number") from error
    if not math.isfinite(number):
        raise _wrong(name, value, "a number")
    return number


def _wrong(name: str, value: object, allowed: str) -> ServiceError:
    return ServiceError(f"'{value}' is not {allowed}", field=name, value=value)
