"""A site with an app of the agency's own."""

from marinemap.settings import *  # noqa: F403
from marinemap.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.tasks.harbour"]
