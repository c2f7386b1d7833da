"""The index of named areas: made by a process of the schedule, and searched.

What is to be done is derived: a layer whose index is not of its present data is to be indexed.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, QuerySet

from marinemap.catalogue import begun
from marinemap.catalogue.models import BegunWork, Layer, NamedArea, NameIndex, NamePhrase
from marinemap.catalogue.names import digits_of, fold, slug_of
from marinemap.catalogue.viewers import Viewer
from marinemap.errors import DatasetError, MarineMapError, UnavailableError, did_you_mean
from marinemap.extraction import fingerprint, read_names
from marinemap.sentences import say

# In one transaction, which others wait for on SQLite.
_ROWS_AT_A_TIME = 1_000
_MOST_NAME = 300
# Of a name's words so many begin a phrase.
_MOST_PLACES = 12


@dataclass(frozen=True)
class FoundName:
    """An area as a search answers it."""

    id: str
    name: str
    layer: str
    bounds: list[float] | None


def check_field(layer: Layer, field: str) -> None:
    """Refuse a field that cannot name the areas of a layer.

    Raises
    ------
    DatasetError
        If the layer has no such field, or no polygons.
    """
    names = [each["name"] for each in layer.fields]
    if field not in names:
        listed = ", ".join(f"'{name}'" for name in names) or "none"
        raise DatasetError(
            say(
                "layer '{layer}' has no field '{field}'; it has {listed}.{nearest}",
                layer=layer.pk,
                field=field,
                listed=listed,
                nearest=did_you_mean(field, names),
            ),
            field="area_names",
            value=field,
        )
    if not any(kind in layer.geometry_type for kind in ("Polygon", "Unknown", "Collection")):
        raise DatasetError(
            say(
                "layer '{layer}' has {type}; only polygons can be areas",
                layer=layer.pk,
                type=layer.geometry_type,
            ),
            field="area_names",
            value=field,
        )


def index_missing() -> Iterator[str]:
    """Index the names of every layer whose data or field changed; yield what became of each.

    What was begun before and had no end is left to :func:`index_unfinished`.
    """
    for layer in list(_unindexed()):
        if not begun.is_begun(layer.pk, begun.Kind.NAMES, _key(layer)):
            yield _index_and_tell(layer)


def index_unfinished() -> Iterator[str]:
    """Index what a process was at when it ended or was ended; yield as :func:`index_missing`."""
    for work in _unfinished():
        yield _index_and_tell(Layer.objects.get(pk=work.layer_id))


def is_any_unindexed() -> bool:
    """Tell whether there is a layer whose names are to be indexed, and were not begun."""
    return any(
        not begun.is_begun(layer.pk, begun.Kind.NAMES, _key(layer)) for layer in _unindexed()
    )


def is_any_unfinished() -> bool:
    """Tell whether there is a layer whose names are to be indexed beside the others."""
    return bool(_unfinished())


def _unfinished() -> list[BegunWork]:
    return begun.find_due(begun.Kind.NAMES, ago=begun.SURELY_ENDED)


def _index_and_tell(layer: Layer) -> str:
    try:
        with begun.noted(layer.pk, begun.Kind.NAMES, _key(layer)):
            return f"{layer.pk}: {index(layer):,} names"
    except MarineMapError as error:
        return f"{layer.pk}: its names cannot be read: {error}"


def index(layer: Layer) -> int:
    """Index the names of a layer; return how many. The old ones are found until it is done.

    Two processes may be about it at once: what was begun last counts.

    Raises
    ------
    DatasetError
        If the data cannot be read.
    UnavailableError
        If another has done so meanwhile, or the layer is gone.
    """
    # Of readings that had no end, and of another process that began before this.
    _remove(NameIndex.objects.filter(layer=layer, is_current=False))
    made = NameIndex.objects.create(layer=layer, key=_key(layer))
    try:
        count = _keep(made, _names_of(layer))
        if not _make_current(made):
            raise _overtaken()
    except Exception as error:
        # Each try would leave what it had read.
        _remove(NameIndex.objects.filter(pk=made.pk))
        if isinstance(error, IntegrityError):
            raise _overtaken() from error
        raise
    # The one before; another process may be at a later one.
    _remove(NameIndex.objects.filter(layer=layer, is_current=False, pk__lt=made.pk))
    return count


def _names_of(layer: Layer) -> Iterable[tuple[int, str, list[float] | None]]:
    if not layer.area_names:
        return ()
    # New data may be without it.
    check_field(layer, layer.area_names)
    return read_names(layer.to_dataset(), fingerprint(layer.path), layer.area_names)


def _overtaken() -> UnavailableError:
    return UnavailableError(say("another process has read them, or the layer is gone"))


def _make_current(made: NameIndex) -> bool:
    """Have an index searched in place of the one before; tell whether it is still there.

    Another process, which began later, may have removed it.
    """
    with transaction.atomic():
        # One after the other.
        Layer.objects.select_for_update().filter(pk=made.layer_id).first()
        if not NameIndex.objects.filter(pk=made.pk).exists():
            return False
        NameIndex.objects.filter(layer=made.layer_id, is_current=True).update(is_current=False)
        NameIndex.objects.filter(pk=made.pk).update(is_current=True)
    return True


def search(text: str, viewer: Viewer, limit: int) -> list[FoundName]:
    """Return the areas whose names have the words of a text, or words that begin so.

    Names that begin with the text come first, then those in which it stands at a later word, then
    those that have its words in another order; an empty text finds the first by name.
    """
    words = fold(text)
    if text.strip() and not words:
        return []
    phrases = NamePhrase.objects.filter(index__in=_current(viewer))
    together = _beginning(phrases, words)
    found = _pick([together.filter(place=0), together.exclude(place=0)], limit)
    if len(words) > 1 and len(found) < limit:
        longest = max(words, key=len)
        apart = _beginning(phrases, [longest])
        for word in words:
            others = NamePhrase.objects.filter(area=OuterRef("area"))
            apart = apart.filter(Exists(_beginning(others, [word])))
        found |= _pick([apart], limit)
    return list(found.values())[:limit]


def find(area_id: str, viewer: Viewer) -> tuple[Layer, NamedArea] | None:
    """Return the layer and the entry of an area by its id, None where there is none for them."""
    # No id has such signs, and no database takes a NUL or half a pair of surrogates.
    if not area_id.isprintable():
        return None
    layer_id, _, slug = area_id.partition(":")
    area = NamedArea.objects.filter(
        slug=slug, index__is_current=True, index__layer__in=_visible(viewer).filter(pk=layer_id)
    )
    found = area.select_related("index__layer").first()
    return (found.index.layer, found) if found else None


def is_name(area: NamedArea, attributes: Any, field: str) -> bool:
    """Tell whether a feature bears an area's name: its data may have changed since."""
    if field not in attributes.column_names:
        return False
    (name,) = attributes.column(field).to_pylist()
    return name is not None and _as_kept(str(name)) == area.name


