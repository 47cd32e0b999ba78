"""How pages write dates, hours and localized text."""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from flask import has_request_context, request
from flask_babel import get_locale, get_translations
from markupsafe import Markup, escape

import competencies
from lms_plugin.web.edge import edge

_COUNTED = re.compile(r"\{(\w+):([^{|}]*)\|([^{|}]*)\}")
_KEPT = "nengli.language"  # in the request's environ
_DAYS_ZH = "一二三四五六日"
_DAYS_EN = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS_EN = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def is_english() -> bool:
    """Whether the page is in English."""
    return language() == "en"


def translator() -> Callable[..., Markup]:
    """The `_` of this request's templates: a page asks for hundreds of sentences, its language is looked up once."""
    return _sentences(language())


def gettext(message: str, **values: Any) -> str:
    """A sentence in the page's language, for modules: as flask_babel's, at a third of its price."""
    found = _finder(language())(message)
    return counted(found, values) % values if values else found


def counted(text: str, values: Mapping[str, Any]) -> str:
    """A translation whose words go by a number in it: "%(n)s {n:work waits|works wait}" for 1 and for others. So a
    sentence with several numbers has as many forms as it needs, and the Chinese one, which has none, stays as it is.
    """
    if "{" not in text:
        return text
    return _COUNTED.sub(lambda found: found[2] if str(values.get(found[1])) == "1" else found[3], text)


def ngettext(one: str, more: str, number: int, **values: Any) -> str:
    """As `gettext`, of a sentence whose English goes by a number. Chinese has one form: both texts are the same."""
    return _plural_finder(language())(one, more, number) % values


def ngettext_safe(one: str, more: str, number: int, **values: Any) -> Markup:
    """`ngettext` for templates: what is filled in is escaped."""
    return Markup(_plural_finder(language())(one, more, number)) % values  # noqa: S704 - the sentence is ours


def language() -> str:
    """The page's language (zh, en), kept: pages ask hundreds of times, and flask_babel goes through three proxies."""
    if not has_request_context():
        return _babel_language()
    kept: str | None = request.environ.get(_KEPT)
    if kept is None:
        kept = request.environ[_KEPT] = _babel_language()
    return kept


def _babel_language() -> str:
    locale = get_locale()
    return locale.language if locale is not None else "zh"


@cache
def _finder(_language: str) -> Callable[[str], str]:
    find: Callable[[str], str] = get_translations().gettext
    return find


@cache
def _plural_finder(_language: str) -> Callable[[str, str, int], str]:
    find: Callable[[str, str, int], str] = get_translations().ngettext
    return find


@cache
def _sentences(language: str) -> Callable[..., Markup]:
    find = _finder(language)
    finished: dict[str, Markup] = {}

    def translate(message: str, **values: Any) -> Markup:
        if values:  # numbers need no escaping; Markup's own % wraps every value, at three times the price
            safe = {name: value if value.__class__ is int else escape(value) for name, value in values.items()}
            return Markup(counted(find(message), values) % safe)  # noqa: S704 - the sentence is ours, the values are escaped
        if message not in finished:
            finished[message] = Markup(find(message)) % {}  # noqa: S704 - the sentence is ours
        return finished[message]

    return translate


def when(value: datetime | None, timezone: str = "Asia/Shanghai") -> str:
    """11月30日 (周一) 14:32 in the tenant's time zone, with its year as `day` says; "" for none."""
    if value is None:
        return ""
    local = value.astimezone(ZoneInfo(timezone))
    return f"{day(local.date())} {local:%H:%M}"


def stamp(value: datetime, timezone: str = "Asia/Shanghai") -> str:
    """2026-11-30 14:32 in the tenant's time zone, for paper and sheets that are kept."""
    return f"{value.astimezone(ZoneInfo(timezone)):%Y-%m-%d %H:%M}"


def until(value: datetime | None, timezone: str = "Asia/Shanghai") -> str:
    """As `when`, for an end: midnight is the day before at 24:00, as people say it."""
    if value is None:
        return ""
    local = value.astimezone(ZoneInfo(timezone))
    if (local.hour, local.minute) == (0, 0):
        return f"{day(local.date() - timedelta(days=1))} 24:00"
    return f"{day(local.date())} {local:%H:%M}"


