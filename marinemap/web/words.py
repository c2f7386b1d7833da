"""The texts of the page's program in other languages, as its own catalogue has them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from django.conf import settings
from django.utils.translation.trans_real import DjangoTranslation
from django.views.i18n import JavaScriptCatalog

_DOMAIN = "djangojs"


@lru_cache
def catalogue(language: str) -> dict[str, Any]:
    """Return the translations of a language as tannin reads them; none of what it is written in."""
    if language == settings.LANGUAGE_CODE:
        return {}
    view = JavaScriptCatalog()
    view.translation = DjangoTranslation(
        language, _DOMAIN, [str(at) for at in settings.LOCALE_PATHS]
    )
    texts = {
        text: said if isinstance(said, list) else [said]
        for text, said in view.get_catalog().items()
    }
    return {"": {"plural_forms": f"plural={view.get_plural()}"}, **texts}
