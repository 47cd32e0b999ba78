"""Text, names of files, links, and finding oneself in them."""

import contextlib
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms_plugin import media
from lms_plugin.errors import Refused

MESSY = st.text(
    st.one_of(st.characters(), st.sampled_from("<>&;/\\\u202e\u2066\u200b\0\r\n\u0301王a!b-\"'")), max_size=200
)


@pytest.mark.parametrize(
    ("given_text", "cleaned"),
    [
        ("第一行\r\n第二行\r第三行", "第一行\n第二行\n第三行"),
        ("<b>重点</b>", "重点"),
        ("前<script>alert('x')</script>后", "前后"),
        ('<img src=x onerror="alert(1)">图', "图"),
        ("x<5 且 y>3 & z", "x<5 且 y>3 & z"),
        ("&lt;b&gt; 是标签", "&lt;b&gt; 是标签"),
        ("a\0b\u202ec\u2066d\u200be\x07f", "abcdef"),
        ("e\u0301", "\u00e9"),
        ("👩\u200d🏫", "👩\u200d🏫"),
        ("<<b></b>script>alert(1)</script>", ""),
        ("<scr<script></script>ipt src=x>alert(1)</script>", "alert(1)"),
        ("一行<br>二行<BR/>三行<hr />", "一行二行三行\n"),
        ('<p class="MsoNormal">教案<o:p></o:p></p>', "教案"),
        ("<font color=red>红</font><input disabled>", "红"),
        ("留<!-- 批注 -->下", "留下"),
        ("甲\u2028乙", "甲\n乙"),
        ("\ue863\U00031350\ufffe", "\ue863\U00031350"),
    ],
)
def test_clean_text(given_text: str, cleaned: str) -> None:
    assert media.clean_text(given_text) == cleaned


@pytest.mark.parametrize(
    "text",
    [
        "若 x<y 且 y>z，当 a<b 时 b>a",
        "a<b>c 与 i<p>q",
        "if (a<b && c>d) return x<y || p>q;",
        "if a<b and c=d and e>f: print(a<b, c>d)",
        "List<String> 与 Map<String, List<Object>>，Vec<Option>",
        "#include <stdio.h>\nfor (i=0; i<n; i++) cout<<a[i]>>b;",
        "网页里用 <table> 和 <script> 标签，</body> 在最后",
        "while (x<!--y) {}",
        "5 < 6 > 3，<王老师>，<3，->，<=>",
        "&lt;b&gt; &amp; 5&6",
    ],
)
def test_inequalities_and_program_code_stay_as_they_were_typed(text: str) -> None:
    assert media.clean_text(text) == text


MARKUP = st.lists(
    st.sampled_from(
        [
            "<b>",
            "</b>",
            "<script>",
            "</script>",
            '<a\nhref="x">',
            "</a>",
            "<textarea>",
            "</textarea>",
            "<title>",
            "<br>",
            "<",
            ">",
            "&",
            "&lt;",
            "<!--",
            "-->",
            "a",
            "b",
            "字",
            "=",
            "<img\nsrc=x\nonerror=alert(1)>",
            "<style>",
            "</style>",
            "<plaintext>",
            "<svg>",
            "</svg>",
            "<x>",
            "\n",
            "<pre>",
            "</pre>",
        ]
    ),
    max_size=20,
).map("".join)


@given(st.one_of(MESSY, MARKUP))
def test_clean_text_leaves_no_tag_no_control_and_is_done_at_once(text: str) -> None:
    cleaned = media.clean_text(text)
    assert media.clean_text(cleaned) == cleaned
    assert not re.search(r"<[a-z]+\s+\w+=|<br|<script>.*</script>", cleaned, re.DOTALL)
    assert all(c in "\n\t\u200c\u200d" or unicodedata.category(c) not in {"Cc", "Cf", "Cs"} for c in cleaned)
    assert unicodedata.is_normalized("NFC", cleaned)


