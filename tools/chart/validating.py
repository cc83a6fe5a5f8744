"""Objects against Kubernetes' own schemas (strict: no unknown field), custom resources against the parts that we use."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate  # type: ignore[import-untyped] # it has no types
import yaml
from kubernetes_validate import utils

from tools.chart.rendering import Object, named

CUSTOM = Path(__file__).parent / "custom-resources.yaml"
_quick: Any = utils
# The library reads a megabyte of definitions for every object.
_quick.schema_contents = cache(utils.schema_contents)


@cache
def _custom() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(CUSTOM.read_text(encoding="utf-8"))
    return found


def problems(objects: Sequence[Object], version: str) -> list[str]:
    """One sentence for each object that is wrong for this version of Kubernetes."""
    found = []
    for item in objects:
        try:
            _validate(item, version)
        except (jsonschema.ValidationError, kubernetes_validate.ValidationError) as error:
            path = ".".join(str(part) for part in error.path)
            found.append(f"{named(item)} for Kubernetes {version}: {path}: {error.message}")
        except kubernetes_validate.SchemaNotFoundError as error:
            found.append(f"{named(item)} for Kubernetes {version}: {error.message}")
    names = [named(item) for item in objects]
    found += [f"{name} is there twice" for name in sorted({name for name in names if names.count(name) > 1})]
    return found


def _validate(item: Object, version: str) -> None:
    kinds = _custom()
    if (kind := f"{item['apiVersion']}/{item['kind']}") in kinds["kinds"]:
        schema = {"type": "object", "properties": {"spec": kinds["kinds"][kind]}, "required": ["spec"]}
        jsonschema.Draft202012Validator(schema | {"$defs": kinds["$defs"]}).validate(item)
        return
    kubernetes_validate.validate(item, version, strict=True)
