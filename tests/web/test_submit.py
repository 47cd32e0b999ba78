"""The teacher's pages as a browser sees them: choosing, uploading, typing, handing in, withdrawing, the record."""

import base64
import re
import zipfile
from collections.abc import Callable
from datetime import datetime, timedelta
from html import unescape
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import Connection, event
from sqlmodel import select

import competencies
import rubrics
from lms_plugin import media
from lms_plugin.db import pk
from lms_plugin.flow import award, cases
from tests import people as cast
from tests.factories import Browser, World
from tests.flow.handed_in import all_marks, hand_in, judgement
from tests.media.test_copies import with_embedded

FILES = Path(__file__).resolve().parent.parent / "files"
TUS = {"Tus-Resumable": "1.0.0"}
AUTO = {"X-Nengli-Autosave": "1", "Accept": "application/json"}
MB = 1024 * 1024
Browse = Callable[[cast.Cast | None], Browser]


def chosen(world: World, browser: Browser, *codes: str) -> dict[str, str]:
    """Chooses the points; gives the uuids of their works by code."""
    answer = browser.post(f"/programmes/{world.programme.uuid}/points", {"point": list(codes)})
    assert answer.status_code == 303, answer.text
    world.session.expire_all()
    return {code: work_of(world, code).uuid for code in codes}


def fetched(browser: Browser, url: str, **options: Any) -> Any:
    """The answer with its body read and its file closed."""
    answer = browser.get(url, **options)
    answer.get_data()
    answer.close()
    return answer


def work_of(world: World, code: str, who: cast.Cast = cast.CHEN) -> competencies.Submission:
    return world.session.exec(
        select(competencies.Submission).where(
            competencies.Submission.person_id == pk(world.person(who)),
            competencies.Submission.point_id == pk(world.point(code)),
        )
    ).one()


def metadata(**told: str) -> str:
    return ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in told.items())


def begin(browser: Browser, slot: str, name: str, size: int) -> Any:
    return browser.client.post(
        "/uploads",
        headers={
            **TUS,
            "X-Nengli-Csrf": browser.csrf,
            "Upload-Length": str(size),
            "Upload-Metadata": metadata(filename=name, slot=slot),
        },
    )


def part(browser: Browser, url: str, offset: int, body: bytes, **more: str) -> Any:
    return browser.client.patch(
        url,
        data=body,
        headers={
            **TUS,
            "X-Nengli-Csrf": browser.csrf,
            "Upload-Offset": str(offset),
            "Content-Type": "application/offset+octet-stream",
            **more,
        },
    )


def upload(browser: Browser, slot: str, name: str, body: bytes) -> str:
    """A whole file in two parts; gives the file's uuid."""
    made = begin(browser, slot, name, len(body))
    assert made.status_code == 201, made.text
    url = made.headers["Location"]
    half = len(body) // 2
    assert part(browser, url, 0, body[:half]).headers["Upload-Offset"] == str(half)
    assert part(browser, url, half, body[half:]).status_code == 204
    return str(url.rpartition("/")[2])


def type_text(browser: Browser, work: str, key: str, text: str, version: int = 0) -> Any:
    page = browser.get(f"/submissions/{work}/{key}/text").text
    fields = re.findall(r'name="(part\.[a-z_0-9-]+)"', page)
    return browser.post(f"/submissions/{work}/{key}/text", {"version": str(version), **dict.fromkeys(fields, text)})


def mark_all(browser: Browser, work: str, level: int = 1) -> None:
    page = browser.get(f"/submissions/{work}").text
    given = dict.fromkeys(re.findall(r'name="(mark\.[^"]+)"', page), str(level))
    assert browser.post(f"/submissions/{work}/self", given | {"version": edition(page, "self")}).status_code == 303


def edition(text: str, form: str) -> str:
    """What one of the page's forms was made from."""
    found = re.search(rf'<form id="{form}".*?name="version" value="([^"]*)"', text, re.S)
    assert found is not None
    return found[1]


def item_that_takes(world: World, kind: str) -> tuple[str, str]:
    """A point's code and one of its items that takes this form."""
    codes = {row.id: row.code for row in world.session.exec(select(competencies.CompetencyPoint)).all()}
    rows = world.session.exec(select(competencies.EvidenceRequirement).order_by(competencies.EvidenceRequirement.id))
    return next((codes[row.point_id], row.key) for row in rows.all() if kind in row.alt_kinds)


def complete(world: World, browser: Browser, code: str = "A6") -> str:
    """A6 with two typed documents, a film and all own marks; gives the work's uuid."""
    work = chosen(world, browser, code)[code]
    assert type_text(browser, work, "design", "第一环节：导入。").status_code == 303
    assert type_text(browser, work, "reflection", "成功：学生都说了。不足：时间紧。").status_code == 303
    upload(browser, f"{work}-clip", "课堂片段.mp4", (FILES / "lesson.mp4").read_bytes())
    mark_all(browser, work)
    return work


@pytest.fixture
def chen(browse: Browse) -> Browser:
    return browse(cast.CHEN)


# --- home and choosing ---


def test_home_says_what_to_do_first(world: World, chen: Browser) -> None:
    assert chen.get("/points").headers["Location"] == f"/programmes/{world.programme.uuid}"
    page = chen.get(f"/programmes/{world.programme.uuid}").text
    assert "还要选 3 个能力点" in page
    chosen(world, chen, "A3", "A5", "A6")
    page = chen.get(f"/programmes/{world.programme.uuid}").text
    assert "还差" in page
    assert "继续 A3" in page
    assert "实践应用学时" in page


def test_a_person_of_no_programme_gets_a_sentence_that_helps(browse: Browse) -> None:
    page = browse(cast.AUDITOR).get("/points")
    assert page.status_code == 200
    assert "还没有参加" in page.text


def test_choosing_shows_cost_and_what_the_rule_still_misses(world: World, chen: Browser) -> None:
    url = f"/programmes/{world.programme.uuid}/points"
    page = chen.get(url).text
    assert "视频 1 段 · 文档 2 份 · 需学生出镜" in page
    assert "A3 + A5 + A6" in page
    assert "至少来自 2 个维度" in page
    assert "再来自 1 个别的维度" in chen.get(url + "?pick=A5&pick=A6").text
    picked = chen.get(url + "?pick=A5&pick=A6&pick=A7").text
    assert "请换一个别的维度的" in picked
    ready = chen.get(url + "?pick=A3&pick=A5&pick=A6").text
    assert [found.split("<")[0] for found in re.findall(r'aria-current="true">(?:<svg.*?</svg>)?(.*)</a>', ready)] == [
        "A3 + A5 + A6"
    ]
    assert "?pick=A3&amp;pick=A5&amp;pick=A6#choose" in ready


