"""清除: of somebody whose data were taken out no table says who they are, and nothing that they earned is lost."""

from datetime import timedelta

import pytest
from sqlmodel import col, select

import competencies
import rubrics
from competencies import SubmissionVersion as Version
from competencies import manifests
from lms_plugin.db import Model, pk
from lms_plugin.erasures import Erasure
from lms_plugin.errors import Conflict, Refused
from lms_plugin.flow import asks, clearing, enter, erasing, own_phrases, person_data, sessions
from lms_plugin.people import CourseMember, Identity, ListedMember, Notice, RoleKind, WebSession
from tests import people as cast
from tests.certified import certificate_for
from tests.factories import ISSUER, World, grant
from tests.flow.earned import earn
from tests.flow.handed_in import hand_in
from tests.rosters import put_on_roster

WHY = "本人书面要求，褚员同意"
SUBJECT = "subject-of-chen-77"
STAYS = {"certificate"}  # papers that were given out


@pytest.fixture
def full(world: World) -> World:
    """陈晓芳 has left traces wherever a person leaves them."""
    session, now, chen = world.session, world.now, world.person(cast.CHEN)
    put_on_roster(world, cast.CHEN)
    work = hand_in(world, cast.CHEN, "A3", now, f"我是{cast.CHEN.name}，请看。")
    work.state = competencies.SubmissionState.RETURNED
    earn(world, cast.CHEN, "A5")
    session.add(
        Identity(tenant_id=pk(world.tenant), issuer=ISSUER, subject=SUBJECT, person_id=pk(chen), first_seen_at=now)
    )
    member = session.exec(
        select(CourseMember).where(CourseMember.course_id == pk(world.course), CourseMember.person_id == pk(chen))
    ).one()
    member.subject = SUBJECT
    session.add_all(
        [
            member,
            ListedMember(
                course_id=pk(world.course),
                subject=SUBJECT,
                name=cast.CHEN.name,
                is_learner=True,
                is_instructor=False,
                is_active=True,
                first_seen_at=now,
                last_seen_at=now,
            ),
            competencies.StoredFile(
                tenant_id=pk(world.tenant),
                person_id=pk(chen),
                filename=f"{cast.CHEN.name}的教案.pdf",
                storage_key="k" * 32,
                size_bytes=10,
                started_at=now,
                findings=[{"words": cast.CHEN.name}],
            ),
        ]
    )
    session.flush()
    ask = asks.ask(session, world.actor(cast.CHEN), world.programme.uuid, "", f"{cast.CHEN.name}少记了一条", now)
    asks.answer(session, world.actor(cast.OFFICER), ask.uuid, "explained", f"{cast.CHEN.name}，没有少。", now)
    own_phrases.add_phrase(session, world.actor(cast.TRAINER), "写得具体", now)
    apart = {"one_id": pk(world.person(cast.WANG)), "other_id": pk(chen), "kind": rubrics.ConflictKind.FAMILY}
    said = {"note": f"和{cast.CHEN.name}是一家人", "said_by_id": pk(world.person(cast.OFFICER)), "said_at": now}
    session.add(rubrics.ReviewConflict(tenant_id=pk(world.tenant), **apart, **said))
    flag = {"by_id": pk(chen), "kind": rubrics.FlagKind.RUDE, "words": f"{cast.CHEN.name}的评语", "raised_at": now}
    works_of = select(competencies.SubmissionVersion).order_by(col(competencies.SubmissionVersion.id))
    version = session.exec(works_of).first()
    assert version is not None
    places = {"submission_id": version.submission_id, "submission_version_id": pk(version)}
    session.add(rubrics.ReviewFlag(tenant_id=pk(world.tenant), **places, **flag))
    enter.raise_notice(session, pk(world.tenant), "roster.claimed", "k", {"name": cast.CHEN.name}, now)
    sessions.open_session(session, chen, world.course, timedelta(hours=8), now, return_url=f"{ISSUER}/{SUBJECT}")
    certificate_for(world, cast.CHEN)
    session.flush()
    return world


def tables_that_say(world: World, *words: str) -> set[str]:
    connection = world.session.connection()
    world.session.flush()
    return {
        table.name
        for table in Model.metadata.sorted_tables
        if any(word in repr(connection.execute(table.select()).all()) for word in words)
    }


def test_nobody_can_tell_who_it_was(full: World) -> None:
    session, chen = full.session, full.person(cast.CHEN)
    words = (cast.CHEN.name, chen.staff_number, SUBJECT)
    assert all(words)
    assert {"person", "identity", "roster_entry", "evidence", "stored_file", "listed_member", "hours_request",
            "web_session", "notice"} <= tables_that_say(full, *words)  # fmt: skip
    before = competencies.balance(session, pk(full.programme), [pk(chen)])[pk(chen)]
    receipt = erasing.erase(session, chen, WHY, full.now)
    assert tables_that_say(full, *words) <= STAYS
    assert competencies.balance(session, pk(full.programme), [pk(chen)])[pk(chen)] == before
    assert any(before.values())
    assert session.exec(select(competencies.Award).where(competencies.Award.person_id == pk(chen))).all()
    assert (receipt.person_id, receipt.reason) == (pk(chen), WHY)
    assert receipt.removed["accounts"] >= 1
    assert receipt.removed["files"] >= 1
    assert not session.exec(
        select(WebSession).where(WebSession.person_id == pk(chen), col(WebSession.ended_at).is_(None))
    ).all()
    assert not session.exec(select(Notice).where(Notice.kind == "roster.claimed")).all()


