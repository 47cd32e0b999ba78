"""中文 first, English beside it: every sentence of a page in both, none left over, and the same blanks in both."""

import re

import strings
from babel.messages.catalog import Message

BLANK = re.compile(r"%\((\w+)\)[sd]")
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def texts(value: str | tuple[str, ...]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def blanks(message: Message) -> tuple[set[str], set[str]]:
    """The names of the blanks of the Chinese and of the English sentence."""
    there = {name for text in texts(message.id) for name in BLANK.findall(text)}
    return there, {name for text in texts(message.string) for name in BLANK.findall(text)}


def test_every_sentence_has_english() -> None:
    assert strings.untranslated() == []


def test_no_translation_is_left_over() -> None:
    assert strings.left_over() == []


def test_both_languages_have_the_same_blanks() -> None:
    wrong = [
        message.id for message in strings.english() if message.id and len(set(map(frozenset, blanks(message)))) > 1
    ]
    assert wrong == []


def test_the_english_is_english() -> None:
    wrong = [
        message.string for message in strings.english() if message.id and CHINESE.search("".join(texts(message.string)))
    ]
    allowed = [text for text in wrong if "中文" in text]  # the switch names each language in itself
    assert wrong == allowed
