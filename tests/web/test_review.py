"""The reviewer's pages: what is shown, what is kept, and that nothing in any byte says whose work it is."""

import contextlib
import re
import zipfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from html import escape, unescape
from io import BytesIO
from pathlib import Path
from urllib.parse import unquote

import pikepdf
import pytest
from flask import Flask
from PIL import Image
from sqlmodel import select

import competencies
import lti
import rubrics
from lms_plugin import media
from lms_plugin.db import pk
from lms_plugin.flow import host_list, review
from lms_plugin.storage import new_key
from lms_plugin.web.edge import parts
from tests import people as cast
from tests.factories import Browser, World
from tests.flow.handed_in import all_marks, cast_of, hand_in, reviews_of
from tests.web.counting import queries

FILES = Path(__file__).resolve().parent.parent / "files"
HOUR = timedelta(hours=1)
Browse = Callable[[cast.Cast | None], Browser]


@pytest.fixture
def works(world: World) -> dict[str, competencies.Submission]:
    """Everybody's work, handed in two hours ago and allotted."""
    found = {who.key: hand_in(world, who, "A3", world.now - 2 * HOUR) for who in cast.TEACHERS}
    review.allocate(world.session, world.actor(cast.OFFICER), world.programme, 5, world.now)
    world.session.commit()
    return found


def first_review(world: World, works: dict[str, competencies.Submission]) -> tuple[rubrics.Review, cast.Cast]:
    """A review of 陈晓芳's work and who makes it."""
    one = reviews_of(world, works["chen"])[0]
    return one, cast_of(world, one.reviewer_id)


def form(drafts: dict[rubrics.MarkKey, rubrics.DraftMark], version: int) -> dict[str, str]:
    found = {"version": str(version)}
    for key, draft in drafts.items():
        if draft.level is not None:
            found[f"m.{key.item_key}.{key.criterion_key}"] = str(draft.level)
        found[f"r.{key.item_key}.{key.criterion_key}"] = draft.reason
    return found


def test_the_list_says_what_is_owed(browse: Browse, works: dict[str, competencies.Submission]) -> None:
    page = browse(cast.CHEN).get("/reviews")
    assert page.status_code == 200
    assert "还要评 2 份，约 30 分钟" in page.text
    assert "作业 1" in page.text


def test_a_review_that_went_on_to_somebody_else_is_taken_up_by_saving(
    world: World, browse: Browse, works: dict[str, competencies.Submission]
) -> None:
    one, who = first_review(world, works)
    browser = browse(who)
    browser.get(f"/reviews/{one.uuid}")
    world.session.refresh(one)
    rubrics.hand_on(world.session, [one], world.now)
    world.session.commit()
    listed = browser.get("/reviews").text
    assert "已转给别的老师的" in listed
    assert f"/reviews/{one.uuid}" in listed
    page = browser.get(f"/reviews/{one.uuid}").text
    assert "太久没有保存，这份已请别的老师评" in page
    assert "申请回避" not in page
    marks = form(all_marks(world, works["chen"], 2), 2)
    saved = browser.post(f"/reviews/{one.uuid}/marks", marks, headers={"Accept": "application/json"})
    assert saved.status_code == 200
    assert "已转给别的老师的" not in browser.get("/reviews").text
    assert browser.post(f"/reviews/{one.uuid}/submit", {**marks, "version": "3"}).status_code == 303


@pytest.mark.parametrize("act", ["marks", "submit"])
def test_whose_time_is_up_keeps_what_was_typed_and_reads_what_can_be_done(
    world: World, browse: Browse, works: dict[str, competencies.Submission], act: str
) -> None:
    one, who = first_review(world, works)
    browser = browse(who)
    browser.get(f"/reviews/{one.uuid}")
    world.session.refresh(one)
    rubrics.hand_on(world.session, [one], world.now)
    works["chen"].state = competencies.SubmissionState.DECIDED
    world.session.add(works["chen"])
    world.session.commit()
    words = "写了很久的理由\n第二行"
    drafts = {key: mark._replace(reason=words) for key, mark in all_marks(world, works["chen"], 0).items()}
    answer = browser.post(f"/reviews/{one.uuid}/{act}", form(drafts, one.version))
    assert answer.status_code == 422
    assert "这份不用评了" in answer.text
    assert "您刚才填写的内容没有丢" in answer.text
    assert answer.text.count(words) == len(drafts)
    assert "刚才写的要留着，请复制" in answer.text
    assert 'href="/reviews"' in answer.text
    for secret in (*SECRETS, works["chen"].uuid):
        assert secret not in answer.text


