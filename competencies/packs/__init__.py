"""The framework packs that come with the product, by name."""

from importlib import resources

from competencies.pack import Pack, load_pack
from lms_plugin.errors import NotFound


def names() -> tuple[str, ...]:
    """The names of the packs that are shipped, sorted."""
    files = resources.files(__name__).iterdir()
    return tuple(sorted(file.name.removesuffix(".json") for file in files if file.name.endswith(".json")))


def load(name: str) -> Pack:
    """A shipped pack, validated. Raises NotFound (`pack.not_shipped`) for a name that is not one of `names()`."""
    if name not in names():
        raise NotFound("pack.not_shipped", name=name)
    return load_pack(resources.files(__name__).joinpath(f"{name}.json").read_bytes())
