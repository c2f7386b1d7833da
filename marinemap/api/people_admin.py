"""People and groups in Django's admin site: as Django has them, but for forms that are older."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django import forms
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.forms import UserChangeForm
from django.contrib.auth.models import Group, User

from marinemap.catalogue.as_opened import GuardedForm, GuardedPage

# Django's own classes take a type parameter in its stubs only.
if TYPE_CHECKING:
    _PersonForm = UserChangeForm[User]
    _GroupForm = forms.ModelForm[Group]
    _UserAdmin = UserAdmin[User]
else:
    _PersonForm = UserChangeForm
    _GroupForm = forms.ModelForm
    _UserAdmin = UserAdmin


class PersonForm(GuardedForm, _PersonForm):
    """Changes a person: their rights, or an account, may have been taken away since."""


class GroupForm(GuardedForm, _GroupForm):
    """Changes a group."""


class PeopleAdmin(GuardedPage, _UserAdmin):
    """List and change who may sign in."""

    form = PersonForm
    # Written when they sign in: in the form, each sign-in would make it older.
    readonly_fields = ("last_login", "date_joined")


class GroupsAdmin(GuardedPage, GroupAdmin):
    """List and change groups of people."""

    form = GroupForm