def test_the_bytes_go_with_the_next_clearing(full: World) -> None:
    erasing.erase(full.session, full.person(cast.CHEN), WHY, full.now)
    clearing.mark_unused(full.session, full.now)
    assert "k" * 32 in clearing.let_go(full.session, full.now, timedelta(days=30))


def test_notices_of_somebody_with_a_longer_name_stay(full: World) -> None:
    enter.raise_notice(full.session, pk(full.tenant), "roster.claimed", "k2", {"name": f"{cast.CHEN.name}华"}, full.now)
    erasing.erase(full.session, full.person(cast.CHEN), WHY, full.now)
    assert [one.key for one in full.session.exec(select(Notice).where(Notice.kind == "roster.claimed"))] == ["k2"]


def test_others_lose_nothing(full: World) -> None:
    before = tables_that_say(full, cast.WANG.name, full.person(cast.WANG).staff_number)
    erasing.erase(full.session, full.person(cast.CHEN), WHY, full.now)
    assert tables_that_say(full, cast.WANG.name, full.person(cast.WANG).staff_number) == before


def test_the_page_says_since_when(full: World) -> None:
    session, officer, chen = full.session, full.actor(cast.OFFICER), full.person(cast.CHEN)
    assert person_data.data_of(session, officer, chen.uuid, full.now).erased_at is None
    erasing.erase(session, chen, WHY, full.now)
    told = person_data.data_of(session, officer, chen.uuid, full.now)
    assert told.erased_at == full.now
    assert (told.name, told.staff_number) == ("", "")
    assert cast.CHEN.name not in str(person_data.file_of(session, officer, chen.uuid, full.now)["roster"])


def test_what_comes_first(full: World) -> None:
    session, chen = full.session, full.person(cast.CHEN)
    for reason in (" ", f"{cast.CHEN.name}要求", f"工号 {chen.staff_number}"):
        with pytest.raises(Refused, match=r"erase\.names"):
            erasing.erase(session, chen, reason, full.now)
    open_work = hand_in(full, cast.CHEN, "A7", full.now)
    with pytest.raises(Refused, match=r"erase\.open_work"):
        erasing.erase(session, chen, WHY, full.now)
    open_work.state = competencies.SubmissionState.RETURNED
    role = grant(session, chen, RoleKind.SCHOOL_LEAD, full.schools["希望小学"], full.now)
    session.flush()
    with pytest.raises(Refused, match=r"erase\.holds_role"):
        erasing.erase(session, chen, WHY, full.now)
    role.revoked_at = full.now
    session.flush()
    ask = asks.ask(session, full.actor(cast.CHEN), full.programme.uuid, "", "又少了一条", full.now)
    with pytest.raises(Refused, match=r"erase\.open_question"):
        erasing.erase(session, chen, WHY, full.now)
    asks.answer(session, full.actor(cast.OFFICER), ask.uuid, "explained", "没有少。", full.now)
    erasing.erase(session, chen, WHY, full.now)
    with pytest.raises(Conflict, match=r"erase\.done"):
        erasing.erase(session, chen, WHY, full.now)
    assert len(session.exec(select(Erasure)).all()) == 1


@pytest.mark.parametrize("is_old", [False, True])
def test_names_of_files_and_addresses_go_and_hashes_stay(full: World, is_old: bool) -> None:
    """A list made before names had a hash of their own loses them as well: its own hash is kept, but cannot be told
    over again."""
    session, chen = full.session, full.person(cast.CHEN)
    of_hers = select(competencies.Submission.id).where(competencies.Submission.person_id == pk(chen))
    version = session.exec(
        select(Version).where(col(Version.submission_id).in_(of_hers)).order_by(col(Version.id))
    ).all()[0]
    pieces = [
        {"kind": "file", "sha256": "a" * 64, "file": "f" * 32, "name": f"{cast.CHEN.name}的课.mp4", "size_bytes": 7},
        {"kind": "link", "sha256": "b" * 64, "url": "https://school.example/~chenxiaofang"},
    ]
    listed = {**version.manifest, "items": [{"requirement": "clip", "pieces": pieces}]}
    listed.pop("names")
    version.manifest = listed if is_old else manifests.seal_names(listed)
    version.content_hash = before = manifests.hash_of(version.manifest)
    session.add(version)
    session.flush()
    erasing.erase(session, chen, WHY, full.now)
    session.refresh(version)
    left = version.manifest["items"][0]["pieces"]
    assert "chenxiaofang" not in repr(version.manifest)
    assert cast.CHEN.name not in repr(version.manifest)
    assert [one["sha256"] for one in left] == ["a" * 64, "b" * 64]
    assert left[0]["size_bytes"] == 7
    assert version.content_hash == before
    assert manifests.holds(version.manifest, before) is (None if is_old else True)
