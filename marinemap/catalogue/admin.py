"""The catalogue in Django's admin site."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse

from marinemap.catalogue.area_names import check_field
from marinemap.catalogue.as_opened import as_opened, changed_meanwhile
from marinemap.catalogue.data_admin import DataPages
from marinemap.catalogue.models import Layer, SourceToRead
from marinemap.catalogue.naming import check_name_field
from marinemap.catalogue.new_sources import give, withdraw
from marinemap.catalogue.reading import READ_FROM_DATA, absolute, is_as_read
from marinemap.catalogue.review_admin import ReviewPages, map_of
from marinemap.catalogue.source_looks import check_given
from marinemap.errors import MarineMapError
from marinemap.extraction import place_of

# Django's own classes take a type parameter in its stubs only.
if TYPE_CHECKING:
    _LayerForm = ModelForm[Layer]
    _LayerAdmin = admin.ModelAdmin[Layer]
else:
    _LayerForm = ModelForm
    _LayerAdmin = admin.ModelAdmin

_READ = ("source", "source_layer")
# What the engine calls some of the fields.
_FIELDS = {"layer": "source_layer"}
_WORDS = ("title", "description", "theme", "position", "licence", "attribution")
_LIMITS = ("most_features", "most_megabytes", "most_area_km2", "most_corners")
_HELD = (*READ_FROM_DATA, "created_at", "updated_at")
_READ_ONLY = ("reading", *READ_FROM_DATA, "trouble", "created_at", "updated_at")

_CHANGED = (
    "Since you opened this form, somebody else has changed: {fields}. Nothing of yours is saved, "
    "for it would undo that. Open the layer anew, in another tab, and enter your changes there."
)


class LayerForm(_LayerForm):
    """Keep what is typed; the source is read beside, by the schedule, and served from then on."""

    class Meta:
        model = Layer
        fields = (
            "id",
            "title",
            "description",
            "theme",
            "position",
            "source",
            "source_layer",
            "licence",
            "attribution",
            "is_published",
            "is_restricted",
            "groups",
            "name_field",
            "area_names",
            "most_features",
            "most_megabytes",
            "most_area_km2",
            "most_corners",
        )
        help_texts = {
            "source": "A file below the folders that are allowed, an upload, or the address of a "
            "table or view of PostGIS: postgresql://host:5432/database?table=schema.name"
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Who may only look at layers gets a form without fields.
        if "source" in self.fields:
            self.fields["source"].required = True
        if (given := getattr(self.instance, "to_read", None)) is not None:
            self.initial.update(source=given.source, source_layer=given.source_layer)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if changed := changed_meanwhile(self):
            self.add_error(None, _CHANGED.format(fields=", ".join(changed)))
        if cleaned.get("groups") and not cleaned.get("is_restricted"):
            self.add_error("is_restricted", "Groups are chosen, but the layer is for everyone.")
        if not self.errors:
            self._look_at_source(cleaned)
        return cleaned

    def _look_at_source(self, cleaned: dict[str, Any]) -> None:
        layer = self.instance
        try:
            given = (absolute(place_of(cleaned["source"])), cleaned["source_layer"])
            is_kept = given == (layer.source, layer.source_layer)
            if not is_kept:
                check_given(*given)
            is_served = is_kept and is_as_read(layer)
            if is_served and cleaned["area_names"]:
                check_field(layer, cleaned["area_names"])
            if is_served and cleaned["name_field"]:
                check_name_field(layer.fields, cleaned["name_field"])
        except MarineMapError as error:
            told = f"{error.message}. {error.hint}" if error.hint else error.message
            self.add_error(_FIELDS.get(error.field or "source", error.field), told)
            return
        # Reading a gigabyte would hold the web server; until it is done the old one is served.
        self.to_read = None if is_served else given
        cleaned |= {"source": layer.source, "source_layer": layer.source_layer}


class ThemeFilter(admin.SimpleListFilter):
    """Of those layers that stand below a heading; those below none have a name as well."""

    title = "theme"
    parameter_name = "theme"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the themes that there are."""
        themes = Layer.objects.order_by("theme").values_list("theme", flat=True).distinct()
        return [(f"={theme}", theme or "(none)") for theme in themes]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Layer]) -> QuerySet[Layer]:
        """Return the layers of the chosen theme."""
        chosen = self.value()
        # A NUL is in no theme, and PostgreSQL refuses it.
        return queryset.filter(theme=chosen[1:].replace("\0", "?")) if chosen else queryset