def test_filters_narrow_the_list_and_keep_what_is_ticked(world: World, chen: Browser) -> None:
    url = f"/programmes/{world.programme.uuid}/points"
    page = chen.get(url + "?environment=smart&no_video=1&pick=A6").text
    assert 'value="A6"' in page
    assert 'value="A1"' not in page
    assert re.search(r'name="point" value="C\d', page)


@pytest.mark.parametrize(
    ("points", "words"),
    [(["A1", "A2", "A3", "A4"], "最多 3 个"), (["A1", "Z9"], "不在这一期的标准里")],
)
def test_a_choice_that_does_not_fit_is_said_on_the_page(
    world: World, chen: Browser, points: list[str], words: str
) -> None:
    answer = chen.post(f"/programmes/{world.programme.uuid}/points", {"point": points})
    assert answer.status_code == 422
    assert words in answer.text


def test_a_set_that_breaks_the_rule_is_refused_with_what_to_do(world: World, chen: Browser) -> None:
    answer = chen.post(f"/programmes/{world.programme.uuid}/points", {"point": ["A5", "A6", "A7"]})
    assert answer.status_code == 422
    assert "A5、A6、A7 只来自 1 个维度，至少要来自 2 个。请把其中 1 个换成别的维度的能力点。" in answer.text
    assert answer.text.count(" checked") == 3
    assert world.session.exec(select(competencies.Selection)).all() == []


def test_giving_up_what_was_handed_in_is_asked_first(world: World, chen: Browser) -> None:
    work = complete(world, chen)
    chen.post(f"/submissions/{work}/submit")
    url = f"/programmes/{world.programme.uuid}/points"
    assert "已提交；换掉就会撤回" in chen.get(url).text
    asked = chen.post(url, {})
    assert asked.status_code == 422
    assert "A6 已经提交。换掉就会撤回它" in asked.text
    assert 'name="give_up" value="A6"' in asked.text
    assert not re.search(r'value="A6"[^>]* checked', asked.text)
    world.session.expire_all()
    assert work_of(world, "A6").state is competencies.SubmissionState.SUBMITTED
    assert chen.post(url, {"point": ["A5"], "give_up": "A6"}).status_code == 303
    world.session.expire_all()
    assert work_of(world, "A6").state is competencies.SubmissionState.DRAFT


def test_what_somebody_opened_stays_chosen(world: World, browse: Browse, chen: Browser, clock: list[datetime]) -> None:
    work = complete(world, chen)
    chen.post(f"/submissions/{work}/submit")
    clock[0] += timedelta(minutes=31)
    assert browse(cast.TRAINER).get(f"/cases/{work}").status_code == 200
    url = f"/programmes/{world.programme.uuid}/points"
    answer = chen.post(url, {"point": ["A5"], "give_up": "A6"})
    assert answer.status_code == 422
    assert "A6 已经有人打开评审，不能换掉" in answer.text
    assert re.search(r'name="point" value="A6"[^>]* checked', answer.text)
    assert chen.post(url, {"point": ["A5", "A6"]}).status_code == 303


def test_points_beyond_the_schools_environment_are_refused(world: World, chen: Browser) -> None:
    world.schools["希望小学"].environment = "multimedia"
    world.session.add(world.schools["希望小学"])
    world.session.commit()
    answer = chen.post(f"/programmes/{world.programme.uuid}/points", {"point": ["A1", "C1"]})
    assert answer.status_code == 422
    assert "C1 不适合" in answer.text


# --- uploads ---


def test_a_file_comes_in_parts_and_is_checked(world: World, chen: Browser) -> None:
    work = chosen(world, chen, "A6")["A6"]
    body = (FILES / "lesson.docx").read_bytes()
    made = begin(chen, f"{work}-design", "教案.docx", len(body))
    url = made.headers["Location"]
    assert part(chen, url, 0, body[:100]).status_code == 204
    head = chen.client.head(url, headers=TUS)
    assert (head.headers["Upload-Offset"], head.headers["Upload-Length"]) == ("100", str(len(body)))
    assert "还没传完" in chen.get(f"/submissions/{work}").text
    assert part(chen, url, 50, body[50:]).status_code == 409
    assert part(chen, url, 100, body[100:]).status_code == 204
    page = chen.get(f"/submissions/{work}").text
    assert "教案.docx" in page
    assert "已检查" in page
    again = begin(chen, f"{work}-clip", "x.mp4", 10)
    assert begin(chen, f"{work}-clip", "x.mp4", 10).headers["Location"] == again.headers["Location"]


def test_options_tells_what_the_server_can_do(chen: Browser) -> None:
    answer = chen.client.options("/uploads")
    assert answer.headers["Tus-Version"] == "1.0.0"
    assert "creation" in answer.headers["Tus-Extension"]


def test_uploads_keep_to_the_protocol(world: World, chen: Browser) -> None:
    work = chosen(world, chen, "A6")["A6"]
    slot = f"{work}-design"
    assert chen.client.post("/uploads", headers={"X-Nengli-Csrf": chen.csrf}).status_code == 412
    assert chen.client.post("/uploads", headers=TUS).status_code == 403  # no CSRF token
    url = begin(chen, slot, "a.docx", 10).headers["Location"]
    assert part(chen, url, 0, b"x", **{"Content-Type": "text/plain"}).status_code == 415
    assert part(chen, url, 0, b"0123456789A").status_code == 422  # longer than declared
    cancelled = chen.client.delete(url, headers={**TUS, "X-Nengli-Csrf": chen.csrf})
    assert cancelled.status_code == 204
    assert "a.docx" not in chen.get(f"/submissions/{work}").text


@pytest.mark.parametrize(
    ("slot", "name", "status", "code"),
    [("design", "空.docx", 422, "file.empty"), ("design", "大.docx", 413, "upload.too_large")],
)
def test_empty_and_too_large_files_are_refused_at_once(
    world: World, chen: Browser, slot: str, name: str, status: int, code: str
) -> None:
    work = chosen(world, chen, "A6")["A6"]
    size = 0 if code == "file.empty" else 51 * 1024 * 1024
    answer = chen.client.post(
        "/uploads",
        headers={
            **TUS,
            "Accept": "application/json",
            "X-Nengli-Csrf": chen.csrf,
            "Upload-Length": str(size),
            "Upload-Metadata": metadata(filename=name, slot=f"{work}-{slot}"),
        },
    )
    assert answer.status_code == status
    assert answer.json["error"] == code