def test_a_review_is_saved_and_handed_in(
    world: World, browse: Browse, works: dict[str, competencies.Submission]
) -> None:
    one, who = first_review(world, works)
    browser = browse(who)
    page = browser.get(f"/reviews/{one.uuid}")
    assert page.status_code == 200
    assert "匿名评审（视频中可能认出本人）" in page.text
    marks = form(all_marks(world, works["chen"], 2), 2)
    saved = browser.post(f"/reviews/{one.uuid}/marks", marks, headers={"Accept": "application/json"})
    assert saved.status_code == 200
    assert saved.json["version"] == 3
    assert saved.json["saved_at"].startswith("2026-11-02T")
    done = browser.post(f"/reviews/{one.uuid}/submit", {**marks, "version": "3"})
    assert (done.status_code, done.location) == (303, f"/reviews/{one.uuid}")
    assert "这份已经评完，谢谢。" in browser.get(f"/reviews/{one.uuid}").text
    again = browser.post(f"/reviews/{one.uuid}/submit", {**marks, "version": "4"})
    assert again.status_code == 422


def test_a_reason_too_long_is_refused_whole(
    world: World, browse: Browse, works: dict[str, competencies.Submission]
) -> None:
    one, who = first_review(world, works)
    browser = browse(who)
    browser.get(f"/reviews/{one.uuid}")
    drafts = all_marks(world, works["chen"], 1)
    drafts[rubrics.MarkKey("slides", "focus")] = rubrics.DraftMark(0, "长" * 4001)
    saved = browser.post(f"/reviews/{one.uuid}/marks", form(drafts, 2), headers={"Accept": "application/json"})
    assert saved.status_code == 422
    assert "最多 4000 字" in saved.json["fields"]["r.slides.focus"]
    for act in ("marks", "submit"):
        page = browser.post(f"/reviews/{one.uuid}/{act}", form(drafts, 2))
        assert page.status_code == 422
        beside = page.text[page.text.index('name="r.slides.focus"') :].split("</fieldset>")[0]
        assert "共 4001 字，最多 4000 字" in beside
        assert "长" * 4001 in beside
    world.session.expire_all()
    assert one.version == 2


def test_what_is_missing_is_said_and_nothing_typed_is_lost(
    world: World, browse: Browse, works: dict[str, competencies.Submission]
) -> None:
    one, who = first_review(world, works)
    browser = browse(who)
    browser.get(f"/reviews/{one.uuid}")
    drafts = all_marks(world, works["chen"], 1, changes={"slides.rights": 0})
    drafts[rubrics.MarkKey("slides", "focus")] = rubrics.DraftMark(None, "我想再看一遍<script>")
    page = browser.post(f"/reviews/{one.uuid}/submit", form(drafts, 2))
    assert page.status_code == 422
    assert "还有 1 处要填好" in page.text
    assert 'href="#c-m.slides.focus">看第一处</a>' in page.text
    assert 'id="c-m.slides.focus"' in page.text
    assert "我想再看一遍&lt;script&gt;" in page.text
    assert "这里还没有做到。" in page.text


def test_two_tabs_see_both_versions_and_choose(
    world: World, browse: Browse, works: dict[str, competencies.Submission]
) -> None:
    one, who = first_review(world, works)
    browser = browse(who)
    browser.get(f"/reviews/{one.uuid}")
    url = f"/reviews/{one.uuid}/marks"
    assert browser.post(url, form(all_marks(world, works["chen"], 2), 2)).status_code == 303
    late = form(all_marks(world, works["chen"], 0), 2)
    fragment = browser.post(url, late, headers={"Accept": "application/json", "X-Nengli-Autosave": "1"})
    assert fragment.status_code == 409
    assert "优秀" in fragment.text
    assert "未达到" in fragment.text
    assert "<html" not in fragment.text
    page = browser.post(url, late)
    assert page.status_code == 409
    assert "<html" in page.text
    assert browser.post(url, {**late, "keep": "3"}).status_code == 303
    saved = rubrics.drafts_of(world.session, [pk(one)])[pk(one)]
    assert saved[rubrics.MarkKey("slides", "rights")].level == 0


def test_who_knows_the_author_steps_back_without_a_word(
    world: World, browse: Browse, works: dict[str, competencies.Submission]
) -> None:
    one, who = first_review(world, works)
    browser = browse(who)
    assert browser.post(f"/reviews/{one.uuid}/recuse").status_code == 303
    assert "对您没有影响" in browser.get(f"/reviews/{one.uuid}").text
    assert browser.post(f"/reviews/{one.uuid}/marks", {"version": "2"}).status_code == 422