def test_a_very_long_text_is_refused_with_its_length() -> None:
    with pytest.raises(Refused) as refused:
        media.clean_text("长" * 10_000_000)
    assert refused.value.code == "text.too_long"
    assert refused.value.params == {"limit": 200_000, "length": 10_000_000}


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        ("第三单元教案.docx", "第三单元教案.docx"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\wang\\课.mp4", "课.mp4"),
        ("a\0\u202eb\r\n.pdf", "ab.pdf"),
        ("", "file"),
        ("...", "file"),
        (".docx", "file.docx"),
        ("CON.txt", "file_CON.txt"),
        ('a<b>:"c"|?*.png', "a_b___c____.png"),
        ("没有后缀", "没有后缀"),
        ("长" * 300 + ".docx", "长" * 115 + ".docx"),
    ],
)
def test_clean_filename(name: str, cleaned: str) -> None:
    assert media.clean_filename(name) == cleaned


@given(MESSY)
def test_clean_filename_is_always_a_name(name: str) -> None:
    cleaned = media.clean_filename(name)
    assert 0 < len(cleaned) <= 120
    assert not set(cleaned) & set('/\\<>:"|?*\0\r\n\u202e')
    assert not cleaned.startswith(".")
    assert media.clean_filename(cleaned) == cleaned


@pytest.mark.parametrize(
    "url",
    [
        "https://example.cn/课?id=1#a",
        "http://example.cn",
        "https://例子.中国/视频",
        "https://[::1]:8080/x",
        " https://a.cn ",
    ],
)
def test_links_that_are_taken(url: str) -> None:
    assert media.clean_link(url) == url.strip()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "javascript:alert(1)",
        "data:text/html,<b>",
        "file:///etc/passwd",
        "ftp://a.cn",
        "//a.cn",
        "https://",
        "https://user:pw@a.cn",
        "https://a.cn@b.cn",
        "https://a b.cn",
        "https://a.cn/\u202egpj",
        "https://a.cn:99999/",
        "https://a.cn/" + "x" * 2000,
        'https://a.cn/"onclick=',
        "https://a.cn\\@b.cn",
        "https://[::1",
    ],
)
def test_links_that_are_refused(url: str) -> None:
    with pytest.raises(Refused, match=r"evidence\.link_not_http"):
        media.clean_link(url)


@given(st.one_of(MESSY, MESSY.map("https://a.cn/".__add__), MESSY.map("https://".__add__)))
def test_a_link_is_safe_or_refused(url: str) -> None:
    cleaned = ""
    with contextlib.suppress(Refused):
        cleaned = media.clean_link(url)
    assert not cleaned or re.match(r"https?://[^/\s@]+", cleaned, re.IGNORECASE)
    assert len(cleaned) <= 2000


def found(text: str, name: str = "", staff_number: str = "", school: str = "") -> list[str]:
    findings = media.find_personal(text=text, names=[name], staff_numbers=[staff_number], schools=[school])
    return [f.needle for f in findings]


def test_own_name_however_it_is_spaced() -> None:
    assert found("执教：王 秀　兰老师", name="王秀兰") == ["王 秀　兰"]
    assert found("王\n秀兰", name="王秀兰") == ["王\n秀兰"]
    assert found("讲课人 Ｌｉ Na", name="li na") == ["Ｌｉ Na"]
    assert found("reliNAble", name="Li Na") == []
    assert found("兰", name="兰") == []
    assert found("什么都有", name="", staff_number="", school="") == []


def test_own_number_as_a_whole_word_alone() -> None:
    assert found("工号1024。", staff_number="1024") == ["1024"]
    assert found("工号：１０２４", staff_number="1024") == ["１０２４"]
    assert found("310240 与 1024a", staff_number="1024") == []
    assert found("31024 再 1024", staff_number="1024") == ["1024"]


def test_where_it_was_found() -> None:
    findings = media.find_personal(
        text="我校青禾县第一小学的课",
        filename="王秀兰-教案.docx",
        properties={"author": "王秀兰", "title": "教案"},
        names=["王秀兰"],
        schools=["青禾县第一小学"],
    )
    assert [(f.where, f.what) for f in findings] == [
        ("text", "school"),
        ("filename", "name"),
        ("property:author", "name"),
    ]
    assert findings[0].excerpt == "我校青禾县第一小学的课"


@given(MESSY, st.text("王秀兰ab1", min_size=2, max_size=6), MESSY)
def test_what_is_found_is_in_the_text(before: str, needle: str, after: str) -> None:
    text = f"{before}。{needle}。{after}"
    assert needle in found(text, name=needle) or len(found(text, name=needle)) >= 1
    for finding in media.find_personal(text=text, names=[needle]):
        assert finding.needle in text
