"""参照框架 and the crosswalk: taken in, read, checked by a curator, handed out with the standard, told to teachers."""

import json
from io import BytesIO

import pytest
from sqlalchemy.exc import DatabaseError
from sqlmodel import col, text

import competencies
from competencies import exchange, references
from lms_plugin.db import owned, pk
from lms_plugin.flow import crosswalk, editing, framework_files
from lms_plugin.flow import exchange as files
from tests import people as cast


def links(world, **given):
    world.session.expire_all()
    rows = world.session.exec(
        owned(competencies.CrosswalkLink, pk(world.tenant)).order_by(col(competencies.CrosswalkLink.id))
    ).all()
    return [row for row in rows if all(getattr(row, key) == value for key, value in given.items())]


def events(world):
    return [
        row.kind
        for row in world.session.exec(
            owned(competencies.FrameworkEvent, pk(world.tenant)).order_by(col(competencies.FrameworkEvent.id))
        )
    ]


def test_what_ships_is_taken_in_once_and_shown_with_its_credit(browse, world):
    officer = browse(cast.OFFICER)
    assert 'href="/curate/references"' in officer.get("/curate").text
    assert "随产品带有 3 份" in officer.get("/curate/references").text
    for _ in range(2):
        assert officer.post("/curate/references/shipped/all").status_code == 303
    page = officer.get("/curate/references").text
    assert "共有 3 份参照框架" in page
    assert "CC BY-SA 3.0 IGO" in page
    assert events(world) == ["taken_in"] * 3
    row = references.newest(world.session, pk(world.tenant), ["unesco-ict-cft-v3"])["unesco-ict-cft-v3"]
    page = officer.get(f"/curate/references/{row.uuid}").text
    assert "© UNESCO 2018" in page
    assert "https://creativecommons.org/licenses/by-sa/3.0/igo/" in page
    assert "Policy Understanding" in page
    assert row.content_hash in page
    assert row.content_hash == competencies.content_hash(references.reference_packs.load("unesco_ict_cft"))
    for form in framework_files.FORMS:
        file = officer.get(f"/curate/references/{row.uuid}/file?as={form}")
        assert competencies.content_hash(framework_files.read(file.data)) == row.content_hash
    assert officer.get(f"/curate/references/{row.uuid}?page=2").status_code == 404
    assert browse(cast.AUDITOR).get(f"/curate/references/{row.uuid}").status_code == 200
    assert browse(cast.WANG).get("/curate/references").status_code == 403
    assert browse(cast.AUDITOR).post("/curate/references/shipped/all").status_code == 403
    with pytest.raises(DatabaseError, match="append-only"):
        world.session.exec(text("UPDATE reference_version SET items = 0"))


def test_a_curator_checks_drops_and_adds_links(browse, world):
    officer, here = browse(cast.OFFICER), f"/curate/frameworks/{world.framework.uuid}/crosswalk"
    assert "随产品带有 90 条拟议的" in officer.get(here).text
    for _ in range(2):
        assert officer.post(f"{here}/propose").status_code == 303
    assert len(links(world)) == 90
    assert events(world)[-1] == "links_proposed"
    first, second, _third = links(world, point_code="A1")
    page = officer.get(f"/curate/frameworks/{world.framework.uuid}?point=A1").text
    assert "对应 JY/T 0646 D3.1.1 开展学习情况分析（拟议）" in page
    assert officer.post(f"{here}/{first.uuid}", {"act": "keep", "version": first.version}).status_code == 303
    assert officer.post(f"{here}/{second.uuid}", {"act": "drop", "version": 7}).status_code == 409
    assert officer.post(f"{here}/{second.uuid}", {"act": "drop", "version": second.version}).status_code == 303
    assert [row.state.value for row in links(world, point_code="A1")] == ["confirmed", "dropped", "proposed"]
    officer.post(f"{here}/propose")  # what was dropped does not come back
    assert len(links(world)) == 90
    edition = references.newest(world.session, pk(world.tenant), ["jyt-0646-2022"])["jyt-0646-2022"].uuid
    form = {"point": "A1", "reference": edition, "item": "D9", "kind": "isRelatedTo"}
    refused = officer.post(f"{here}/add", form)
    assert refused.status_code == 422
    assert "没有编号是“D9”的条目" in refused.text
    for _ in range(2):
        assert officer.post(f"{here}/add", {**form, "item": "D5.1.1", "kind": "isPartOf"}).status_code == 303
    (added,) = links(world, item_code="D5.1.1", point_code="A1")
    assert (added.kind, added.state.value) == ("isPartOf", "confirmed")
    assert events(world)[-3:] == ["link_confirmed", "link_dropped", "link_added"]
    page = officer.get("/curate/references").text
    assert "cn-ict-2.0-30：去掉对照 A1" in page
    assert browse(cast.AUDITOR).get(here).status_code == 200
    assert browse(cast.AUDITOR).post(f"{here}/propose").status_code == 403
    seen = [f"{row.uuid}:{row.version}" for row in links(world, point_code="A2")]
    assert officer.post(f"{here}/checked", {"point": "A2", "seen": [*seen[:2], f"{seen[2][:32]}:9"]}).status_code == 409
    assert {row.state.value for row in links(world, point_code="A2")} == {"proposed"}
    gone_on = officer.post(f"{here}/checked", {"point": "A2", "seen": seen})
    assert gone_on.headers["Location"].endswith("point=A1")
    assert {row.state.value for row in links(world, point_code="A2")} == {"confirmed"}