@pytest.mark.parametrize(
    ("file", "name", "words"),
    [
        ("program.mp4", "课堂.mp4", "不能作为佐证材料"),
        ("drawing.svg", "手写.jpg", "不能作为佐证材料"),
        ("cut.pdf", "教案.pdf", "已损坏"),
        ("locked.pdf", "教案.pdf", "有密码"),
        ("lesson.mp4", "教案.mp4", "这一项不收这种文件"),
        ("macros.docx", "教案.docx", "不能作为佐证材料"),
        ("bomb.docx", "教案.docx", "异常庞大"),
    ],
)
def test_a_refused_file_says_why_beside_its_place_and_loses_nothing(
    world: World, chen: Browser, file: str, name: str, words: str
) -> None:
    work = chosen(world, chen, "A6")["A6"]
    type_text(chen, work, "design", "先写的内容")
    upload(chen, f"{work}-design", name, (FILES / file).read_bytes())
    page = chen.get(f"/submissions/{work}").text
    assert words in page
    assert "先写的内容" in page
    upload(chen, f"{work}-design", "好的.docx", (FILES / "plain.docx").read_bytes())
    assert words not in chen.get(f"/submissions/{work}").text  # the next try takes its place


def too_much(browser: Browser, url: str, megabytes: int) -> Any:
    """A form whose head promises so much; nobody reads it."""
    return browser.client.post(
        url,
        data={"csrf_token": browser.csrf, "file": (BytesIO(b"x"), "课堂.mp4")},
        environ_overrides={"CONTENT_LENGTH": str(megabytes * MB)},
    )


def send_large(browser: Browser, url: str, *files: tuple[str, bytes]) -> Any:
    """As `send`, with a body that the test client keeps in memory."""
    told = [('name="csrf_token"', browser.csrf.encode())]
    told += [(f'name="file"; filename="{name}"', content) for name, content in files]
    body = b"".join(b"--x\r\nContent-Disposition: form-data; %b\r\n\r\n%b\r\n" % (n.encode(), c) for n, c in told)
    with browser.client.post(url, data=body + b"--x--", content_type="multipart/form-data; boundary=x") as answer:
        answer.get_data()
        return answer


@pytest.mark.parametrize(("form", "back"), [("files", ""), ("photos", "/design/photos")])
def test_a_plain_form_that_is_too_large_says_so_and_leads_back(
    world: World, chen: Browser, form: str, back: str
) -> None:
    work = chosen(world, chen, "A6")["A6"]
    type_text(chen, work, "design", "先写的内容")
    answer = too_much(chen, f"/submissions/{work}/design/{form}", 513)
    assert answer.status_code == 413
    for words in (
        "一共超过 512 MB，没有收",
        "写好的内容和已经传好的文件都在",
        "分几次选",
        "回到这个能力点",
        "我的能力点",
    ):
        assert words in answer.text
    assert f'href="/submissions/{work}{back}"' in answer.text
    assert "先写的内容" in chen.get(f"/submissions/{work}").text


def test_a_plain_form_takes_more_than_other_forms_and_says_beside_its_place_what_is_too_large(
    world: World, chen: Browser
) -> None:
    work = chosen(world, chen, "A6")["A6"]
    good = (FILES / "plain.docx").read_bytes()
    answer = send_large(chen, f"/submissions/{work}/design/files", ("大.docx", bytes(65 * MB)), ("好.docx", good))
    assert answer.status_code == 422
    assert "大.docx：文件有 65 MB，最大 50 MB" in answer.text
    assert "好.docx" in answer.text
    assert send_large(chen, "/people/introduce", ("x", bytes(65 * MB))).status_code == 413


def test_a_stranger_s_large_form_is_not_read(tool: Any, world: World) -> None:
    stranger = Browser(tool.test_client(), "x")
    stranger.client.set_cookie("__Host-nengli", "made up", domain="localhost", secure=True)
    assert too_much(stranger, f"/submissions/{'0' * 32}/design/files", 100).status_code == 401


def test_objects_that_reviewers_do_not_get_are_said(
    world: World, chen: Browser, browse: Browse, tmp_path: Path
) -> None:
    work = chosen(world, chen, "A6")["A6"]
    file = upload(chen, f"{work}-design", "教案.docx", with_embedded(tmp_path, "sheet.xls").read_bytes())
    assert "里面有 1 个嵌入的对象" in chen.get(f"/submissions/{work}").text
    assert "没有给您" not in chen.get(f"/evidence/{file}").text
    row = world.session.exec(select(competencies.Submission).where(competencies.Submission.uuid == work)).one()
    piece = world.session.exec(
        select(competencies.Evidence).where(competencies.Evidence.submission_id == pk(row))
    ).one()
    version = competencies.SubmissionVersion(
        submission_id=pk(row), number=1, manifest={}, content_hash="0" * 64, self_marks={}, submitted_at=world.now
    )
    world.session.add(version)
    world.session.flush()
    world.session.add(competencies.Evidence(**piece.model_dump(exclude={"id", "version_id"}), version_id=pk(version)))
    row.state, row.current_version_id = competencies.SubmissionState.SUBMITTED, pk(version)
    slot = rubrics.Slot(pk(row), pk(version), pk(world.person(cast.WANG)))
    rubrics.allot(world.session, row.tenant_id, row.programme_id, [slot], None, None, world.now)
    world.session.commit()
    assert "1 个嵌入的对象（如旧版 Excel、PPT）没有给您" in browse(cast.WANG).get(f"/evidence/{file}").text


def test_hostile_file_names_are_tamed(world: World, chen: Browser) -> None:
    work = chosen(world, chen, "A6")["A6"]
    upload(chen, f"{work}-design", "../<script>\u202e\x00教案.docx", (FILES / "plain.docx").read_bytes())
    page = chen.get(f"/submissions/{work}").text
    assert "<script>\u202e" not in page
    assert "\u202e" not in page
    assert "教案.docx" in page


def test_without_script_a_plain_form_does_the_same(world: World, chen: Browser) -> None:
    work = chosen(world, chen, "A6")["A6"]
    with (FILES / "lesson.docx").open("rb") as stream:
        answer = chen.post(f"/submissions/{work}/design/files", {"file": (stream, "教案.docx")})
    assert answer.status_code == 303
    assert "教案.docx" in chen.get(f"/submissions/{work}").text
    assert chen.post(f"/submissions/{work}/design/files", {}).status_code == 422


def send(browser: Browser, url: str, *files: tuple[str, bytes]) -> Any:
    """Files by a plain form."""
    return browser.post(url, {"file": [(BytesIO(content), name) for name, content in files]})


