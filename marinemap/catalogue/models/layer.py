"""A layer: where its data are, what they hold, and how it is looked up."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import Group
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Exists, OuterRef, Q

from marinemap.catalogue.viewers import Viewer
from marinemap.errors import RequestError, did_you_mean, quote
from marinemap.extraction import (
    ZONE_SECONDS,
    Dataset,
    Field,
    KnownZones,
    Place,
    SourceLayer,
    place_of,
)
from marinemap.sentences import say

# The same on each database.
_LAST_POSITION = 32_767
ID_PATTERN = r"[a-z0-9][a-z0-9_-]{0,62}"


class LayerQuerySet(models.QuerySet["Layer"]):
    """Look-ups that the other rooms use."""

    def served(self) -> LayerQuerySet:
        """Return the layers whose data were read."""
        return self.exclude(version="")

    def visible_to(self, viewer: Viewer) -> LayerQuerySet:
        """Return the layers that somebody may see, and that can be served."""
        return self.published_to(viewer).served()

    def published_to(self, viewer: Viewer) -> LayerQuerySet:
        """Return the layers that somebody may see, whether their data were read or not."""
        published = self.filter(is_published=True)
        if viewer.sees_all:
            return published
        if not viewer.groups:
            return published.filter(is_restricted=False)
        own = Layer.groups.through.objects.filter(layer=OuterRef("pk"), group__in=viewer.groups)
        return published.filter(Q(is_restricted=False) | Exists(own))

    def hidden_from(self, viewer: Viewer, layer_ids: Iterable[str]) -> LayerQuerySet:
        """Return those of some layers that are in the catalogue, but not for somebody."""
        visible = self.published_to(viewer).values("pk")
        return self.filter(pk__in=list(layer_ids)).exclude(pk__in=visible)

    def get_visible(self, layer_id: object, viewer: Viewer) -> Layer:
        """Return one layer by its id.

        Raises
        ------
        RequestError
            If there is none that they may see; the nearest that they may see is offered. If its
            data were not read yet.
        """
        layer = _find(self.published_to(viewer), layer_id, "layers", self.visible_to(viewer))
        if not layer.is_read:
            raise RequestError(
                layer.unread_words,
                field="layers",
                value=layer_id,
                hint=say("Try again in a minute, or choose other layers."),
            )
        return layer


class Layer(models.Model):
    """A layer of the catalogue: where its data are, and what they hold.

    All but the words about it (title, description, theme, licence, attribution) is read from the
    data; see :func:`marinemap.catalogue.registration.register`. Of a layer whose data were not read
    yet all that is empty. ``bounds`` are (minx, miny, maxx, maxy)
    in the layer's own CRS, ``bounds_4326`` the same in degrees of longitude and latitude, the
    first larger than the third where the layer crosses 180 degrees; both are null for an empty
    layer. ``version`` changes with the content of the data.
    """

    id = models.CharField(
        max_length=63,
        primary_key=True,
        validators=[
            RegexValidator(
                rf"^{ID_PATTERN}\Z",
                "Use lower-case letters, digits, '-' and '_' only, 63 at most: the id names files.",
            )
        ],
    )
    title = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    theme = models.CharField(
        max_length=100,
        blank=True,
        help_text="The heading under which people find it, among other layers of it, such as "
        "Habitats.",
    )
    position = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MaxValueValidator(_LAST_POSITION)],
        help_text="Its place in lists: smaller numbers stand first, and themes by the smallest of "
        "their layers; those without one follow by title.",
    )
    source = models.CharField(
        max_length=1000,
        blank=True,
        help_text="Path of a vector file that GDAL reads, or the address of a table or view of "
        "PostGIS: postgresql://host:5432/database?table=schema.name",
    )
    source_layer = models.CharField(
        max_length=200, blank=True, help_text="The layer's name in the source."
    )
    licence = models.CharField(max_length=200, blank=True)
    attribution = models.CharField(max_length=500, blank=True)
    is_published = models.BooleanField(
        "published", default=True, help_text="Whether people see it and may ask for it."
    )
    # Of its own, not told by there being groups: a group that is deleted opens no layer.
    is_restricted = models.BooleanField(
        "for groups only",
        default=False,
        help_text="Only members of the groups below, and administrators, learn that it exists.",
    )
    groups = models.ManyToManyField(Group, blank=True, related_name="layers")
    area_names = models.CharField(
        "field of area names",
        max_length=200,
        blank=True,
        help_text="Of a layer of polygons: the field that names them, so that people can search "
        "them and ask for one as their area. Empty: they cannot.",
    )
    name_field = models.CharField(
        "field of names",
        max_length=200,
        blank=True,
        help_text="What the map writes beside features, where people want their names. Empty: a "
        "field of text that is called name, title, port_name or the like.",
    )
    most_features = models.PositiveBigIntegerField(
        "most features",
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Of one extract. Empty: no limit.",
    )
    most_megabytes = models.PositiveIntegerField(
        "most megabytes",
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Of one extract, before zipping, in millions of bytes. Empty: no limit.",
    )
    most_area_km2 = models.PositiveBigIntegerField(
        "largest area, km²",
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Of an area that may be asked for. Empty: no limit.",
    )
    most_corners = models.PositiveIntegerField(
        "most corners",
        null=True,
        blank=True,
        validators=[MinValueValidator(4)],
        help_text="Of an area that may be asked for. Empty: no limit.",
    )
    crs = models.TextField("CRS", blank=True)
    geometry_type = models.CharField(max_length=40, blank=True)
    bounds = models.JSONField(null=True, blank=True)
    bounds_4326 = models.JSONField(null=True, blank=True)
    fields = models.JSONField(default=list, blank=True)
    # By the names of fields; null where they were not sought yet.
    zones = models.JSONField("zones of times", null=True, blank=True, editable=False)
    feature_count = models.PositiveBigIntegerField(default=0)
    version = models.CharField(max_length=40, blank=True)
    fingerprint = models.CharField(max_length=40, blank=True)
    trouble = models.CharField(
        max_length=500,
        blank=True,
        editable=False,
        help_text="Why its data could not be read when the schedule looked last.",
    )
    is_trouble_told = models.BooleanField(default=False, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = LayerQuerySet.as_manager()

    class Meta:
        ordering = [models.F("position").asc(nulls_last=True), "title", "id"]

    def __str__(self) -> str:
        return f"{self.title} ({self.id})"

    @property
    def is_read(self) -> bool:
        """Whether its data were read: each has a version."""
        return bool(self.version)

    @property
    def given_source(self) -> tuple[str, str]:
        """The file and layer that it is served from; of one not read yet, those to be read."""
        given = self if self.is_read else getattr(self, "to_read", self)
        return given.source, given.source_layer

    @property
    def unread_words(self) -> str:
        """What to tell who asks for it before."""
        return say(
            "the data of layer '{layer}' were not read yet, so it cannot be served", layer=self.pk
        )

    @property
    def path(self) -> Place:
        """Where the data are."""
        return place_of(self.source)

    @property
    def limits(self) -> dict[str, int]:
        """What one request may ask of the layer, as the API tells it."""
        known = {
            "features": self.most_features,
            "megabytes": self.most_megabytes,
            "areaKm2": self.most_area_km2,
            "corners": self.most_corners,
        }
        return {name: most for name, most in known.items() if most is not None}

    def to_source(self) -> SourceLayer:
        """Return the layer as the engine reads it."""
        return SourceLayer(
            name=self.id,
            path=self.path,
            layer=self.source_layer,
            title=self.title,
            licence=self.licence,
            attribution=self.attribution,
            version=self.version,
            fingerprint=self.fingerprint,
            zones=self.zones,
            known=self.to_dataset(),
        )

    def to_dataset(self) -> Dataset:
        """Return what the catalogue knows of its file, which is not asked again."""
        return Dataset(
            path=self.path,
            layer=self.source_layer,
            crs=self.crs,
            bounds=tuple(self.bounds) if self.bounds else None,
            geometry_type=self.geometry_type,
            fields=tuple(Field(each["name"], each["type"]) for each in self.fields),
            feature_count=self.feature_count,
            known_zones=self._known_zones,
        )

    @property
    def _known_zones(self) -> KnownZones:
        zones = None if self.zones is None else tuple(self.zones.items())
        return KnownZones(self.fingerprint, zones, ZONE_SECONDS)

    def touches(self, bounds_4326: tuple[float, float, float, float]) -> bool:
        """Tell whether a box in degrees meets the layer's own box."""
        if self.bounds_4326 is None:
            return False
        own: list[Any] = self.bounds_4326
        west, south, east, north = bounds_4326
        if south > own[3] or north < own[1]:
            return False
        own_east = own[2] + 360 if own[0] > own[2] else own[2]  # It crosses 180 degrees.
        # Either may be counted on beyond 180 degrees.
        return any(west + t <= own_east and east + t >= own[0] for t in (-360, 0, 360))


def find_layer(layer_id: object) -> Layer:
    """Return a layer by its id, whether people may see it or not.

    Raises
    ------
    RequestError
        If there is none; the nearest known id is offered.
    """
    return _find(Layer.objects.all(), layer_id, "id", Layer.objects.all())


def _find(
    layers: models.QuerySet[Layer],
    layer_id: object,
    field: str,
    offered: models.QuerySet[Layer],
) -> Layer:
    # What is no id is not looked up: databases refuse some texts, such as one with a NUL.
    if isinstance(layer_id, str) and re.fullmatch(ID_PATTERN, layer_id):
        layer = layers.filter(pk=layer_id).first()
        if layer is not None:
            return layer
    known = list(offered.values_list("id", flat=True))
    listed = ", ".join(f"'{name}'" for name in known) or "no layers yet"
    raise RequestError(
        say(
            "no layer '{layer}'; the catalogue has {listed}.{nearest}",
            layer=quote(layer_id),
            listed=listed,
            nearest=did_you_mean(quote(layer_id), known),
        ),
        field=field,
        value=layer_id,
    )
