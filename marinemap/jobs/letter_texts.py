"""What letters to people say, in their language: only the site's own words, numbers and titles.

Nothing that a request may choose freely stands in them, so nobody writes to others through the
site; why a job failed is told where the letter leads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

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


_WORDS: dict[str, dict[str, str]] = {
    "en": {
        "successful": "Your request is done",
        "failed": "Your request has failed",
        "dismissed": "Your request was cancelled",
        "mixed": "Your requests have ended",
        "batch successful": "Your {count} requests are done",
        "batch failed": "Your {count} requests have failed",
        "batch mixed": "Your {count} requests have ended, not all of them well",
        "expiry": "Your files are removed on {until}",
        "status successful": "done",
        "status failed": "failed",
        "status dismissed": "cancelled",
        "files": "Download, until {until}:",
        "result": "The result:",
        "reason": "Why, and what to do:",
        "removed": "On {until} the files of your request are removed from the server. Download "
        "them before, or have them kept for longer:",
        "more": "and {count} more",
        "where": "The page opens in the browser that you asked with, or after you sign in.",
        "footer": "You get this letter because this address was given with a request at\n{api}\n"
        "If that was not you, or you want no more of them:\n{stop}",
        "moment": "%d %B %Y, %H:%M UTC",
        "point": ".",
    },
    "de": {
        "successful": "Ihre Anfrage ist fertig",
        "failed": "Ihre Anfrage ist fehlgeschlagen",
        "dismissed": "Ihre Anfrage wurde abgebrochen",
        "mixed": "Ihre Anfragen sind beendet",
        "batch successful": "Ihre {count} Anfragen sind fertig",
        "batch failed": "Ihre {count} Anfragen sind fehlgeschlagen",
        "batch mixed": "Ihre {count} Anfragen sind beendet, nicht alle mit Erfolg",
        "expiry": "Ihre Dateien werden am {until} entfernt",
        "status successful": "fertig",
        "status failed": "fehlgeschlagen",
        "status dismissed": "abgebrochen",
        "files": "Herunterladen, bis {until}:",
        "result": "Das Ergebnis:",
        "reason": "Warum, und was zu tun ist:",
        "removed": "Am {until} werden die Dateien Ihrer Anfrage vom Server entfernt. Laden Sie sie "
        "vorher herunter, oder lassen Sie sie länger aufbewahren:",
        "more": "und {count} weitere",
        "where": "Die Seite öffnet sich in dem Browser, mit dem Sie gefragt haben, oder nach der "
        "Anmeldung.",
        "footer": "Sie erhalten diesen Brief, weil diese Adresse mit einer Anfrage angegeben "
        "wurde, bei\n{api}\nWenn Sie das nicht waren oder keine weiteren möchten:\n{stop}",
        "moment": "%d.%m.%Y, %H:%M UTC",
        "point": ",",
    },
}


def tell_end(story: Story, language: str, api: str) -> tuple[str, str]:
    """Return subject and text of the letter that tells how something ended."""
    words = _WORDS[language]
    kind = f"batch {story.outcome}" if story.is_batch else story.outcome
    subject = words.get(kind, words["mixed"]).format(count=len(story.jobs))
    if story.outcome == "failed":
        leads = words["reason"]
    else:
        leads = words["files"].format(until=_moment(story, words)) if story.until else ""
    parts = [f"{subject}.", _listed(story, words), leads or words["result"], story.link]
    return subject, _letter(parts, words, api, story.stop)


def tell_expiry(story: Story, language: str, api: str) -> tuple[str, str]:
    """Return subject and text of the letter that tells that files go soon."""
    words = _WORDS[language]
    until = _moment(story, words)
    parts = [words["removed"].format(until=until), story.link, _listed(story, words)]
    return words["expiry"].format(until=until), _letter(parts, words, api, story.stop)


def _letter(parts: list[str], words: dict[str, str], api: str, stop: str) -> str:
    footer = words["footer"].format(api=api, stop=stop)
    # Mail programs show what follows such a line apart (RFC 3676, section 4.3).
    return "\n\n".join([*parts, words["where"], f"-- \n{footer}"]) + "\n"


def _listed(story: Story, words: dict[str, str]) -> str:
    lines = [_line(job, words) for job in story.jobs[:_MOST_LISTED]]
    if left := len(story.jobs) - len(lines):
        lines.append(f"- {words['more'].format(count=left)}")
    return "\n".join(lines)


def _line(job: Told, words: dict[str, str]) -> str:
    status = words[f"status {job.status}"]
    if job.megabytes is not None:
        number = f"{job.megabytes:,.1f}".replace(",", " ").replace(".", words["point"])
        status = f"{status}, {number} MB"
    return f"- {', '.join(job.titles)}: {status}" if job.titles else f"- {status}"


def _moment(story: Story, words: dict[str, str]) -> str:
    return story.until.astimezone(UTC).strftime(words["moment"]) if story.until else ""