def test_nobody_else_sees_a_review(world: World, browse: Browse, works: dict[str, competencies.Submission]) -> None:
    one, who = first_review(world, works)
    addresses = [f"/reviews/{one.uuid}"]
    for other, status in ((None, 401), (cast.NEIGHBOUR, 404), (cast.CHEN, 403), (cast.OFFICER, 403)):
        for address in addresses:
            assert browse(other).get(address).status_code == status
            for act in ("marks", "submit", "recuse"):
                assert browse(other).post(f"{address}/{act}", {"version": "1"}).status_code == status
    assert browse(who).get("/reviews/0123456789abcdef").status_code == 404


def test_the_shortage_page_is_for_officer_and_trainer(world: World, browse: Browse) -> None:
    for who in cast.TEACHERS:
        hand_in(world, who, "A3", world.now - 2 * HOUR)
    world.set_rules(review={"exclude_own_school": True})
    world.session.commit()
    address = f"/reviews/allocation/{world.programme.uuid}"
    for other, status in ((None, 401), (cast.NEIGHBOUR, 404), (cast.CHEN, 403), (cast.LEAD, 403)):
        assert browse(other).get(address).status_code == status
        assert browse(other).post(address).status_code == status
    officer = browse(cast.OFFICER)
    assert "6 份作业可以分配互评了" in officer.get(address).text
    assert officer.post(address).status_code == 303
    page = officer.get(address).text
    assert "6 份作业缺评审人" in page
    assert "只有本校同事能评，而本项目规定本校不评本校" in page
    assert "陈晓芳" in page


def test_what_course_groups_mean_is_said_in_numbers_with_a_way_out(world: World, browse: Browse) -> None:
    for who in cast.TEACHERS:
        hand_in(world, who, "A3", world.now - 2 * HOUR)
    world.set_rules(review={"course_groups": "only", "pool": "district"})
    world.session.commit()
    address, officer = f"/reviews/allocation/{world.programme.uuid}", browse(cast.OFFICER)
    people = f"/courses/{world.course.uuid}/people"
    assert "这些作业的课程都没有小组，现在照范围分" in officer.get(address).text
    world.course.memberships_url, world.course.groups_url = "https://lms.example/m", "https://lms.example/g"
    of = {"chen": "1", "wang": "1", "li": "2", "zhao": "2", "sun": "2"}
    members = [
        lti.Member(f"sub-{who.key}", who.name, "", "", frozenset({"Learner"}), groups=tuple(of.get(who.key, "")))
        for who in cast.TEACHERS
    ]
    host_list.keep(world.session, pk(world.course), lti.Roster(members, ""), world.now, is_whole=True)
    host_list.keep_groups(world.session, pk(world.course), [lti.Group("1", "一组"), lti.Group("2", "二组")], world.now)
    world.session.commit()
    page = officer.get(address).text
    assert "只由同一课程小组的人评" in page
    assert "5 份作业的作者在小组里" in page
    assert "到现在都由同小组的人评" not in page  # nothing is allotted yet
    officer.post(address)
    page = officer.get(address).text
    assert "3 份作业缺评审人，没有悄悄放宽规则" in page
    assert "2 份：同小组能评的人不够" in page
    assert "1 份：作者不在平台课程的任何小组里" in page
    assert "请课程教师在平台上把作者加进小组" in page
    assert "不在小组里的人没有人评" in browse(cast.TRAINER).get(people).text
    world.set_rules(review={"course_groups": "first", "pool": "district"})
    world.session.commit()
    officer.post(address)
    page = officer.get(address).text
    assert "其中 2 份同小组的人不够，也有组外的人评" in page
    assert "1 份作业的作者不在任何小组里" in page
    assert "先找同小组的人，不够再从项目规定的范围里找" in browse(cast.TRAINER).get(people).text


# --- the promise of a blind review: every byte ---


