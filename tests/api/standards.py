"""The schemas of the OGC, where they lie beside the checkout; answers are held against them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

# Beside the project, or beside a worktree of it; they are not ours to pass on.
_PLACES = [parent / "shared/conformance/schemas" for parent in Path(__file__).resolve().parents]
_ROOT = next((place / "schemas.opengis.net/ogcapi" for place in _PLACES if place.is_dir()), None)
_PROCESSES = "processes/part1/1.0/openapi/schemas"


def check_process_schema(name: str, document: Any) -> None:
    """Hold a document against a schema of OGC API - Processes 1.0, such as ``statusInfo``."""
    _check(f"{_PROCESSES}/{name}.yaml", "", document)


def check_feature_schema(name: str, document: Any) -> None:
    """Hold a document against a schema of OGC API - Features, such as ``collection``."""
    path = "features/part1/1.0/openapi/ogcapi-features-1.yaml"
    _check(path, f"#/components/schemas/{name}", document)


def _check(path: str, pointer: str, document: Any) -> None:
    if _ROOT is None:
        pytest.skip("the OGC's schemas do not lie beside the checkout")
    uri = (_ROOT / path).as_uri() + pointer
    validator = Draft202012Validator({"$ref": uri}, registry=Registry(retrieve=_retrieve))
    errors = [f"{list(error.path)}: {error.message}" for error in validator.iter_errors(document)]
    assert errors == []


def _retrieve(uri: str) -> Resource[Any]:
    text = Path(uri.removeprefix("file://")).read_text()
    content = yaml.safe_load(text)
    return Resource.from_contents(_without_nullable(content), default_specification=DRAFT202012)


def _without_nullable(node: Any) -> Any:
    """Return a schema without what only OpenAPI knows."""
    if isinstance(node, dict):
        kept = {name: _without_nullable(value) for name, value in node.items()}
        if kept.pop("nullable", False) is True and isinstance(kept.get("type"), str):
            kept["type"] = [kept["type"], "null"]
        return kept
    if isinstance(node, list):
        return [_without_nullable(item) for item in node]
    return node
