"""The catalogue in Django's admin site."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest

from marinemap.catalogue.area_names import check_field
from marinemap.catalogue.freshness import refresh
from marinemap.catalogue.models import Layer
from marinemap.catalogue.reading import READ_FROM_DATA, is_as_read, read
from marinemap.errors import MarineMapError

# Django's own classes take a type parameter in its stubs only.
if TYPE_CHECKING:
    _LayerForm = ModelForm[Layer]
    _LayerAdmin = admin.ModelAdmin[Layer]
else:
    _LayerForm = ModelForm
    _LayerAdmin = admin.ModelAdmin

# One answer whatever is there: who may edit layers need not learn which files a server has.
_NO_DATA = "no map data can be read there; `manage.py addlayer` on the server says why"
_READ_ONLY = (*READ_FROM_DATA, "trouble", "created_at", "updated_at")


class LayerForm(_LayerForm):
    """Check source and layer by reading them, before anything is saved."""

    class Meta:
        model = Layer
        fields = (
            "id",
            "title",
            "description",
            "source",
            "source_layer",
            "licence",
            "attribution",
            "is_published",
            "is_restricted",
            "groups",
            "area_names",
            "most_features",
            "most_megabytes",
            "most_area_km2",
            "most_corners",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["source_layer"].required = False

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("groups") and not cleaned.get("is_restricted"):
            self.add_error("is_restricted", "Groups are chosen, but the layer is for everyone.")
        if not self.errors:
            self._read_data(cleaned)
        return cleaned

    def _read_data(self, cleaned: dict[str, Any]) -> None:
        found = self._found(cleaned)
        if found is None:
            return
        if cleaned.get("area_names"):
            try:
                check_field(found, cleaned["area_names"])
            except MarineMapError as error:
                self.add_error("area_names", error.message)
        cleaned |= {"source": found.source, "source_layer": found.source_layer}
        self.found = {name: getattr(found, name) for name in READ_FROM_DATA}

    def _found(self, cleaned: dict[str, Any]) -> Layer | None:
        """Return what the data hold, read only where they are not those that were read last."""
        chosen = (cleaned["source"], cleaned["source_layer"])
        if (self.instance.source, self.instance.source_layer) == chosen and is_as_read(
            self.instance
        ):
            return self.instance
        # Into a layer of its own: a form that is refused must leave the instance as it was.
        found = Layer(id=cleaned.get("id") or self.instance.pk)
        try:
            read(found, Path(cleaned["source"]), cleaned["source_layer"] or None)
        except MarineMapError as error:
            is_file = error.field == "layer"
            self.add_error(*(("source_layer", error.message) if is_file else ("source", _NO_DATA)))
            return None
        return found


@admin.register(Layer)
class LayerAdmin(_LayerAdmin):
    """List, edit and read again the layers of the catalogue."""

    form = LayerForm
    list_display = (
        *("id", "title", "geometry_type", "feature_count", "is_published", "is_restricted"),
        *("drawn", "trouble", "updated_at"),
    )
    list_select_related = ("drawing",)
    list_filter = ("is_published", "is_restricted", "groups", "geometry_type")
    filter_horizontal = ("groups",)
    search_fields = ("id", "title", "description")
    readonly_fields = _READ_ONLY
    actions = ("read_again",)

    def get_readonly_fields(
        self, request: HttpRequest, obj: Layer | None = None
    ) -> tuple[str, ...]:
        """Fix the id once the layer exists: jobs and files bear it."""
        return ("id", *_READ_ONLY) if obj else _READ_ONLY

    def save_model(self, request: HttpRequest, obj: Layer, form: Any, change: bool) -> None:
        """Save what was typed together with what the data hold."""
        for name, value in form.found.items():
            setattr(obj, name, value)
        super().save_model(request, obj, form, change)

    @admin.display(description="drawing")
    def drawn(self, layer: Layer) -> str:
        """Tell how far the drawing of a layer is."""
        drawing = getattr(layer, "drawing", None)
        if drawing is None:
            return "Waiting to be drawn"
        return (
            drawing.message if drawing.is_finished else f"{drawing.message}, {drawing.progress} %"
        )

    @admin.action(description="Read again from the data")
    def read_again(self, request: HttpRequest, queryset: QuerySet[Layer]) -> None:
        """Refresh the chosen layers, telling of each that cannot be read."""
        for layer in queryset:
            try:
                refresh(layer)
            except MarineMapError as error:
                self.message_user(request, f"{layer.pk}: {error}", messages.ERROR)
