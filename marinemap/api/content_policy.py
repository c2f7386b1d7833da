"""What a page may load and run, told with each answer; written once, for it is always the same."""

from __future__ import annotations

from functools import cached_property

from csp.constants import HEADER
from csp.middleware import CSPMiddleware
from csp.utils import build_policy
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase


class ContentPolicyMiddleware(CSPMiddleware):
    """Send the policy of the settings. No page of the site has one of its own, or a nonce."""

    @cached_property
    def _policy(self) -> str:
        return build_policy()

    def process_request(self, request: HttpRequest) -> None:
        """Do nothing: there is no nonce to be asked for."""

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """Add the header to an answer."""
        # What Django shows to who develops has scripts within the page.
        if not settings.DEBUG or response.status_code not in (404, 500):
            response.headers.setdefault(HEADER, self._policy)
        return response