def test_links_leave_with_the_standard_and_come_back_beside_it(browse, world):
    officer, here = browse(cast.OFFICER), f"/curate/frameworks/{world.framework.uuid}"
    plain = officer.get(f"{here}/file?as=case").data
    officer.post(f"{here}/crosswalk/propose")
    data = officer.get(f"{here}/file?as=case").data
    package = json.loads(data)
    told = [one for one in package["CFAssociations"] if one["associationType"] == "isRelatedTo"]
    assert len(told) == 90
    assert len(json.loads(plain)["CFAssociations"]) == len(package["CFAssociations"]) - 90
    (group,) = package["CFDefinitions"]["CFAssociationGroupings"]
    assert "拟议" in group["title"]
    item = json.loads(exchange.case_json(references.reference_packs.load("jyt0646"), "", world.now, is_draft=False))
    assert told[0]["destinationNodeURI"]["identifier"] in {one["identifier"] for one in item["CFItems"]} | {
        one["destinationNodeURI"]["identifier"] for one in told
    }
    assert competencies.content_hash(framework_files.read(data)) == world.framework.content_hash
    assert len(exchange.read_links(data)) == 90
    package["CFDocument"]["title"] = "改过的"  # another content: another version, of another framework
    package["CFDocument"]["notes"] = package["CFDocument"]["notes"].replace("cn-ict-2.0-30", "local-9")
    made = files.commit(world.session, world.actor(cast.OFFICER), json.dumps(package).encode(), world.now)
    assert made.framework_id != world.framework.framework_id
    came = links(world, framework_id=made.framework_id)
    assert len(came) == 90
    assert {row.state.value for row in came} == {"proposed"}


def test_links_go_along_to_a_standard_of_ones_own_and_to_a_new_code(world):
    session, actor = world.session, world.actor(cast.OFFICER)
    crosswalk.propose(session, actor, world.framework.uuid, world.now)
    own = editing.begin_own(session, actor, world.framework.uuid, "local-1", {"zh": "本地"}, world.now)
    assert len(links(world, framework_id=own.framework_id)) == 90
    point = competencies.editing.point_of(own.content, "A1")
    words = {**competencies.editing.own_words(point), "code": "A01"}
    seen = competencies.edition(competencies.editing.own_words(point))
    editing.change_point(session, actor, own.uuid, "A1", words, seen, world.now)
    assert len(links(world, framework_id=own.framework_id, point_code="A01")) == 3


def test_a_teacher_reads_what_a_point_is_mapped_to(browse, world):
    wang, here = browse(cast.WANG), f"/programmes/{world.programme.uuid}/standards"
    assert here in wang.get(f"/programmes/{world.programme.uuid}/points").text
    assert "本区还没有做对照" in wang.get(f"{here}?point=A6").text
    crosswalk.propose(world.session, world.actor(cast.OFFICER), world.framework.uuid, world.now)
    world.session.commit()
    page = wang.get(f"{here}?point=A6").text
    assert "对应 JY/T 0646 D3.2.2 利用数字技术资源优化教学流程（拟议）" in page
    assert page.index("A6 ") < page.index("A1 ")
    assert browse(cast.NEIGHBOUR).get(here).status_code == 404


def test_a_reference_framework_comes_in_as_a_file_and_no_programme_runs_on_it(browse, world):
    officer = browse(cast.OFFICER)
    data = exchange.pack_json(references.reference_packs.load("digcompedu"))
    sent = officer.post("/curate/import", {"file": (BytesIO(data), "x.json")}, content_type="multipart/form-data")
    page = officer.get(sent.headers["Location"]).text
    assert "检查好了：是参照框架，28 条" in page
    assert world.session.exec(owned(competencies.ReferenceVersion, pk(world.tenant))).all() == []
    taken = officer.post(sent.headers["Location"])
    assert "/curate/references/" in taken.headers["Location"]
    assert "完全一样" in officer.get(sent.headers["Location"]).text
    assert "DigCompEdu" not in officer.get("/curate/programmes/new").text
