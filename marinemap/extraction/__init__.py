"""The engine: read, clip, reproject, write, verify, zip. Knows neither Django nor Celery."""

from marinemap.extraction.areas.area import Area, parse_area
from marinemap.extraction.areas.clip import MODES
from marinemap.extraction.areas.near import route_to
from marinemap.extraction.dataset import Dataset, Field, KnownZones
from marinemap.extraction.extracts.archive import sync_folder
from marinemap.extraction.extracts.pipeline import extract
from marinemap.extraction.extracts.styles import mark_of_styles
from marinemap.extraction.filters.filter import Filter, compile_filter
from marinemap.extraction.filters.spatial import GeometryField
from marinemap.extraction.formats import FORMATS, get_format
from marinemap.extraction.layers.estimate import LayerEstimate, estimate
from marinemap.extraction.layers.feature_names import read_names
from marinemap.extraction.layers.field_values import FieldValues, count_values
from marinemap.extraction.layers.geometries import read_geometries
from marinemap.extraction.layers.servable import check_servable
from marinemap.extraction.limits import RunLimitError, RunLimits
from marinemap.extraction.pages.files import write_features_as
from marinemap.extraction.pages.page import Page, Wanted, attributes_schema, read_one, read_page
from marinemap.extraction.place import Place, is_address, place_of
from marinemap.extraction.postgis.servers import (
    Server,
    allow_servers,
    allowed_servers,
    server_of,
)
from marinemap.extraction.postgis.table import Table, is_table
from marinemap.extraction.projection.crs import CRS84, check_fits, crs_label, parse_crs
from marinemap.extraction.projection.degrees import bounds_in_degrees
from marinemap.extraction.projection.follow import follow
from marinemap.extraction.projection.known_crs import KnownCrs, search_crs
from marinemap.extraction.projection.route import Route
from marinemap.extraction.reading.describe import describe
from marinemap.extraction.reading.described_source import ZONE_SECONDS
from marinemap.extraction.reading.layer_names import (
    FoundLayer,
    find_layers,
    list_layers,
    pick_among,
)
from marinemap.extraction.reading.opening import find_zones
from marinemap.extraction.reading.selection import check_selection
from marinemap.extraction.remote.address import Remote
from marinemap.extraction.remote.prefixes import Prefix, allow_prefixes, prefix_of
from marinemap.extraction.request import (
    ExtractionRequest,
    ExtractionResult,
    LayerFailure,
    LayerReport,
    SourceLayer,
)
from marinemap.extraction.sharing.division import Division
from marinemap.extraction.sharing.helper import help_extract
from marinemap.extraction.sources import known_suffixes
from marinemap.extraction.sources.source_files import (
    check_is_file,
    content_version,
    fingerprint,
    one_state,
    parts_of,
    real_path,
)
from marinemap.extraction.uploads.layer_upload import look_apart, unpack_layers
from marinemap.extraction.uploads.upload import read_area_file
from marinemap.extraction.words import counted

__all__ = [
    "CRS84",
    "FORMATS",
    "MODES",
    "ZONE_SECONDS",
    "Area",
    "Dataset",
    "Division",
    "ExtractionRequest",
    "ExtractionResult",
    "Field",
    "FieldValues",
    "Filter",
    "FoundLayer",
    "GeometryField",
    "KnownCrs",
    "KnownZones",
    "LayerEstimate",
    "LayerFailure",
    "LayerReport",
    "Page",
    "Place",
    "RunLimitError",
    "RunLimits",
    "Server",
    "SourceLayer",
    "Table",
    "Remote",
    "Route",
    "Prefix",
    "allow_prefixes",
    "Wanted",
    "allow_servers",
    "allowed_servers",
    "attributes_schema",
    "bounds_in_degrees",
    "check_fits",
    "check_is_file",
    "check_selection",
    "check_servable",
    "compile_filter",
    "content_version",
    "count_values",
    "counted",
    "crs_label",
    "describe",
    "estimate",
    "extract",
    "find_layers",
    "find_zones",
    "fingerprint",
    "follow",
    "get_format",
    "help_extract",
    "is_table",
    "known_suffixes",
    "is_address",
    "place_of",
    "prefix_of",
    "list_layers",
    "look_apart",
    "one_state",
    "parse_area",
    "parse_crs",
    "parts_of",
    "pick_among",
    "read_area_file",
    "route_to",
    "mark_of_styles",
    "read_geometries",
    "read_names",
    "read_one",
    "read_page",
    "real_path",
    "search_crs",
    "server_of",
    "sync_folder",
    "unpack_layers",
    "write_features_as",
]