def put_file(world: World, tool: Flask, work: competencies.Submission, item: str, path: Path, name: str) -> str:
    """Adds a real file to the handed-in version, under a name that gives its author away."""
    with tool.app_context():
        storage = parts().storage
    inspected, key = media.inspect(path, name), new_key()
    storage.create(key)
    with path.open("rb") as stream:
        storage.write_part(key, 0, stream, path.stat().st_size)
    storage.commit(key)
    file = competencies.StoredFile(
        tenant_id=pk(world.tenant),
        person_id=work.person_id,
        state=competencies.FileState.READY,
        filename=name,
        storage_key=key,
        size_bytes=path.stat().st_size,
        received_bytes=path.stat().st_size,
        kind=inspected.kind,
        mime=inspected.mime,
        extension=inspected.extension,
        pages=inspected.pages,
        started_at=world.now,
        completed_at=world.now,
    )
    world.session.add(file)
    world.session.flush()
    requirement = next(
        one.requirement
        for one in competencies.items_of(world.session, work, work.current_version_id)
        if one.requirement.key == item
    )
    world.session.add(
        competencies.Evidence(
            submission_id=pk(work),
            version_id=work.current_version_id,
            requirement_id=pk(requirement),
            kind="file",
            position=2,
            stored_file_id=pk(file),
            changed_at=world.now,
        )
    )
    world.session.commit()
    return file.uuid


SECRETS = (cast.CHEN.name, cast.CHEN.staff_number, cast.CHEN.school, "sub-chen", "私人文件名", "chen-private")


def signed_docx(folder: Path) -> Path:
    """A real lesson plan whose properties say who wrote it, where."""
    target = folder / "signed.docx"
    with zipfile.ZipFile(FILES / "lesson.docx") as source, zipfile.ZipFile(target, "w") as made:
        for name in source.namelist():
            content = source.read(name)
            if name == "docProps/core.xml":
                creator = f"<dc:creator>{cast.CHEN.name}</dc:creator></cp:coreProperties>".encode()
                content = re.sub(rb"<dc:creator>.*?</dc:creator>|<dc:creator/>", b"", content)
                content = content.replace(b"</cp:coreProperties>", creator)
            if name == "docProps/app.xml":
                company = f"<Company>{cast.CHEN.school}</Company></Properties>".encode()
                content = content.replace(b"</Properties>", company)
            made.writestr(name, content)
    assert any(cast.CHEN.name.encode() in part for part in inside(target.read_bytes()))
    return target


def signed_pdf(folder: Path) -> Path:
    """A reflection whose PDF properties name its author."""
    target = folder / "signed.pdf"
    with pikepdf.open(FILES / "reflection.pdf") as document:
        document.docinfo["/Author"] = f"{cast.CHEN.name} {cast.CHEN.staff_number}"
        with document.open_metadata() as metadata:
            metadata["dc:creator"] = [cast.CHEN.name]
            metadata["dc:description"] = cast.CHEN.school
        document.save(target)
    return target


def signed_photo(folder: Path) -> Path:
    """A photo whose EXIF names who took it."""
    target = folder / "signed.jpg"
    with Image.open(FILES / "photo.jpg") as picture:
        exif = picture.getexif()
        exif[0x013B] = "chen-private"  # Artist
        exif[0x010E] = cast.CHEN.staff_number  # ImageDescription
        picture.save(target, exif=exif)
    assert b"chen-private" in target.read_bytes()
    return target


def inside(content: bytes) -> Iterator[bytes]:
    """The bytes, and what is packed in them: members of archives, properties and streams of PDFs."""
    yield content
    if content.startswith(b"PK"):
        with zipfile.ZipFile(BytesIO(content)) as archive:
            for one in archive.infolist():
                yield one.filename.encode() + one.comment + archive.read(one)
    if content.startswith(b"%PDF"):
        with pikepdf.open(BytesIO(content)) as document:
            yield repr(dict(document.docinfo.items())).encode()
            for thing in document.objects:
                if isinstance(thing, pikepdf.Stream):
                    yield thing.read_raw_bytes()
                    with contextlib.suppress(pikepdf.PdfError):  # pictures stay as they are packed
                        yield thing.read_bytes()
                yield repr(thing).encode()


