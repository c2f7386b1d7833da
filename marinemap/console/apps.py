"""The console as Django's own admin site: whatever registers with that is in this one."""

from __future__ import annotations

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class ConsoleConfig(AppConfig):
    """Bring the console's templates, before those of Django's admin site."""

    name = "marinemap.console"
    verbose_name = "Console"


class ConsoleAdminConfig(AdminConfig):
    """Have the console be the admin site."""

    default_site = "marinemap.console.site.Console"
