"""Our pages in the reader's language.

XBlock's own loader translates each sentence by building Django's whole catalogue anew: 15 sentences cost more than all
the rest of the view. Here a sentence is one look into the catalogue that the platform's service has at hand.
"""

from functools import cache
from pathlib import Path
from typing import Any

from django.template import Context, Engine, Library

from nengli_xblock.words import translated

register = Library()


@register.simple_tag(takes_context=True)
def trans(context: Any, words: str) -> str:
    """The sentence in the reader's language."""
    return translated(context["i18n"], words)


@cache
def _engine() -> Engine:
    folder = Path(__file__).parent / "templates"
    loaders = [("django.template.loaders.cached.Loader", ["django.template.loaders.filesystem.Loader"])]
    return Engine(dirs=[str(folder)], loaders=loaders, libraries={"i18n": "nengli_xblock.pages"})


def render(name: str, context: dict[str, Any], i18n: Any) -> str:
    """A template of ours; `i18n` is the platform's service of that name."""
    return str(_engine().get_template(name).render(Context({**context, "i18n": i18n})))
