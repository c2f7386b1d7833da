"""All routes of the API, in the order in which its description lists them."""

from __future__ import annotations

from marinemap.api import accounts, crs, limits, overview
from marinemap.api.areas.routes import ROUTES as AREAS
from marinemap.api.declarations import Route
from marinemap.api.events.routes import ROUTES as EVENTS
from marinemap.api.features.routes import ROUTES as FEATURES
from marinemap.api.processes.batch_routes import ROUTES as BATCHES
from marinemap.api.processes.job_routes import ROUTES as JOBS
from marinemap.api.processes.letters import ROUTES as LETTERS
from marinemap.api.processes.routes import ROUTES as PROCESSES
from marinemap.api.tiles.routes import ROUTES as TILES


def all_routes() -> tuple[Route, ...]:
    """Return every route: what is served is described, and the other way round."""
    return _ROUTES


# Events come before jobs: "events" is no id of one.
_ROUTES = (
    *overview.routes(all_routes),
    *EVENTS,
    *PROCESSES,
    *JOBS,
    *BATCHES,
    *AREAS,
    *FEATURES,
    *TILES,
    *crs.ROUTES,
    *accounts.ROUTES,
    *limits.ROUTES,
    *LETTERS,
)
