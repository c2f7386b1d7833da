"""What letters to people say, in their language: only the site's own words, numbers and titles.

Nothing that a request may choose freely stands in them, so nobody writes to others through the
site; why a job failed is told where the letter leads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django.utils import translation
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

# As in the setting LANGUAGES; what a declaration lists is known before settings are.
LANGUAGES = ("en", "de")
_MOST_LISTED = 50


@dataclass(frozen=True)
class Told:
    """What a letter tells of one job: the titles of its layers, and how it stands."""

    titles: Sequence[str]
    status: str
    megabytes: float | None = None


@dataclass(frozen=True)
class Story:
    """What a letter is about.

    Parameters
    ----------
    jobs : sequence of Told
    is_batch : bool
    link : str
        Where the job or the batch is.
    stop : str
        Where letters are stopped.
    until : datetime, optional
        When the first files go.
    """

    jobs: Sequence[Told]
    is_batch: bool
    link: str
    stop: str
    until: datetime | None = None

    @property
    def outcome(self) -> str:
        """``successful`` or ``failed`` where all went so, else ``mixed``."""
        found = {job.status for job in self.jobs}
        return found.pop() if len(found) == 1 else "mixed"


def tell_end(story: Story, language: str, api: str) -> tuple[str, str]:
    """Return subject and text of the letter that tells how something ended."""
    with translation.override(language):
        subject = _end_of_batch(story) if story.is_batch else _end(story)
        parts = [f"{subject}.", _listed(story), _leads(story), story.link]
        return subject, _letter(parts, api, story.stop)


def tell_expiry(story: Story, language: str, api: str) -> tuple[str, str]:
    """Return subject and text of the letter that tells that files go soon."""
    with translation.override(language):
        until = _moment(story)
        removed = _(
            "On {until} the files of your request are removed from the server. Download them "
            "before, or have them kept for longer:"
        ).format(until=until)
        subject = _("Your files are removed on {until}").format(until=until)
        return subject, _letter([removed, story.link, _listed(story)], api, story.stop)


def _end(story: Story) -> str:
    said = {
        "successful": _("Your request is done"),
        "failed": _("Your request has failed"),
        "dismissed": _("Your request was cancelled"),
    }
    return said.get(story.outcome) or _("Your requests have ended")


def _end_of_batch(story: Story) -> str:
    count = len(story.jobs)
    said = {
        "successful": ngettext(
            "Your {count} request is done", "Your {count} requests are done", count
        ),
        "failed": ngettext(
            "Your {count} request has failed", "Your {count} requests have failed", count
        ),
        "mixed": ngettext(
            "Your {count} request has ended, not well",
            "Your {count} requests have ended, not all of them well",
            count,
        ),
    }
    words = said.get(story.outcome) or _("Your requests have ended")
    return words.format(count=number_format(count))


def _leads(story: Story) -> str:
    """Return what stands above the link: what is found there."""
    if story.outcome == "failed":
        return _("Why, and what to do:")
    if story.until is None:
        return _("The result:")
    return _("Download, until {until}:").format(until=_moment(story))


def _letter(parts: list[str], api: str, stop: str) -> str:
    where = _("The page opens in the browser that you asked with, or after you sign in.")
    footer = _(
        "You get this letter because this address was given with a request at\n{api}\n"
        "If that was not you, or you want no more of them:\n{stop}"
    ).format(api=api, stop=stop)
    # Mail programs show what follows such a line apart (RFC 3676, section 4.3).
    return "\n\n".join([*parts, where, f"-- \n{footer}"]) + "\n"


def _listed(story: Story) -> str:
    lines = [_line(job) for job in story.jobs[:_MOST_LISTED]]
    if left := len(story.jobs) - len(lines):
        more = ngettext("and {count} more", "and {count} more", left)
        lines.append(f"- {more.format(count=number_format(left))}")
    return "\n".join(lines)


def _line(job: Told) -> str:
    status = {
        "successful": _("done"),
        "failed": _("failed"),
        "dismissed": _("cancelled"),
    }[job.status]
    if job.megabytes is not None:
        # Rounded here: Django cuts off.
        number = number_format(round(job.megabytes, 1), decimal_pos=1, force_grouping=True)
        status = f"{status}, {number} MB"
    return f"- {', '.join(job.titles)}: {status}" if job.titles else f"- {status}"


def _moment(story: Story) -> str:
    if story.until is None:
        return ""
    return f"{date_format(story.until.astimezone(UTC), 'DATETIME_FORMAT')} UTC"