def test_no_byte_that_a_reviewer_gets_says_whose_work_it_is(
    world: World, tool: Flask, browse: Browse, works: dict[str, competencies.Submission], tmp_path: Path
) -> None:
    work = works["chen"]
    put_file(world, tool, work, "topic", signed_docx(tmp_path), f"{cast.CHEN.name}_私人文件名.docx")
    put_file(world, tool, work, "topic", signed_pdf(tmp_path), f"{cast.CHEN.school}私人文件名.pdf")
    put_file(world, tool, work, "topic", signed_photo(tmp_path), "chen-private.jpg")
    put_file(world, tool, work, "slides", FILES / "slides.pptx", f"{cast.CHEN.staff_number}.pptx")
    one, who = first_review(world, works)
    browser = browse(who)
    waiting, seen = ["/reviews", f"/reviews/{one.uuid}"], set[str]()
    while waiting:
        address = waiting.pop()
        if address in seen:
            continue
        seen.add(address)
        answer = browser.get(address, headers={"HX-Request": "true"} if "/evidence/" in address else {})
        assert answer.status_code == 200, address
        head = unquote("\n".join(f"{name}: {value}" for name, value in answer.headers.items()))
        for secret in SECRETS:
            assert secret not in head, (address, secret)
            for part in inside(answer.data):
                for encoding in ("utf-8", "utf-16-le", "utf-16-be"):
                    assert secret.encode(encoding) not in part, (address, secret)
        answer.close()
        if answer.mimetype == "text/html":
            found = re.findall(r'(?:href|src|hx-get|action)="(/(?:evidence|reviews)[^"]*)"', answer.text)
            waiting += [unescape(link) for link in found if not link.endswith(("/submit", "/marks", "/recuse"))]
    assert sum(address.endswith("/file") for address in seen) == 4
    assert any("/pages/1" in address for address in seen)


def test_a_picture_that_is_fetched_by_its_address_is_in_the_log(
    world: World, tool: Flask, browse: Browse, works: dict[str, competencies.Submission]
) -> None:
    """Not through the page around it: once a person, version and file."""
    pdf = put_file(world, tool, works["chen"], "topic", FILES / "reflection.pdf", "教案.pdf")
    world.session.commit()
    one, who = first_review(world, works)
    for browser in (browse(who), browse(who), browse(cast.CHEN)):  # twice, and its author
        answer = browser.get(f"/evidence/{pdf}/pages/1.png")
        assert answer.data.startswith(b"\x89PNG")
        answer.close()
    seen = world.session.exec(
        select(rubrics.ReviewEvent).where(rubrics.ReviewEvent.kind == "viewed", rubrics.ReviewEvent.detail == pdf)
    ).all()
    assert [(row.person_id, row.review_id) for row in seen] == [(pk(world.person(who)), pk(one))]


def test_a_reviewer_reads_code_as_it_was_typed(world: World, browse: Browse) -> None:
    text = "若 x<y 且 y>z，当 a<b 时 b>a；if (a<b && c>d) List<String>，用 <script> 标签"
    work = hand_in(world, cast.CHEN, "A3", world.now - 2 * HOUR, text)
    for who in (cast.WANG, cast.LI):
        hand_in(world, who, "A3", world.now - 2 * HOUR)
    review.allocate(world.session, world.actor(cast.OFFICER), world.programme, 5, world.now)
    world.session.commit()
    one = reviews_of(world, work)[0]
    page = browse(cast_of(world, one.reviewer_id)).get(f"/reviews/{one.uuid}").text
    assert escape(text, quote=False) in page.replace("&#34;", '"')
    assert "<script> 标签" not in page


def test_conflict_and_refusal_pages_name_nobody_either(
    world: World, browse: Browse, works: dict[str, competencies.Submission]
) -> None:
    one, who = first_review(world, works)
    browser = browse(who)
    browser.get(f"/reviews/{one.uuid}")
    marks = form(all_marks(world, works["chen"], 1), 2)
    answers = [
        browser.post(f"/reviews/{one.uuid}/submit", {"version": "2"}),
        browser.post(f"/reviews/{one.uuid}/marks", marks),
        browser.post(f"/reviews/{one.uuid}/marks", form(all_marks(world, works["chen"], 2), 2)),
        browser.post(f"/reviews/{one.uuid}/recuse"),
        browser.post(f"/reviews/{one.uuid}/submit", marks),
        browser.get(f"/reviews/{one.uuid}"),
    ]
    assert [answer.status_code for answer in answers] == [422, 303, 409, 303, 422, 200]
    for answer in answers:
        for secret in (*SECRETS, works["chen"].uuid):
            assert secret not in answer.text + str(answer.headers)


def test_a_page_of_reviews_costs_the_same_however_many(
    world: World, browse: Browse, works: dict[str, competencies.Submission]
) -> None:
    browser = browse(cast.CHEN)
    one = queries(world, lambda: browser.get("/reviews"))
    for code in ("A5", "A6"):
        for who in cast.TEACHERS:
            hand_in(world, who, code, world.now - 2 * HOUR)
    review.allocate(world.session, world.actor(cast.OFFICER), world.programme, 6, world.now)
    world.session.commit()
    assert queries(world, lambda: browser.get("/reviews")) == one <= 12
    row, who = first_review(world, works)
    other = browse(who)
    other.get(f"/reviews/{row.uuid}")
    assert queries(world, lambda: other.get(f"/reviews/{row.uuid}")) <= 12