@admin.register(Layer)
class LayerAdmin(_LayerAdmin):
    """List, edit and read again the layers of the catalogue."""

    form = LayerForm
    list_display = (
        *("id", "title", "theme", "position", "geometry_type", "feature_count"),
        *("is_published", "is_restricted"),
        *("reading", "drawn", "trouble", "updated_at"),
    )
    list_editable = ("position",)
    list_select_related = ("drawing", "to_read")
    list_filter = ("is_published", "is_restricted", "groups", ThemeFilter, "geometry_type")
    filter_horizontal = ("groups",)
    search_fields = ("id", "title", "description", "theme")
    readonly_fields = _READ_ONLY
    fieldsets = (
        (None, {"fields": ("id", *_WORDS)}),
        ("Data", {"fields": ("source", "source_layer", "reading", "trouble")}),
        ("Who may see it", {"fields": ("is_published", "is_restricted", "groups")}),
        ("Names on the map, and areas by name", {"fields": ("name_field", "area_names")}),
        ("Limits", {"fields": _LIMITS}),
        ("What the data hold", {"fields": _HELD, "classes": ("collapse",)}),
    )
    actions = ("read_again",)

    def get_urls(self) -> list[Any]:
        """Add the pages on which data are chosen, and looked at."""
        own = (*DataPages(self.admin_site).urls, *ReviewPages(self.admin_site).urls)
        return [*own, *super().get_urls()]

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **more: Any
    ) -> HttpResponse:
        """Show a layer on a map above its form, and whether new data of it are held."""
        layer: Layer | None = more.get("obj")
        held = getattr(layer, "to_read", None)
        shown = {
            "map": map_of(layer) if layer else None,
            "held": bool(held and held.is_held),
            "as_opened": as_opened(context["adminform"].form) if layer else "",
        }
        return super().render_change_form(request, {**context, **shown}, *args, **more)

    def changeform_view(self, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show a layer's form, and take it."""
        try:
            return super().changeform_view(*args, **kwargs)
        except IntegrityError:
            # Somebody else has just added a layer of that id: looked at again, the form says so.
            return super().changeform_view(*args, **kwargs)

    def get_readonly_fields(
        self, request: HttpRequest, obj: Layer | None = None
    ) -> tuple[str, ...]:
        """Fix the id once the layer exists: jobs and files bear it."""
        return ("id", *_READ_ONLY) if obj else _READ_ONLY

    def save_model(self, request: HttpRequest, obj: Layer, form: Any, change: bool) -> None:
        """Save what was typed, and have a source read that is not served yet."""
        if change and not isinstance(form, LayerForm):
            # Of the list, where positions are typed, and nothing else is.
            obj.save(update_fields=["position", "updated_at"])
            return
        with transaction.atomic():
            if change:
                # Nothing else: the schedule may have read the layer meanwhile.
                typed = {*form.cleaned_data, "updated_at"} - {"groups", *_READ}
                obj.save(update_fields=typed)
            else:
                # Not over a layer that somebody else has just added.
                obj.save(force_insert=True)
            if form.to_read is None:
                withdraw(obj)
                return
            give(obj, *form.to_read)
        then = "Until then it is served as it was" if obj.is_read else "People see it from then on"
        self.message_user(request, f"Its data are read now, which may take minutes. {then}.")

    @admin.display(description="data")
    def reading(self, layer: Layer) -> str:
        """Tell whether the data of a layer were read, or why they could not be."""
        given: SourceToRead | None = getattr(layer, "to_read", None)
        if given is None:
            return "Read"
        as_before = f" Served is what was read before, from {layer.source}." * layer.is_read
        if given.found is not None:
            return f"{given.source} was read, and is held until somebody has looked.{as_before}"
        if given.refusal:
            return f"{given.source} is refused: {given.refusal}.{as_before}"
        return f"{given.source} {'is being' if given.attempts else 'waits to be'} read.{as_before}"

    @admin.display(description="drawing")
    def drawn(self, layer: Layer) -> str:
        """Tell how far the drawing of a layer is."""
        drawing = getattr(layer, "drawing", None)
        if drawing is None:
            return "Waiting to be drawn"
        return (
            drawing.message if drawing.is_finished else f"{drawing.message}, {drawing.progress} %"
        )

    @admin.action(description="Read again from the data", permissions=["change"])
    def read_again(self, request: HttpRequest, queryset: QuerySet[Layer]) -> None:
        """Have the chosen layers read whose data are not as they were read last."""
        idle = [layer for layer in queryset if layer.is_read and not hasattr(layer, "to_read")]
        changed = [layer for layer in idle if not is_as_read(layer)]
        for layer in changed:
            give(layer, layer.source, layer.source_layer)
        told = ", ".join(layer.pk for layer in changed) or "none, for no data changed"
        self.message_user(request, f"Read within a minute: {told}")