def _as_kept(name: str) -> str:
    # NUL is no character of a text for PostgreSQL.
    return name.replace("\0", " ").strip()[:_MOST_NAME]


def _visible(viewer: Viewer) -> QuerySet[Layer]:
    return Layer.objects.visible_to(viewer).exclude(area_names="")


def _current(viewer: Viewer) -> list[int]:
    """Return the indexes that somebody may search: few, so that the database need not look."""
    visible = _visible(viewer).order_by().values("pk")
    current = NameIndex.objects.filter(is_current=True, layer__in=visible)
    return list(current.values_list("pk", flat=True))


def _beginning(phrases: QuerySet[NamePhrase], words: Sequence[str]) -> QuerySet[NamePhrase]:
    digits = digits_of(list(words))
    # Behind every digit.
    return phrases.filter(phrase__gte=digits, phrase__lt=f"{digits}g")


def _pick(sources: Iterable[QuerySet[NamePhrase]], limit: int) -> dict[int, FoundName]:
    found: dict[int, FoundName] = {}
    for source in sources:
        # A name may have a word more than once.
        rows = source.select_related("area", "index").order_by("phrase", "pk")
        for row in rows[: 2 * limit] if len(found) < limit else ():
            layer, area = row.index.layer_id, row.area
            entry = FoundName(f"{layer}:{area.slug}", area.name, layer, area.bounds)
            found.setdefault(area.pk, entry)
    return found


def _unindexed() -> Iterator[Layer]:
    known = dict(NameIndex.objects.filter(is_current=True).values_list("layer_id", "key"))
    for layer in Layer.objects.served().order_by("feature_count"):
        is_known = known.get(layer.pk) == _key(layer)
        if not is_known and (layer.area_names or layer.pk in known):
            yield layer


def _key(layer: Layer) -> str:
    place = f"{layer.source}\0{layer.source_layer}\0{layer.area_names}\0{layer.version}"
    return hashlib.sha256(place.encode()).hexdigest()[:40]


def _keep(index: NameIndex, found: Iterable[tuple[int, str, list[float] | None]]) -> int:
    """Keep names in small transactions; return how many."""
    slugs: Counter[str] = Counter()
    count, rows = 0, iter(found)
    while portion := list(islice(rows, _ROWS_AT_A_TIME)):
        made: list[tuple[NamedArea, list[str]]] = []
        for feature, name, bounds in portion:
            if not (words := fold(name)):
                continue
            slug = slug_of(words)
            slugs[slug] += 1
            # What has a name of its own has it as its address; the others bear a number.
            slug = slug if slugs[slug] == 1 else f"{slug}~{feature}"
            kept = _as_kept(name)
            area = NamedArea(index=index, slug=slug, name=kept, feature=feature, bounds=bounds)
            made.append((area, words))
        with transaction.atomic():
            NamedArea.objects.bulk_create(area for area, _ in made)
            NamePhrase.objects.bulk_create(
                NamePhrase(area=area, index=index, place=at, phrase=digits_of(words[at:]))
                for area, words in made
                for at in range(min(len(words), _MOST_PLACES))
            )
        count += len(made)
    return count


def _remove(indexes: QuerySet[NameIndex]) -> None:
    for old in indexes:
        areas = NamedArea.objects.filter(index=old)
        while ids := list(areas.values_list("pk", flat=True)[:_ROWS_AT_A_TIME]):
            # Their phrases go with them.
            NamedArea.objects.filter(pk__in=ids).delete()
        old.delete()