def test_of_several_files_the_bad_ones_are_named_and_the_good_ones_stay(world: World, chen: Browser) -> None:
    work = chosen(world, chen, "A6")["A6"]
    good = (FILES / "plain.docx").read_bytes()
    answer = send(
        chen,
        f"/submissions/{work}/design/files",
        ("空.docx", b""),
        ("坏.pdf", (FILES / "cut.pdf").read_bytes()),
        ("教案.docx", good),
    )
    assert answer.status_code == 422
    place = answer.text[answer.text.index(f'id="slot-{work}-design"') :].split("</section>")[0]
    for words in ("教案.docx", "空.docx：文件是空的", "已损坏"):
        assert words in place
    page = chen.get(f"/submissions/{work}").text
    assert "教案.docx" in page
    assert "已损坏" in page  # the good file of the same choice does not take its words away
    nothing = chen.post(f"/submissions/{work}/design/files", {})
    assert "还没有选文件" in nothing.text
    assert "要交什么" in nothing.text  # said on the page itself


def photo_refs(text: str) -> list[str]:
    return re.findall(r'name="page\.([0-9a-f]{32})"', text)


def test_photos_become_one_pdf(world: World, chen: Browser) -> None:
    work = chosen(world, chen, "A6")["A6"]
    url = f"/submissions/{work}/design/photos"
    assert chen.get(url).status_code == 200
    jpg, heic = ((FILES / name).read_bytes() for name in ("photo.jpg", "photo.heic"))
    mixed = send(chen, url, ("1.jpg", jpg), ("x.svg", (FILES / "drawing.svg").read_bytes()), ("2.heic", heic))
    assert mixed.status_code == 303  # what is wrong inside a file is said beside it, as everywhere
    page = chen.get(url).text
    assert "不能作为佐证材料" in page
    one, two = photo_refs(page)
    empty = send(chen, url, ("3.jpg", b""))
    assert empty.status_code == 422
    assert "3.jpg：文件是空的" in empty.text
    assert photo_refs(empty.text) == [one, two]
    none = chen.post(f"{url}/join", {f"page.{one}": "", f"page.{two}": " "})
    assert none.status_code == 422
    assert photo_refs(none.text) == [one, two]
    assert chen.post(f"{url}/join", {f"page.{one}": "2", f"page.{two}": "1"}).status_code == 303
    page = chen.get(f"/submissions/{work}").text
    assert "手写稿.pdf" in page
    assert "1.jpg" not in page
    file = world.session.exec(
        select(competencies.StoredFile).where(competencies.StoredFile.filename == "手写稿.pdf")
    ).one()
    assert (file.pages, file.state) == (2, competencies.FileState.READY)
    assert chen.post(f"{url}/join", {f"page.{one}": "1"}).status_code == 404


def test_nine_photos_become_one_and_a_tenth_is_named(world: World, chen: Browser) -> None:
    work = chosen(world, chen, "A6")["A6"]
    url = f"/submissions/{work}/design/photos"
    jpg = (FILES / "photo.jpg").read_bytes()
    ten = send(chen, url, *((f"{number}.jpg", jpg) for number in range(1, 11)))
    assert ten.status_code == 422
    assert "10.jpg：这一项最多放 9 个文件" in ten.text
    refs = photo_refs(ten.text)
    assert len(refs) == 9
    pages = {f"page.{ref}": str(number) for number, ref in enumerate(refs, start=1)}
    assert chen.post(f"{url}/join", pages).status_code == 303
    file = world.session.exec(
        select(competencies.StoredFile).where(competencies.StoredFile.filename == "手写稿.pdf")
    ).one()
    assert file.pages == 9


def test_one_file_serves_several_points(world: World, chen: Browser) -> None:
    works = chosen(world, chen, "A5", "A6")
    file = upload(chen, f"{works['A6']}-clip", "片段.mp4", (FILES / "lesson.mp4").read_bytes())
    page = chen.get(f"/submissions/{works['A5']}/clip/reuse")
    assert "片段.mp4" in page.text
    assert chen.post(f"/submissions/{works['A5']}/clip/reuse", {"file": file}).status_code == 303
    assert "片段.mp4" in chen.get(f"/submissions/{works['A5']}").text
    assert chen.post(f"/submissions/{works['A6']}/design/reuse", {"file": file}).status_code == 422
    gone = chen.post(f"/submissions/{works['A5']}/clip/pieces/{file}/remove")
    assert gone.status_code == 303
    assert "片段.mp4" in chen.get(f"/submissions/{works['A6']}").text


# --- typed text ---


def test_typed_text_saves_by_itself_and_two_tabs_get_both_texts(world: World, chen: Browser) -> None:
    work = chosen(world, chen, "A6")["A6"]
    url = f"/submissions/{work}/reflection/text"
    auto = {"X-Nengli-Autosave": "1", "Accept": "application/json"}
    saved = chen.post(url, {"version": "0", "part.grounded": "第一句"}, headers=auto)
    assert saved.json["version"] == 1
    assert saved.json["saved_at"].startswith("2026-11-02T09:00")  # the district's own time
    second = chen.post(url, {"version": "1", "part.grounded": "甲窗口写的"}, headers=auto)
    assert second.json["version"] == 2
    clash = chen.post(url, {"version": "1", "part.grounded": "乙窗口写的"}, headers=auto)
    assert clash.status_code == 409
    assert "甲窗口写的" in clash.text
    assert "乙窗口写的" in clash.text
    page = chen.post(url, {"version": "1", "part.grounded": "乙窗口写的"})
    assert page.status_code == 409
    assert "甲窗口写的" in page.text
    assert "乙窗口写的" in page.text
    assert 'name="version" value="2"' in page.text
    chosen_mine = chen.post(url, {"version": ["1", "2"], "part.grounded": "合起来的"})
    assert chosen_mine.status_code == 303
    assert "合起来的" in chen.get(url).text


def test_text_is_cleaned_and_ten_megabytes_are_refused_with_words(world: World, chen: Browser) -> None:
    work = chosen(world, chen, "A6")["A6"]
    url = f"/submissions/{work}/reflection/text"
    text = "好<script>alert(1)</script>\u202e课\x00堂 <b>重点</b> 3<5"
    assert chen.post(url, {"version": "0", "part.grounded": text}).status_code == 303
    world.session.expire_all()
    row = world.session.exec(select(competencies.Evidence).where(competencies.Evidence.kind == "text")).one()
    assert row.parts == {"grounded": "好课堂 重点 3<5"}
    long = chen.post(url, {"version": "1", "part.grounded": "长" * 3_400_000})
    assert long.status_code == 422
    assert "文字太长" in long.text


