"""Personal tokens in Django's admin site: made, looked at, revoked."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import Group, User
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from marinemap.api.access import SCOPES
from marinemap.api.models import PersonalToken
from marinemap.api.people_admin import GroupsAdmin, PeopleAdmin
from marinemap.api.tokens import MOST_TOKENS, check_name, make_token
from marinemap.errors import RequestError

# Django's own classes take a type parameter in its stubs only.
if TYPE_CHECKING:
    _TokenForm = forms.ModelForm[PersonalToken]
    _TokenAdmin = admin.ModelAdmin[PersonalToken]
else:
    _TokenForm = forms.ModelForm
    _TokenAdmin = admin.ModelAdmin

_USUAL_DAYS = 365

# Registered by Django, whose app comes before this one.
admin.site.unregister([User, Group])
admin.site.register(User, PeopleAdmin)
admin.site.register(Group, GroupsAdmin)


def _own(request: HttpRequest) -> User:
    # Nobody else comes to the admin site.
    assert isinstance(request.user, User)
    return request.user


class TokenForm(_TokenForm):
    """Offer each scope with its words."""

    scopes = forms.MultipleChoiceField(
        choices=[(name, f"{name}: {words}") for name, words in SCOPES.items()],
        widget=forms.CheckboxSelectMultiple,
    )

    class Meta:
        model = PersonalToken
        fields = ("user", "name", "scopes", "expires_at")

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        try:
            check_name(name)
        except RequestError as error:
            raise forms.ValidationError(error.message) from error
        return name

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        user = cleaned.get("user")
        if user is not None and user.tokens.count() >= MOST_TOKENS:
            self.add_error("user", f"There are {MOST_TOKENS} tokens, as many as one may have.")
        return cleaned


@admin.register(PersonalToken)
class PersonalTokenAdmin(_TokenAdmin):
    """List tokens, make and revoke them; who is no superuser has to do with their own only."""

    form = TokenForm
    list_display = ("name", "user", "begins_with", "scopes", "expires_at", "last_used_at")
    list_select_related = ("user",)
    search_fields = ("name", "user__username", "begins_with")

    def has_change_permission(self, request: HttpRequest, obj: PersonalToken | None = None) -> bool:
        """Refuse: a token is made anew."""
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[PersonalToken]:
        """Return the tokens that somebody has to do with."""
        found = super().get_queryset(request)
        return found if request.user.is_superuser else found.filter(user=_own(request))

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Offer oneself, and a year."""
        expires_at = timezone.now() + timedelta(days=_USUAL_DAYS)
        return {"user": request.user.pk, "expires_at": expires_at}

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer the people for whom somebody may make a token: it can do all that they can."""
        if db_field.name == "user" and not request.user.is_superuser:
            kwargs["queryset"] = User.objects.filter(pk=_own(request).pk)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: PersonalToken, form: Any, change: bool) -> None:
        """Make the token, and tell its text."""
        made, text = make_token(obj.user, obj.name, obj.scopes, obj.expires_at)
        obj.pk, obj._state.adding = made.pk, False
        self.message_user(request, f"The token, told this once: {text}", messages.WARNING)
