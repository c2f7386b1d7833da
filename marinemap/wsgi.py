"""The WSGI application, for `manage.py web` and mod_wsgi."""

import os

from django.core.wsgi import get_wsgi_application

from marinemap.api.charsets import AllInUtf8
from marinemap.api.kept import KeptAnswers
from marinemap.api.mute import WhileMute, limit_waits

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marinemap.settings")

application = WhileMute(KeptAnswers(AllInUtf8(get_wsgi_application())))
limit_waits()
