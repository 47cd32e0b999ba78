"""The list of what was handed in, its hash, and how names can go from it without the hash being lost.

Of each piece the list says what its author called it: a file's name, a link's address. The hash covers these through a
hash of their own, salted: so they can be taken out at their author's word (清除), and the rest still holds.
"""

import hashlib
import json
import secrets
import unicodedata
from collections.abc import Mapping
from typing import Any

NAMES = ("name", "url")
"""What an author chose, in a piece."""
SEALED, GONE = "sealed", "gone"
"""Of a list's `names`: under a hash of their own; taken out of a list that was made before they had one."""


def canonical_hash(content: Any) -> str:
    """SHA-256 of canonical JSON: sorted keys, no spaces, NFC, UTF-8."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(unicodedata.normalize("NFC", text).encode()).hexdigest()


def seal_names(manifest: dict[str, Any]) -> dict[str, Any]:
    """The list with a salt beside each name: from now on its hash can do without them."""

    def salted(piece: dict[str, Any]) -> dict[str, Any]:
        return {**piece, "salt": secrets.token_hex(16)} if any(name in piece for name in NAMES) else piece

    return {**_each(manifest, salted), "names": SEALED}


def hash_of(manifest: Mapping[str, Any]) -> str:
    """The hash of the list as it was handed in, also when names have been taken out of it since (not of one that is
    `GONE`: see `holds`)."""
    return canonical_hash(_each(manifest, _covered) if manifest.get("names") == SEALED else manifest)


def holds(manifest: Mapping[str, Any], content_hash: str) -> bool | None:
    """Whether the list is what was handed in; None where names were taken out of an old one: nobody can tell."""
    return None if manifest.get("names") == GONE else hash_of(manifest) == content_hash


def without_names(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The list with what its author called things taken out. Twice is harmless."""
    if manifest.get("names") == SEALED:
        return _each(manifest, _covered)

    def bare(piece: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in piece.items() if key not in NAMES}

    shorter = _each(manifest, bare)
    return {**shorter, "names": GONE} if shorter != manifest else shorter


def _covered(piece: dict[str, Any]) -> dict[str, Any]:
    """A piece with the hash of its names in their place."""
    if "salt" not in piece:
        return piece
    named = canonical_hash([piece["salt"], {name: piece[name] for name in NAMES if name in piece}])
    return {**{key: value for key, value in piece.items() if key not in (*NAMES, "salt")}, "named": named}


def _each(manifest: Mapping[str, Any], change: Any) -> dict[str, Any]:
    items = [{**item, "pieces": [change(piece) for piece in item.get("pieces", [])]} for item in manifest["items"]]
    return {**manifest, "items": items}