def test_inequalities_and_code_come_back_as_they_were_typed(world: World, chen: Browser) -> None:
    work = chosen(world, chen, "A6")["A6"]
    url = f"/submissions/{work}/reflection/text"
    text = "若 x<y 且 y>z，当 a<b 时 b>a\nif (a<b && c>d) List<String>\n用 <script> 标签 & &lt;b&gt;"
    for version in ("0", "1"):  # what the page shows is sent again
        assert chen.post(url, {"version": version, "part.grounded": text}).status_code == 303
        shown = re.search(r'<textarea[^>]*name="part\.grounded"[^>]*>(.*?)</textarea>', chen.get(url).text, re.DOTALL)
        assert shown is not None
        assert "<" not in shown[1]
        assert unescape(shown[1]).removeprefix("\n") == text
    world.session.expire_all()
    row = world.session.exec(select(competencies.Evidence).where(competencies.Evidence.kind == "text")).one()
    assert row.parts == {"grounded": text}
    assert row.text.endswith(text)


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "ftp://x.cn/a", "http://", "data:text/html,x", "https://a:b@c.cn"]
)
def test_a_link_must_be_http(world: World, chen: Browser, url: str) -> None:
    code, key = item_that_takes(world, "link")
    work = chosen(world, chen, code)[code]
    answer = chen.post(f"/submissions/{work}/{key}/link", {"url": url})
    assert answer.status_code == 422
    assert "aria-invalid" in answer.text
    assert chen.post(f"/submissions/{work}/{key}/link", {"url": "https://example.cn/课?a=1"}).status_code == 303
    assert "https://example.cn/" in chen.get(f"/submissions/{work}").text


def test_two_windows_with_own_marks_get_both_versions(world: World, chen: Browser) -> None:
    work = chosen(world, chen, "A6")["A6"]
    url, field = f"/submissions/{work}/self", "mark.design.complete"
    seen = edition(chen.get(f"/submissions/{work}").text, "self")
    first = chen.post(url, {field: "2", "version": seen}, headers=AUTO)
    assert first.status_code == 200
    clash = chen.post(url, {field: "0", "version": seen}, headers=AUTO)
    assert clash.status_code == 409
    for words in ("优秀", "未达到", "另一个窗口已保存的", f'name="version" value="{first.json["version"]}"'):
        assert words in clash.text
    page = chen.post(url, {field: "0", "version": seen})
    assert page.status_code == 409
    beside = page.text[page.text.index(f'id="c-{field}"') :].split("</fieldset>")[0]
    assert "另一个窗口里是“优秀”" in beside
    assert re.search(r'value="0"[^>]* checked', beside)
    assert work_of(world, "A6").self_marks == {"design": {"complete": 2}}
    assert chen.post(url, {field: "2", "version": seen}, headers=AUTO).status_code == 200  # the same is no conflict
    assert chen.post(url, {field: "0", "version": [seen, first.json["version"]]}).status_code == 303
    world.session.expire_all()
    assert work_of(world, "A6").self_marks == {"design": {"complete": 0}}


def test_two_windows_with_ticks_get_both_versions(world: World, chen: Browser) -> None:
    work = chosen(world, chen, "C5")["C5"]
    type_text(chen, work, "case", "个案一")
    url = f"/submissions/{work}/checks"
    tick = re.findall(r'name="tick" value="([^"]+)"', chen.get(f"/submissions/{work}").text)[0]
    saved = chen.post(url, {"tick": [tick], "version": ""}, headers=AUTO)
    assert saved.status_code == 200
    clash = chen.post(url, {"tick": [], "version": "0" * 16}, headers=AUTO)
    assert clash.status_code == 409
    assert "没有勾选" in clash.text
    page = chen.post(url, {"version": "0" * 16})
    assert page.status_code == 409
    assert "另一个窗口里是“已勾选”" in page.text
    assert chen.post(url, {"version": saved.json["version"]}).status_code == 303
    world.session.expire_all()
    assert work_of(world, "C5").ticks == {}


def test_text_of_a_second_window_is_on_the_page_that_refuses_it(world: World, chen: Browser) -> None:
    work = complete(world, chen)
    assert chen.post(f"/submissions/{work}/submit").status_code == 303
    late = chen.post(f"/submissions/{work}/design/text", {"version": "1", "part.complete": "第二个窗口里写的\n三行"})
    assert late.status_code == 409
    assert "您刚才填写的内容没有丢" in late.text
    assert "第二个窗口里写的\n三行" in late.text


def test_what_was_typed_stands_on_the_page_of_an_expired_session(
    world: World, chen: Browser, clock: list[datetime]
) -> None:
    work = chosen(world, chen, "A6")["A6"]
    clock[0] += timedelta(hours=9)
    refused = chen.post(f"/submissions/{work}/design/text", {"version": "0", "part.complete": "写了很久<b>"})
    assert refused.status_code == 401
    assert "写了很久&lt;b&gt;" in refused.text
    elsewhere = chen.client.post(
        f"/submissions/{work}/design/text",
        data={"part.complete": "别处塞来的"},
        headers={"Sec-Fetch-Site": "cross-site"},
    )
    assert elsewhere.status_code == 403
    assert "别处塞来的" not in elsewhere.text


def test_a_form_that_was_taken_says_so_in_the_address(world: World, chen: Browser) -> None:
    work = chosen(world, chen, "A6")["A6"]
    url = f"/submissions/{work}/design/text"
    answer = chen.post(url, {"version": "0", "part.complete": "好", "copy": "12-3-4"})
    assert answer.headers["Location"] == f"/submissions/{work}?kept=12-3-4#slot-{work}-design"
    odd = chen.post(url, {"version": "1", "part.complete": "好的", "copy": "1&next=//evil.example"})
    assert "kept" not in odd.headers["Location"]
    clash = chen.post(url, {"version": "0", "part.complete": "旧的", "copy": "5-6-7"})
    assert clash.status_code == 409
    assert 'data-posted="5-6-7"' in clash.text


def test_a_link_too_many_is_said_beside_the_field(world: World, chen: Browser) -> None:
    code, key = item_that_takes(world, "link")
    work = chosen(world, chen, code)[code]
    url = f"/submissions/{work}/{key}/link"
    for number in range(9):
        assert chen.post(url, {"url": f"https://example.cn/{number}"}).status_code == 303
    tenth = chen.post(url, {"url": "https://example.cn/tenth"})
    assert tenth.status_code == 422
    assert "这一项最多放 9 个文件" in tenth.text
    assert 'value="https://example.cn/tenth"' in tenth.text


