"""Strings from outside: what may enter the database and a log line."""

import hashlib
import re
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import urlsplit

_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_PARAMETER = r'\s*;\s*([\w*-]+)\s*(?:=\s*("[^"]*"|[^\s",;<>]+))?'
_LINK = re.compile(rf"<([^<>]*)>((?:{_PARAMETER})*)")
_HAN = re.compile("[\u3400-\u9fff]")
_BREAKS = re.compile(r"[\t\n\r\u2028\u2029]+")


def clean(value: str, limit: int) -> str:
    """One line for showing: no control, direction or lone surrogate characters, at most `limit` characters."""
    return _UNSAFE.sub("", _BREAKS.sub(" ", value)).strip()[:limit]


def full_name(given: str, family: str) -> str:
    """A name of its parts, in the order in which it is written: 王秀兰, Ada Lovelace."""
    return family + given if _HAN.search(family + given) else f"{given} {family}".strip()


def is_identifier(value: str, limit: int = 255) -> bool:
    """Whether a host's id can be kept as it is: not empty, short enough, nothing that a database refuses."""
    return 0 < len(value) <= limit and not _UNSAFE.search(value) and not _BREAKS.search(value)


@lru_cache(maxsize=1024)
def origin(url: str) -> str:
    """scheme://host[:port] of an http(s) address, without a default port; "" for anything else."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        return ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    if not re.fullmatch(r"[A-Za-z0-9.\-_\[\]:]+", host):
        return ""
    default = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" + (f":{port}" if port and port != default else "")


def links(header: str) -> dict[str, str]:
    """The addresses of a Link header by relation, in lower case (RFC 8288): several links, several relations a link."""
    found: dict[str, str] = {}
    for target, parameters, *_last in _LINK.findall(header):
        given = {name.lower(): value.strip('"') for name, value in re.findall(_PARAMETER, parameters)}
        for relation in given.get("rel", "").lower().split():
            found.setdefault(relation, target)
    return found


def sha256(secret: str) -> str:
    """Hexadecimal SHA-256: what is kept of a secret that a browser holds."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def utc(moment: datetime) -> datetime:
    """The moment as aware UTC: SQLite and columns without time zone give back naive values, which are UTC here."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def rfc3339(moment: datetime) -> str:
    """A whole second, with the milliseconds and the offset that some hosts insist on."""
    return utc(moment).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def same_moment_or_later(moment: datetime | None, other: datetime) -> bool:
    """Whether `moment` is set and not before `other`, whatever their time zone marks."""
    return moment is not None and utc(moment) >= utc(other)


_LANGUAGE = re.compile(r"([A-Za-z]{2,3})(?:[-_]([A-Za-z]{4}))?(?:[-_]([A-Za-z]{2}|\d{3}))?(?:[-_.@].*)?")


def locale(value: str) -> str:
    """A host's language code as BCP 47: "zh_cn" → "zh-Hans", "pt_br" → "pt-BR"; "" when it is no language code."""
    found = _LANGUAGE.fullmatch(value.strip()[:40])
    if found is None:
        return ""
    language, script, region = (part or "" for part in found.groups())
    if language.lower() == "zh":
        traditional = script.lower() == "hant" or (not script and region.upper() in ("TW", "HK", "MO"))
        return "zh-Hant" if traditional else "zh-Hans"
    return "-".join(part for part in (language.lower(), script.title(), region.upper()) if part)
