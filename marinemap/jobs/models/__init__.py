"""The tables of this room: jobs, whom to tell of them, and the processes that were seen alive."""

from marinemap.jobs.models.job import Job, JobDocuments, JobTally, RequestKey
from marinemap.jobs.models.sightings import BeatSighting, ClockSighting, SiteMark, WorkerSighting
from marinemap.jobs.models.telling import Alarm, Callback, Delivery, LetterWish
from marinemap.jobs.models.uploaded_area import UploadedArea

__all__ = [
    "Alarm",
    "BeatSighting",
    "Callback",
    "ClockSighting",
    "Delivery",
    "Job",
    "JobDocuments",
    "JobTally",
    "LetterWish",
    "RequestKey",
    "SiteMark",
    "UploadedArea",
    "WorkerSighting",
]
