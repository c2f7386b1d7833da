"""The Django app of the jobs."""

from django.apps import AppConfig
from django.core.exceptions import ImproperlyConfigured

from marinemap.errors import ServiceError


class JobsConfig(AppConfig):
    """Name the room to Django."""

    name = "marinemap.jobs"
    verbose_name = "Jobs"

    def ready(self) -> None:
        """Refuse settings out of range, whatever starts; register checks and signals."""
        from marinemap.jobs import checks, conf, connections, preloading

        assert checks and connections and preloading
        try:
            # Under mod_wsgi nobody asks Django's checks: each request would end in an error.
            conf.job_settings()
        except ServiceError as error:
            raise ImproperlyConfigured(str(error)) from error
