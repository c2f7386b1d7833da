"""The WSGI application, for `manage.py web` and mod_wsgi."""

import os

from django.core.wsgi import get_wsgi_application

from marinemap.api.kept import KeptAnswers

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marinemap.settings")

application = KeptAnswers(get_wsgi_application())