def day(value: date | None) -> str:
    """11月30日 (周一); with its year (2025年11月30日) unless that is the present one. Paper that is filed says the year
    always: `dated`."""
    if value is None:
        return ""
    is_present = not has_request_context() or value.year == edge().now.year
    if is_english():
        year = "" if is_present else f" {value.year}"
        return f"{value.day} {_MONTHS_EN[value.month - 1]}{year} ({_DAYS_EN[value.weekday()]})"
    year = "" if is_present else f"{value.year}年"
    return f"{year}{value.month}月{value.day}日 (周{_DAYS_ZH[value.weekday()]})"


def dated(value: date | None, timezone: str = "Asia/Shanghai") -> str:
    """2026年11月30日: a day with its year, as a record or a ledger says it; "" for none."""
    if value is None:
        return ""
    on = value.astimezone(ZoneInfo(timezone)).date() if isinstance(value, datetime) else value
    if is_english():
        return f"{on.day} {_MONTHS_EN[on.month - 1]} {on.year}"
    return f"{on.year}年{on.month}月{on.day}日"


def deadline(value: date | None) -> str:
    """11月30日 (周一) 24:00 前: a last day ends at 24:00."""
    if value is None:
        return ""
    return f"by 24:00 on {day(value)}" if is_english() else f"{day(value)} 24:00 前"


def hours(hundredths: int | None) -> str:
    """Hundredths of a 学时 as people write them: 25, 12.5, 8.33."""
    if hundredths is None:
        return ""
    sign = "-" if hundredths < 0 else ""
    whole, rest = divmod(abs(hundredths), 100)
    return f"{sign}{whole}" if rest == 0 else f"{sign}{whole}.{rest:02d}".rstrip("0")


def filesize(size: int | None) -> str:
    """128 KB, 1.3 GB."""
    amount = float(size or 0)
    for unit in ("B", "KB", "MB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GB"


def told(text: Any) -> str:
    """Localized text {zh, en} in the page's language, the other one where it is missing."""
    if not isinstance(text, dict):
        return str(text or "")
    first, second = ("en", "zh") if is_english() else ("zh", "en")
    return str(text.get(first) or text.get(second) or "")


def reading() -> str:
    """The language in which this person reads standards, as a tag; "" = as the page is."""
    person = edge().person if has_request_context() else None
    return person.reading_language if person is not None else ""


def languages_in(text: Any) -> tuple[str, ...]:
    """The further languages of a standard, by the name of one of its points as it was published: that has them all."""
    return tuple(tag for tag in text if tag not in competencies.languages.OFFICIAL) if isinstance(text, dict) else ()


def reads(text: Any, languages: Iterable[str] = ()) -> Markup:
    """What a standard says, in the language that this person reads it in, marked as such: with its direction.

    `languages`: those that the standard has. Where it has the person's but this text is not written in it yet, the
    page's language, and a word that says so.
    """
    tag = reading()
    if tag and isinstance(text, dict) and text.get(tag):
        return Markup('<span lang="{}" dir="auto">{}</span>').format(tag, text[tag])
    if tag and tag in languages and told(text):
        return Markup("{} <small>{}</small>").format(told(text), gettext("（还没有译文）"))
    return escape(told(text))


def language_name(tag: str) -> str:
    """What a language is called in the page's language: 维吾尔语. A tag that nobody knows as it is."""
    return _language_names(tag, language())[0]


def own_name(tag: str) -> Markup:
    """What a language calls itself, ئۇيغۇرچە, marked as such; "" where nobody knows, or where it is the same word."""
    named, own = _language_names(tag, language())
    return Markup('<span lang="{}" dir="auto">{}</span>').format(tag, own) if own and own != named else Markup("")


@cache
def _language_names(tag: str, page: str) -> tuple[str, str]:
    try:
        locale = Locale.parse(tag, sep="-")
    except (UnknownLocaleError, ValueError):
        return tag, ""
    return locale.get_display_name(page) or tag, locale.get_display_name() or ""
