"""Text, file names and links as people send them, made safe to keep: nothing here is shown without escaping anyway."""

import html
import re
import unicodedata
from urllib.parse import urlsplit

import bleach

from lms_plugin.errors import Refused

TEXT_LIMIT = 200_000  # characters of one typed text; a long lesson plan has about 20 000
NAME_LIMIT = 120
LINK_LIMIT = 2000
_JOINERS = "\u200c\u200d"  # zero-width (non-)joiners stay: emoji families and some scripts need them
_VALUE = r"""(?:\s*+=\s*+(?:"[^"<>]*+"|'[^'<>]*+'|[^\s"'<>=`]++))"""
_TAG = re.compile(
    rf"<(?P<end>/?)(?P<name>[a-z][a-z0-9:]*+)(?P<attributes>(?:\s++[a-z_:@][a-z0-9_:.@-]*+{_VALUE}?)*+)\s*+/?>",
    re.IGNORECASE,
)
_ATTRIBUTE = re.compile(rf"\s++([a-z_:@][a-z0-9_:.@-]*+)({_VALUE}?)", re.IGNORECASE)
_ELEMENTS = frozenset(bleach.html5lib_shim.HTML_TAGS) | {  # those of today, and what old pages and Word still write
    *("big", "center", "font", "frame", "frameset", "main", "marquee", "math", "o:p", "strike", "svg", "tt"),
}
_BARE = frozenset(  # attributes that need no value
    [
        "allowfullscreen",
        "async",
        "autofocus",
        "autoplay",
        "checked",
        "compact",
        "controls",
        "default",
        "defer",
        "disabled",
        "hidden",
        "inert",
        "ismap",
        "loop",
        "multiple",
        "muted",
        "nohref",
        "noshade",
        "novalidate",
        "nowrap",
        "open",
        "playsinline",
        "readonly",
        "required",
        "reversed",
        "selected",
    ]
)
_BREAKS = frozenset({"br", "hr"})
_RESERVED = re.compile(r"^(con|prn|aux|nul|com\d|lpt\d)$", re.IGNORECASE)
_ROUNDS = 5


def clean_text(text: str, limit: int = TEXT_LIMIT) -> str:
    """The text without HTML, scripts, NUL, direction overrides and other invisible controls; NFC; newlines are \\n.

    What only looks like a tag stays as it was typed ("a<b 且 b>c", "List<Object>", "用 <table> 标签"), and so do
    entities. Applying it twice changes nothing more. Raises Refused("text.too_long") above `limit` characters.
    """
    if len(text) > limit:
        raise Refused("text.too_long", limit=limit, length=len(text))
    text = _without_controls(text.replace("\r\n", "\n").replace("\r", "\n"))
    for _ in range(_ROUNDS):
        cleaned = unicodedata.normalize("NFC", _without_tags(text))
        if cleaned == text:
            return text
        text = cleaned
    return text.replace("<", "\uff1c")  # nested beyond reason: shown, but never a tag again


def _without_tags(text: str) -> str:
    for start, end in _UNREAD:
        text = _without_spans(text, start, end)
    tags = _tags(text)
    if not tags:
        return text
    pieces: list[str] = []
    last = 0
    for start_at, end_at in tags:  # all but true tags is escaped first, so that bleach cannot take it for one
        pieces += [html.escape(text[last:start_at], quote=False), text[start_at:end_at]]
        last = end_at
    pieces.append(html.escape(text[last:], quote=False))
    cleaned: str = bleach.clean("".join(pieces), tags=set(), attributes={}, strip=True, strip_comments=True)
    return html.unescape(cleaned)


def _tags(text: str) -> list[tuple[int, int]]:
    """Where the tags of the text stand.

    A tag has an element's name and attributes as HTML writes them. Without attributes it needs its other half, or is a
    line break: teachers write inequalities and program code, and what is not HTML must not go.
    """
    found = [tag for tag in _TAG.finditer(text) if tag["name"].lower() in _ELEMENTS and _has_true_attributes(tag)]
    opened: set[str] = set()
    last_end = {tag["name"].lower(): tag.start() for tag in found if tag["end"]}
    kept = []
    for tag in found:
        name = tag["name"].lower()
        if tag["end"]:
            is_tag = name in opened
        else:
            has_end = last_end.get(name, -1) > tag.start()
            is_tag = bool(tag["attributes"].strip()) or has_end or name in _BREAKS
            if is_tag:
                opened.add(name)
        if is_tag:
            kept.append(tag.span())
    return kept