def test_a_film_beside_documents_has_limits_of_its_own(world: World, chen: Browser) -> None:
    work = chosen(world, chen, "C1")["C1"]
    page = chen.get(f"/submissions/{work}").text
    for words in ("视频不超过 10 分钟", "视频文件不超过 2.0 GB", "其他文件每个不超过 200 MB"):
        assert words in page
    gigabyte = 1024 * MB
    assert begin(chen, f"{work}-product", "课件.pptx", gigabyte).status_code == 413
    assert begin(chen, f"{work}-product", "课堂.MP4", gigabyte).status_code == 201


# --- handing in ---


def test_handing_in_says_all_that_is_missing(world: World, chen: Browser) -> None:
    work = chosen(world, chen, "A6")["A6"]
    answer = chen.post(f"/submissions/{work}/submit")
    assert answer.status_code == 422
    for words in ("还差“教学设计”", "还差“课堂实录片段”", "还差“教学反思”"):
        assert words in answer.text
    type_text(chen, work, "design", "写好的")
    answer = chen.post(f"/submissions/{work}/submit")
    assert "“教学设计”的自评还差 3 条" in answer.text
    assert "写好的" in answer.text


def test_submit_twice_withdraw_and_submit_again(world: World, chen: Browser, clock: list[datetime]) -> None:
    work = complete(world, chen)
    first = chen.post(f"/submissions/{work}/submit")
    assert (first.status_code, first.headers["Location"]) == (303, f"/submissions/{work}")
    assert chen.post(f"/submissions/{work}/submit").headers["Location"] == first.headers["Location"]
    page = chen.get(f"/submissions/{work}").text
    assert "已提交，等待评审" in page
    assert "第 1 次提交" in page
    assert chen.post(f"/submissions/{work}/design/text", {"version": "1", "part.complete": "改"}).status_code == 409
    assert chen.post(f"/submissions/{work}/withdraw").status_code == 303
    assert chen.post(f"/submissions/{work}/withdraw").status_code == 303
    assert type_text(chen, work, "design", "改过的", 1).status_code == 303
    assert chen.post(f"/submissions/{work}/submit").status_code == 303
    world.session.expire_all()
    versions = world.session.exec(
        select(competencies.SubmissionVersion).order_by(competencies.SubmissionVersion.number)
    ).all()
    assert [row.number for row in versions] == [1, 2]
    assert versions[0].withdrawn_at is not None
    assert versions[0].content_hash != versions[1].content_hash


def test_late_work_is_taken_and_waits(world: World, browse: Browse, chen: Browser, clock: list[datetime]) -> None:
    work = complete(world, chen)
    clock[0] = world.now = competencies.end_of_day(world.programme.submit_by_on, "Asia/Shanghai")
    # a session of eight hours is over by then: the draft survives a new launch
    assert chen.get(f"/submissions/{work}").status_code == 401
    chen = browse(cast.CHEN)
    page = chen.get(f"/submissions/{work}").text
    assert "提交时间已过" in page
    assert "都齐了" in page
    assert chen.post(f"/submissions/{work}/submit").status_code == 303
    assert "是迟交的，等待评审员决定收不收" in chen.get(f"/submissions/{work}").text
    world.session.expire_all()
    row = work_of(world, "A6")
    assert row.state is competencies.SubmissionState.LATE
    assert [version.is_late for version in world.session.exec(select(competencies.SubmissionVersion))] == [True]


def test_own_name_is_found_and_struck_out_or_let_pass(world: World, chen: Browser) -> None:
    work = complete(world, chen)
    assert type_text(chen, work, "design", "执教：陈晓芳，希望小学", 1).status_code == 303
    page = chen.post(f"/submissions/{work}/submit")
    assert page.status_code == 422
    assert "陈晓芳" in page.text
    assert "遮去" in page.text
    assert chen.post(f"/submissions/{work}/design/pieces/text/strike").status_code == 303
    text = chen.get(f"/submissions/{work}/design/text").text
    assert "执教：＊＊，＊＊" in text
    assert chen.post(f"/submissions/{work}/submit").status_code == 303


def test_a_staff_number_is_struck_out_as_a_word_and_not_within_others(world: World, chen: Browser) -> None:
    person = world.person(cast.CHEN)
    person.staff_number = "12"
    world.session.add(person)
    world.session.commit()
    work = complete(world, chen)
    said = "工号 １２ 的陈 晓 芳带了 120 人，平均 12.5 分，电话 13712345678"
    assert type_text(chen, work, "design", said, 1).status_code == 303
    assert chen.post(f"/submissions/{work}/design/pieces/text/strike").status_code == 303
    text = chen.get(f"/submissions/{work}/design/text").text
    assert "工号 ＊＊ 的＊＊带了 120 人，平均 12.5 分，电话 13712345678" in text
    old = upload(chen, f"{work}-design", "12号2012年12月.docx", (FILES / "plain.docx").read_bytes())
    assert chen.post(f"/submissions/{work}/design/pieces/{old}/strike").status_code == 303
    page = chen.get(f"/submissions/{work}").text
    assert "＊＊号2012年＊＊月.docx" in page
    assert "就这样提交" not in page


def test_a_name_in_a_file_name_is_struck_out_by_a_new_copy(world: World, chen: Browser) -> None:
    work = chosen(world, chen, "A6")["A6"]
    old = upload(chen, f"{work}-design", "陈晓芳教案.docx", (FILES / "plain.docx").read_bytes())
    assert "就这样提交" in chen.get(f"/submissions/{work}").text
    answer = chen.post(f"/submissions/{work}/design/pieces/{old}/strike")
    assert answer.status_code == 303, answer.text
    page = chen.get(f"/submissions/{work}").text
    assert "＊＊教案.docx" in page
    assert "就这样提交" not in page
    waived = upload(chen, f"{work}-reflection", "陈晓芳反思.docx", (FILES / "plain.docx").read_bytes())
    assert chen.post(f"/submissions/{work}/reflection/pieces/{waived}/waive").status_code == 303
    assert "就这样提交" not in chen.get(f"/submissions/{work}").text


def test_a_name_is_struck_out_although_the_item_is_full(world: World, chen: Browser) -> None:
    work = chosen(world, chen, "A6")["A6"]
    content = (FILES / "plain.docx").read_bytes()
    old = upload(chen, f"{work}-design", "陈晓芳教案.docx", content)
    for number in range(2, 10):
        upload(chen, f"{work}-design", f"{number}.docx", content)
    answer = chen.post(f"/submissions/{work}/design/pieces/{old}/strike")
    assert answer.status_code == 303, answer.text
    page = chen.get(f"/submissions/{work}").text
    assert "＊＊教案.docx" in page
    assert "陈晓芳教案.docx" not in page
    assert begin(chen, f"{work}-design", "10.docx", 5).status_code == 422


