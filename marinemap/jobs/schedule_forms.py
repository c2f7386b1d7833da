"""What a schedule may be, as it is given in the admin site: one that beat can follow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.db import Error
from django.utils import timezone
from django_celery_beat.admin import PeriodicTaskForm
from kombu.utils.json import loads

from marinemap.catalogue.as_opened import refuse_older

# The library has no types.
_TaskForm: Any = forms.Form if TYPE_CHECKING else PeriodicTaskForm
_TimesForm: Any = forms.Form if TYPE_CHECKING else forms.ModelForm
_TIMES = ("interval", "crontab", "solar", "clocked")


def why_not(times: Any) -> str | None:
    """Return why no beat can follow a row of times (an interval, a crontab ...), if so.

    Examples
    --------
    >>> from django_celery_beat.models import IntervalSchedule
    >>> why_not(IntervalSchedule(every=5, period="days"))
    >>> why_not(IntervalSchedule(every=10**11, period="days"))
    'it reaches beyond what can be reckoned with: Python int too large to convert to C int'
    """
    try:
        times.schedule.is_due(timezone.now())
    except Error:
        raise
    except OverflowError as error:
        return f"it reaches beyond what can be reckoned with: {error}"
    except Exception as error:
        # Of each kind of times another: a package that is not there, a text that is not read.
        return str(error).splitlines()[0]
    return None


class TimesForm(_TimesForm):  # type: ignore[misc] # the library has no types
    """Times that can be followed: what one cannot be would hold up beat and every schedule."""

    def clean(self) -> Any:
        """Refuse what cannot be followed."""
        super().clean()
        if not self.errors and (reason := why_not(self._meta.model(**self.cleaned_data))):
            self.add_error(None, f"This cannot be followed: {reason}")
        return self.cleaned_data


class ScheduleForm(_TaskForm):  # type: ignore[misc] # the library has no types
    """A periodic task whose times can be followed, and whose arguments are such."""

    def clean(self) -> Any:
        """Refuse times that cannot be followed, and to undo what somebody else has changed."""
        refuse_older(self)
        if "task" in self.errors:
            return self.cleaned_data  # The library takes it for there.
        cleaned = super().clean()
        for name in _TIMES:
            times = self.cleaned_data.get(name)
            if times is not None and (reason := why_not(times)):
                self.add_error(name, f"This cannot be followed: {reason}")
        return cleaned

    def clean_args(self) -> Any:
        """Take a list."""
        return self._clean_as("args", list, "a list in JSON, such as [1, 2]")

    def clean_kwargs(self) -> Any:
        """Take an object."""
        return self._clean_as("kwargs", dict, 'an object in JSON, such as {"days": 3}')

    def clean_headers(self) -> Any:
        """Take an object."""
        return self._clean_as("headers", dict, "an object in JSON, such as {}")

    def _clean_as(self, field: str, kind: type, wanted: str) -> Any:
        value = self.cleaned_data[field]
        if value and not isinstance(loads(self._clean_json(field)), kind):
            self.add_error(field, f"This must be {wanted}.")
        return value
