"""The reference frameworks that come with the product, and the proposed crosswalk. Licences: README.md beside this."""

import json
from importlib import resources
from typing import Any

from competencies.reference_schema import Reference, load_reference
from lms_plugin.errors import NotFound

NAMES = ("jyt0646", "unesco_ict_cft", "digcompedu")


def load(name: str) -> Reference:
    """A shipped reference framework, checked. Raises NotFound (`pack.not_shipped`) for a name that is not in NAMES."""
    if name not in NAMES:
        raise NotFound("pack.not_shipped", name=name)
    return load_reference(resources.files(__name__).joinpath(f"{name}.json").read_bytes())


def crosswalk() -> dict[str, Any]:
    """`links`: [code of a point of the pack framework_2_0, id of a reference framework, code of its item]; all of one
    CASE kind, with who says so (`source_zh`, `source_en`)."""
    found: dict[str, Any] = json.loads(resources.files(__name__).joinpath("crosswalk.json").read_bytes())
    return found