def test_striking_out_is_not_offered_where_it_cannot_be_done(world: World, chen: Browser) -> None:
    person = world.person(cast.CHEN)
    person.name = media.inspect(FILES / "sheet.xls", "sheet.xls").properties["author"]
    world.session.add(person)
    world.session.commit()
    work = chosen(world, chen, "C5")["C5"]
    file = upload(chen, f"{work}-data", "成绩.xls", (FILES / "sheet.xls").read_bytes())
    page = chen.get(f"/submissions/{work}").text
    assert "这种文件我们遮不掉" in page
    assert f"{file}/strike" not in page
    assert chen.post(f"/submissions/{work}/data/pieces/{file}/strike").status_code == 422


# --- evidence ---


def test_the_owner_reads_the_original_by_ranges(world: World, chen: Browser) -> None:
    work = chosen(world, chen, "A6")["A6"]
    body = (FILES / "lesson.mp4").read_bytes()
    file = upload(chen, f"{work}-clip", "片段.mp4", body)
    answer = fetched(chen, f"/evidence/{file}/file")
    assert answer.data == body
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert "no-store" in answer.headers["Cache-Control"]
    assert "Last-Modified" not in answer.headers
    piece = fetched(chen, f"/evidence/{file}/file", headers={"Range": "bytes=10-19"})
    assert (piece.status_code, piece.data) == (206, body[10:20])
    assert fetched(chen, f"/evidence/{file}/file", headers={"Range": "bytes=99999999-"}).status_code == 416


def test_documents_are_read_on_the_page(world: World, chen: Browser) -> None:
    work = chosen(world, chen, "A6")["A6"]
    pdf = upload(chen, f"{work}-design", "反思.pdf", (FILES / "reflection.pdf").read_bytes())
    docx = upload(chen, f"{work}-reflection", "教案.docx", (FILES / "lesson.docx").read_bytes())
    assert f"/evidence/{pdf}/pages/1.png" in fetched(chen, f"/evidence/{pdf}").text
    assert fetched(chen, f"/evidence/{pdf}/pages/1.png").data.startswith(b"\x89PNG")
    assert fetched(chen, f"/evidence/{pdf}/pages/999.png").status_code == 404
    part_of_page = fetched(chen, f"/evidence/{docx}", headers={"HX-Request": "true"}).text
    assert "<html" not in part_of_page
    assert "<p>" in part_of_page
    photo = upload(chen, f"{work}-design", "手写.heic", (FILES / "photo.heic").read_bytes())
    assert fetched(chen, f"/evidence/{photo}/file").data.startswith(b"\xff\xd8")


# --- walls ---


def test_strangers_neighbours_and_colleagues_reach_nothing(world: World, browse: Browse, chen: Browser) -> None:
    work = complete(world, chen)
    file = world.session.exec(select(competencies.StoredFile)).one().uuid
    gets = [
        f"/submissions/{work}",
        f"/submissions/{work}/design/text",
        f"/submissions/{work}/design/photos",
        f"/submissions/{work}/design/reuse",
        f"/evidence/{file}",
        f"/evidence/{file}/file",
        f"/record/{world.programme.uuid}/{world.person(cast.CHEN).uuid}",
    ]
    posts = [
        f"/submissions/{work}/design/text",
        f"/submissions/{work}/design/files",
        f"/submissions/{work}/design/photos",
        f"/submissions/{work}/design/link",
        f"/submissions/{work}/clip/pieces/{file}/remove",
        f"/submissions/{work}/clip/pieces/{file}/waive",
        f"/submissions/{work}/clip/pieces/{file}/strike",
        f"/submissions/{work}/clip/pieces/{file}/check",
        f"/submissions/{work}/self",
        f"/submissions/{work}/checks",
        f"/submissions/{work}/submit",
        f"/submissions/{work}/withdraw",
        f"/submissions/{work}/again",
    ]
    stranger, neighbour, colleague = browse(None), browse(cast.NEIGHBOUR), browse(cast.WANG)
    for url in gets:
        assert stranger.get(url).status_code == 401, url
        assert neighbour.get(url).status_code == 404, url
        assert colleague.get(url).status_code == 403, url
    for url in posts:
        assert stranger.post(url).status_code == 401, url
        assert neighbour.post(url).status_code == 404, url
        assert colleague.post(url).status_code == 403, url
    for browser in (neighbour, colleague):
        assert browser.client.head(f"/uploads/{file}", headers=TUS).status_code == 404
        assert part(browser, f"/uploads/{file}", 0, b"x").status_code == 404
    assert neighbour.get(f"/programmes/{world.programme.uuid}").status_code == 404
    assert neighbour.get(f"/record/{world.programme.uuid}").status_code == 404
    own = begin(colleague, f"{work}-design", "a.docx", 5)
    assert own.status_code == 403
    assert fetched(browse(cast.TRAINER), f"/evidence/{file}/file").status_code == 404  # a draft is its author's alone


def test_staff_see_what_was_handed_in(world: World, browse: Browse, chen: Browser) -> None:
    work = complete(world, chen)
    chen.post(f"/submissions/{work}/submit")
    file = world.session.exec(select(competencies.StoredFile)).one()
    trainer = fetched(browse(cast.TRAINER), f"/evidence/{file.uuid}/file?download=1")
    assert trainer.status_code == 200
    assert "filename*=UTF-8''" in trainer.headers["Content-Disposition"]
    assert fetched(browse(cast.WANG), f"/evidence/{file.uuid}/file").status_code == 403
    assert fetched(browse(cast.IT), f"/evidence/{file.uuid}/file").status_code == 403