def _has_true_attributes(tag: re.Match[str]) -> bool:
    """Whether all attributes without a value are those that HTML has: "a<b and b>c" is no tag."""
    return all(value or name.lower() in _BARE for name, value in _ATTRIBUTE.findall(tag["attributes"]))


# what stands between these is for machines: (beginning, end), the beginning of a comment needs no letter after it
_UNREAD = (
    (re.compile(r"<!--"), re.compile(r"-->")),
    (re.compile(r"<script\b[^<>]*>", re.IGNORECASE), re.compile(r"</script\b[^<>]*>", re.IGNORECASE)),
    (re.compile(r"<style\b[^<>]*>", re.IGNORECASE), re.compile(r"</style\b[^<>]*>", re.IGNORECASE)),
)


def _without_spans(text: str, start: re.Pattern[str], end: re.Pattern[str]) -> str:
    """The text without all from a beginning to its end; one that never ends stays. Reads the text once."""
    kept: list[str] = []
    at = 0
    while (opened := start.search(text, at)) is not None:
        closed = end.search(text, opened.end())
        if closed is None:
            break
        kept.append(text[at : opened.start()])
        at = closed.end()
    return "".join(kept) + text[at:]


def _without_controls(text: str) -> str:
    text = text.replace("\u2028", "\n").replace("\u2029", "\n").replace("\x85", "\n")
    return unicodedata.normalize("NFC", "".join(c for c in text if c in "\n\t" or c in _JOINERS or not _unseen(c)))


def _unseen(character: str) -> bool:
    """Controls, formats (bidi, zero-width), surrogates, noncharacters. Private use stays: rare names are written so."""
    code = ord(character)
    if unicodedata.category(character) in {"Cc", "Cf", "Cs"}:
        return True
    return code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF


def clean_filename(name: str) -> str:
    """A name to show and to offer for download: the base name, at most 120 characters, extension kept, never empty."""
    name = _without_controls(name).replace("\n", " ").replace("\t", " ")
    name = re.split(r"[/\\\uff0f\uff3c]", name)[-1]
    name = re.sub(r'[<>:"|?*]', "_", name)
    name = " ".join(name.split()).rstrip(" .")
    stem, dot, extension = name.rpartition(".")
    if not dot or len(extension) > 10 or not extension.isascii() or not extension.isalnum():
        stem, extension = name, ""
    stem = stem.strip(" .")  # no hidden files, no names that Windows cannot keep
    if not stem or _RESERVED.match(stem.split(".")[0].strip()):
        stem = f"file_{stem}" if stem else "file"
    room = NAME_LIMIT - (len(extension) + 1 if extension else 0)
    stem = stem[:room].rstrip(" .") or "file"
    return f"{stem}.{extension}" if extension else stem


def clean_link(url: str) -> str:
    """The address if it is an http(s) URL with a host, without credentials, of at most 2000 characters.

    Raises Refused("evidence.link_not_http") for everything else (javascript:, data:, file:, user:password@host).
    """
    url = url.strip()
    if not url or len(url) > LINK_LIMIT or any(c.isspace() or _unseen(c) for c in url):
        raise Refused("evidence.link_not_http")
    if any(c in '<>"\\^`{|}' for c in url):
        raise Refused("evidence.link_not_http")
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError as error:
        raise Refused("evidence.link_not_http") from error
    if parts.scheme.lower() not in {"http", "https"} or not host or "@" in parts.netloc:
        raise Refused("evidence.link_not_http")
    if not re.fullmatch(r"[\w.\-]+|[0-9a-fA-F:.]+", host) or not host.strip(".-"):
        raise Refused("evidence.link_not_http")
    return url
