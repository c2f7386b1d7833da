"""People and groups in Django's admin site: as Django has them, but for forms that are older."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.forms import UserChangeForm
from django.contrib.auth.models import Group, User
from django.http import HttpRequest

from marinemap.catalogue.as_opened import GUARDED_FORM, as_opened, refuse_older

# Django's own classes take a type parameter in its stubs only.
if TYPE_CHECKING:
    _PersonForm = UserChangeForm[User]
    _GroupForm = forms.ModelForm[Group]
    _UserAdmin = UserAdmin[User]
else:
    _PersonForm = UserChangeForm
    _GroupForm = forms.ModelForm
    _UserAdmin = UserAdmin


class PersonForm(_PersonForm):
    """Change a person, unless somebody else has done so since the form was opened."""

    def clean(self) -> Any:
        """Refuse to give back rights, or an account, that somebody else has taken away."""
        cleaned = super().clean()
        refuse_older(self)
        return cleaned


class GroupForm(_GroupForm):
    """Change a group in the same way."""

    def clean(self) -> Any:
        """Refuse to undo what somebody else has changed."""
        cleaned = super().clean()
        refuse_older(self)
        return cleaned


class _Guarded:
    """The page says what its form was opened with."""

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **more: Any
    ) -> Any:
        opened = as_opened(context["adminform"].form) if more.get("obj") else ""
        shown = {**context, "as_opened": opened}
        return super().render_change_form(  # type: ignore[misc] # of the class beside this one
            request, shown, *args, **more
        )


class PeopleAdmin(_Guarded, _UserAdmin):
    """List and change who may sign in."""

    form = PersonForm
    change_form_template = GUARDED_FORM
    # Written when they sign in: in the form, each sign-in would make it older.
    readonly_fields = ("last_login", "date_joined")


class GroupsAdmin(_Guarded, GroupAdmin):
    """List and change groups of people."""

    form = GroupForm
    change_form_template = GUARDED_FORM