def test_reviewers_get_a_copy_that_names_nobody(world: World, browse: Browse, chen: Browser) -> None:
    work = chosen(world, chen, "A6")["A6"]
    source = BytesIO()
    with zipfile.ZipFile(FILES / "plain.docx") as old, zipfile.ZipFile(source, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
        new.writestr("docProps/app.xml", "<Properties><Company>希望小学 陈晓芳</Company></Properties>")
    file = upload(chen, f"{work}-design", "陈晓芳教案.docx", source.getvalue())
    chen.post(f"/submissions/{work}/design/pieces/{file}/waive")
    type_text(chen, work, "reflection", "成功一处，不足一处。")
    upload(chen, f"{work}-clip", "片段.mp4", (FILES / "lesson.mp4").read_bytes())
    mark_all(chen, work)
    assert chen.post(f"/submissions/{work}/submit").status_code == 303
    world.session.expire_all()
    row = work_of(world, "A6")
    slot = rubrics.Slot(pk(row), row.current_version_id or 0, pk(world.person(cast.WANG)))
    rubrics.allot(world.session, row.tenant_id, row.programme_id, [slot], None, None, world.now)
    review = world.session.exec(select(rubrics.Review).where(rubrics.Review.submission_id == pk(row))).one()
    world.session.commit()
    wang = browse(cast.WANG)
    answers = [fetched(wang, f"/evidence/{file}/file?download=1"), fetched(wang, f"/evidence/{file}/file")]
    received = b"".join(answer.data + str(answer.headers).encode() for answer in answers)
    with zipfile.ZipFile(BytesIO(answers[0].data)) as archive:
        received += b"".join(archive.read(name) + name.encode() for name in archive.namelist())
    received += wang.get(f"/evidence/{file}").data
    for word in ("陈晓芳", "希望小学", "XW001"):
        assert word.encode() not in received
        assert quote(word).encode() not in received
    assert quote("材料1.docx") in answers[0].headers["Content-Disposition"]
    seen = world.session.exec(select(rubrics.ReviewEvent).where(rubrics.ReviewEvent.kind == "viewed")).all()
    assert [(event.person_id, event.detail) for event in seen] == [(pk(world.person(cast.WANG)), file)]
    review.state = rubrics.ReviewState.VOID
    world.session.add(review)
    world.session.commit()
    assert fetched(wang, f"/evidence/{file}/file").status_code == 403


# --- after the result ---


def released(world: World, level: int, reason: str) -> str:
    """Chen's A3, decided at that level and released; its uuid."""
    work = hand_in(world, cast.CHEN, "A3", world.now - timedelta(hours=2))
    marks = judgement(all_marks(world, work, level), reason)
    cases.decide(world.session, world.actor(cast.TRAINER), work.uuid, marks, 0, 1, world.now)
    award.release(world.session, world.actor(cast.OFFICER), world.programme, [work.uuid], world.now)
    world.session.commit()
    return work.uuid


def test_a_failed_point_says_why_and_is_prepared_again_by_one_button(world: World, chen: Browser) -> None:
    work = released(world, 0, "课件没有出处")
    home = chen.get(f"/programmes/{world.programme.uuid}").text
    assert "材料齐" in home
    assert "不合格，可以重新准备，也可以换一个能力点" in home
    assert "等待发布" not in home
    record = chen.get(f"/record/{world.programme.uuid}").text
    assert "不合格的能力点不计学时" in record
    assert "课件没有出处" in record
    assert "等待发布" not in record
    page = chen.get(f"/submissions/{work}").text
    assert "不合格：课件没有出处" in page
    assert "退回修改" not in page
    assert f'action="/submissions/{work}/again"' in page
    assert chen.post(f"/submissions/{work}/again").status_code == 303
    assert chen.post(f"/submissions/{work}/again").status_code == 303  # a double click
    page = chen.get(f"/submissions/{work}").text
    assert "正在重新准备" in page
    for slot in page.split('<section class="slot')[1:]:  # each verdict under the heading of its own item, once
        heading, said = slot.index("<h3"), slot.index("这一项没通过，请补交新的材料。")
        assert heading < said < slot.index("</section>")
    assert page.count("这一项没通过，请补交新的材料。") == page.count('<section class="slot')
    assert chen.post(f"/submissions/{work}/submit").status_code == 422
    home = chen.get(f"/programmes/{world.programme.uuid}").text
    assert "不合格，重新准备中" in home
    assert "材料齐" not in home
    assert "正在重新准备" in chen.get(f"/record/{world.programme.uuid}").text


def test_praise_is_not_shown_as_a_return(world: World, chen: Browser) -> None:
    work = released(world, 2, "整体很好")
    page = chen.get(f"/submissions/{work}").text
    assert "评审员的话：整体很好" in page
    assert "退回修改" not in page
    assert "/again" not in page
    answer = chen.post(f"/submissions/{work}/again")
    assert answer.status_code == 422
    assert "只有不合格或被收回的能力点才能重新准备" in answer.text


def test_after_the_last_day_pages_say_late_and_name_no_day_to_come(
    world: World, browse: Browse, chen: Browser, clock: list[datetime]
) -> None:
    work = chosen(world, chen, "A6")["A6"]
    home = f"/programmes/{world.programme.uuid}"
    assert "24:00 前" in chen.get(home).text
    clock[0] = world.now = competencies.end_of_day(world.programme.submit_by_on, "Asia/Shanghai")
    chen = browse(cast.CHEN)
    for url in (home, f"{home}/points", f"/submissions/{work}"):
        page = chen.get(url).text
        assert "已过，现在交记为迟交" in page, url
        assert "24:00 前" not in page, url


# --- the record ---


def test_the_record_says_what_is_waited_for(world: World, browse: Browse, chen: Browser) -> None:
    work = complete(world, chen)
    chen.post(f"/submissions/{work}/submit")
    page = chen.get(f"/record/{world.programme.uuid}").text
    assert "等待评审" in page
    assert "结果发布以后才计" in page
    assert chen.get("/record").status_code == 303
    url = f"/record/{world.programme.uuid}/{world.person(cast.CHEN).uuid}"
    for who in (cast.LEAD, cast.OFFICER, cast.TRAINER, cast.AUDITOR):
        assert browse(who).get(url).status_code == 200, who
    assert browse(cast.IT).get(url).status_code == 403


# --- cost ---


@pytest.fixture
def queries(connection: Connection) -> list[str]:
    seen: list[str] = []

    @event.listens_for(connection.engine, "before_cursor_execute")
    def note(_c: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if statement.startswith("SELECT"):
            seen.append(statement)

    return seen


def test_no_page_asks_more_than_twelve_times(world: World, chen: Browser, queries: list[str]) -> None:
    work = complete(world, chen)
    urls = [
        f"/programmes/{world.programme.uuid}",
        f"/programmes/{world.programme.uuid}/points",
        f"/submissions/{work}",
        f"/submissions/{work}/design/reuse",
        f"/record/{world.programme.uuid}",
    ]
    counts = {}
    for url in urls:
        world.session.expire_all()
        queries.clear()
        assert chen.get(url).status_code == 200
        counts[url] = len(queries)
        if len(queries) > 12:
            print("\n".join("Q " + q.split("FROM", 1)[1][:150].replace("\n", " ") for q in queries))
    assert all(count <= 12 for count in counts.values()), counts
