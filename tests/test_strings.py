"""中文 first, English beside it: every sentence of a page in both, none left over, and the same blanks in both."""

import re

import pytest
import strings
from babel.messages.catalog import Message

from lms_plugin.web.formats import counted

COUNTED = re.compile(r"\{(\w+):[^{|}]*\|[^{|}]*\}")
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


def test_words_that_go_by_a_number_name_one_of_the_sentence() -> None:
    """`{n:work waits|works wait}` (`formats.counted`): what is misspelt would stand on the page as it is."""
    for message in strings.english():
        there, _ = blanks(message)
        for text in texts(message.string) if message.id else ():
            named = {found[1] for found in COUNTED.finditer(text)}
            assert named <= there, text
            assert len(re.findall(r"\{\w+:|\|", text)) == 2 * len(COUNTED.findall(text)), text


@pytest.mark.parametrize(
    ("number", "said"),
    [(1, "1 work waits"), ("1", "1 work waits"), (0, "0 works wait"), (11, "11 works wait"), ("1.5", "1.5 works wait")],
)
def test_words_go_by_a_number(number: int | str, said: str) -> None:
    assert counted("%(n)s {n:work waits|works wait}", {"n": number}) % {"n": number} == said


def test_what_is_no_choice_stays() -> None:
    for text in ("", "{}", "{n}", "a {b} c|d", "%(n)s {n:one}"):
        assert counted(text, {"n": 1}) == text
