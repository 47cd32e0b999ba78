"""The proof of an entry goes back to the sign-in list of a training, and to every stage of the official chain."""

import pytest
from sqlalchemy import text
from sqlmodel import select

import competencies
from lms_plugin.db import pk
from lms_plugin.flow import (
    arrivals,
    attendance,
    audit,
    audit_proof,
    award,
    batches,
    passport,
    publicity,
    training_hours,
    transfers,
)
from lms_plugin.web import ledger_words
from tests import people as cast
from tests.factories import World
from tests.flow.earned import earn
from tests.flow.handed_in import hand_in
from tests.flow.test_audit import draw, proof, seal
from tests.flow.test_chain import ALL, HOUR, SEED, check_all, close, decide, name_panel
from tests.flow.test_trainings import planned, signed_by_code
from tests.flow.test_transfers import sent_back, take_home
from tests.ledgers import add_entry, unguarded
from tests.moving import SECRET, accepted, released, there_of
from tests.queries import count_queries
from tests.rosters import put_on_roster

domain = competencies.transfers

PER_POINT = {"kind": "per_level", "pass_hundredths": 300, "excellent_hundredths": 500}


@pytest.fixture
def chained(world: World) -> tuple[World, competencies.SchoolBatch]:
    """Somebody's point went the whole official way: decided by the panel, drawn, shown, objected to, released."""
    world.set_rules(chain={**ALL, "panel": True, "check_percent": 100}, hours=PER_POINT)
    name_panel(world, cast.WANG, cast.LI)
    work = hand_in(world, cast.CHEN, "A3", world.now - 2 * HOUR)
    decide(world, work, who=cast.WANG)
    batch = close(world)
    check_all(world, batch)
    said = publicity.object_to(world.session, world.actor(cast.LI), batch.uuid, work.uuid, "像网上的。", "", world.now)
    officer = world.actor(cast.OFFICER)
    publicity.answer(world.session, officer, said.uuid, is_upheld=False, words="查过了", now=world.now)
    assert batch.ends_at is not None
    assert batches.release_due(world.session, pk(batch), batch.ends_at) == 1
    competencies.seal(world.session, pk(world.tenant), batch.ends_at)
    world.now = batch.ends_at
    return world, batch


def test_every_stage_of_the_official_chain_is_told(chained: tuple[World, competencies.SchoolBatch]) -> None:
    world, batch = chained
    uuid, actor, bind = draw(world).uuid, world.actor(cast.AUDITOR), world.session.get_bind()
    world.session.expunge_all()
    with count_queries(bind) as asked:  # type: ignore[arg-type]
        page = audit_proof.proof_page(world.session, actor, uuid, 1)
    assert len(asked) <= 10, asked
    (work,) = page.works
    assert (work.decided_by, work.by_panel) == (world.person(cast.WANG).name, True)
    (stage,) = work.batches
    assert (stage.round, stage.closed_by, stage.state) == (1, world.person(cast.LEAD).name, "released")
    assert (stage.seed, stage.percent, stage.drawn, stage.is_upheld) == (SEED, 100, "random", True)
    assert stage.found_by == world.person(cast.OFFICER).name
    assert (stage.shown_at, stage.ends_on, stage.released_at) == (batch.shown_at, batch.ends_on, batch.ends_at)
    (said,) = stage.objections
    assert (said.by, said.text, said.is_upheld, said.answer) == (
        world.person(cast.LI).name,
        "像网上的。",
        False,
        "查过了",
    )


def test_whoever_was_in_the_panel_only_later_decided_as_somebody_else(world: World) -> None:
    """Also: a point that went by no batch has no stages."""
    world.set_rules(hours=PER_POINT)
    work = hand_in(world, cast.CHEN, "A3", world.now - 2 * HOUR)
    decide(world, work)

    award.release(world.session, world.actor(cast.OFFICER), world.programme, None, world.now)
    world.now += HOUR
    name_panel(world, cast.WANG, cast.LI)
    seal(world)
    (shown,) = proof(world, draw(world)).works
    assert (shown.decided_by, shown.by_panel, shown.batches) == (world.person(cast.TRAINER).name, False, ())


def test_the_entry_of_a_training_leads_to_its_sign_in(world: World) -> None:
    """Also after it was put right: the older entry says that another one has taken its place."""
    made = planned(world)
    signed_by_code(world, made, cast.CHEN)
    after, lead = world.now + 2 * HOUR, world.actor(cast.LEAD)
    training_hours.close(world.session, lead, made.uuid, after)
    seal(world)
    drawn = draw(world)
    there = proof(world, drawn).attendance
    assert there is not None
    assert (there.title, there.unit, there.way, there.minutes) == ("信息技术校本研修", "希望小学", "code", 90)
    assert (there.closed_by, there.closed_at) == (world.person(cast.LEAD).name, after)
    assert (there.is_current, there.removed_at) == (True, None)
    assert [(step.what, step.way) for step in there.steps] == [("signed", "code")]
    attendance.correct(world.session, lead, made.uuid, there.uuid, 45, True, "提前走了", after)
    old = proof(world, drawn).attendance
    assert old is not None
    assert (old.is_current, old.minutes) == (False, 45)
    assert [(step.what, step.reason) for step in old.steps][-1] == ("minutes", "提前走了")
    with unguarded(world.session.connection()):
        world.session.connection().execute(text("UPDATE attendance SET uuid = 'gone'"))
    world.session.expire_all()
    assert proof(world, drawn).attendance is None


def test_the_proof_writes_nothing(chained: tuple[World, competencies.SchoolBatch]) -> None:
    """That it was opened is noted by itself; twice is for the page to see."""
    world, _batch = chained
    drawn, actor = draw(world), world.actor(cast.AUDITOR)
    page = audit_proof.proof_page(world.session, actor, drawn.uuid, 1)
    assert page.is_new
    assert not world.session.new
    audit.opened(world.session, actor, page.draw_id, page.unit_path, 1, world.now)
    again = audit_proof.proof_page(world.session, actor, drawn.uuid, 1)
    assert not again.is_new
    assert [one.kind for one in again.history] == ["opened"]


# --- hours that moved, and the category of the day ---


def proofs_by_reason(world: World) -> dict[str, audit_proof.ProofPage]:
    drawn = draw(world)
    pages = [proof(world, drawn, place) for place in range(1, len(drawn.entry_ids) + 1)]
    return {page.entry.reason: page for page in pages if page.entry is not None}


def test_hours_that_left_and_came_back_name_their_package_and_its_hash(world: World) -> None:
    earn(world, cast.CHEN, "A3", "A5", "B1")
    there = there_of(world)
    uuid = released(there)
    transfers.withdraw(world.session, world.actor(cast.OFFICER), uuid, "还没走", world.now + HOUR)
    row = world.session.exec(select(domain.Transfer).where(domain.Transfer.uuid == uuid)).one()
    seal(world)
    pages = proofs_by_reason(world)
    officer = world.person(cast.OFFICER).name
    left, back = pages["transfer_out"].move, pages["transfer_back"].move
    assert left is not None
    assert (left.place, left.package, left.content_hash, left.holds) == ("邻县", uuid, row.manifest_hash, True)
    assert (left.what, left.by, left.at) == ("released", officer, world.now)
    assert back is not None
    assert (back.what, back.by, back.reason, back.package) == ("withdrawn", officer, "还没走", uuid)
    assert pages["award"].move is None


def test_hours_that_came_home_name_the_package_that_brought_them(world: World) -> None:
    earn(world, cast.CHEN, "A3", "A5", "B1")
    there = there_of(world)
    released(there)
    accepted(there)
    world.now += HOUR
    there.world.now = world.now
    back = sent_back(there)
    take_home(there, back)
    seal(world)
    found = proofs_by_reason(world)["transfer_back"].move
    assert found is not None
    assert (found.place, found.package, found.content_hash) == ("邻县", back.package, back.manifest_hash)
    assert (found.what, found.by, found.holds) == ("accepted", world.person(cast.OFFICER).name, True)


def test_hours_that_came_name_their_package_and_what_its_points_were(world: World) -> None:
    there = there_of(world)
    code = arrivals.open_code(world.session, world.actor(cast.CHEN), world.now).code
    basis = competencies.Basis(there.programme.policy_id or 0)
    competencies.credit(
        world.session, pk(there.tenant), pk(there.programme), pk(there.person), competencies.CreditKind.ONLINE, 600,
        basis, world.now,
    )  # fmt: skip
    uuid = transfers.ask(world.session, there.teacher, code, "", world.now).uuid
    transfers.release(world.session, there.officer, uuid, SECRET, world.now)
    came = world.session.exec(select(domain.Arrival).where(domain.Arrival.code == code)).one()
    officer = world.actor(cast.OFFICER)
    package = arrivals.package_of(world.session, came, world.now)
    choice = arrivals.Choice(world.programme.uuid, frozenset(line.block for line in package.lines), {})
    arrivals.accept(world.session, officer, came.uuid, choice, world.now)
    seal(world)
    found = proofs_by_reason(world)["transfer_in"].move
    assert found is not None
    assert (found.place, found.package, found.content_hash) == ("邻县", uuid, came.manifest_hash)
    assert (found.what, found.by, found.holds) == ("accepted", world.person(cast.OFFICER).name, True)
    kept = world.session.exec(select(domain.TransferPackage).where(domain.TransferPackage.arrival_id == pk(came))).one()
    kept.content = kept.content[:-20]
    world.session.add(kept)
    world.session.flush()
    changed = proofs_by_reason(world)["transfer_in"].move
    assert changed is not None
    assert not changed.holds


def test_the_entry_names_the_category_of_its_day(world: World) -> None:
    """Whatever the roster says later; and where the rules are the same for all, nobody asks."""
    entry = put_on_roster(world, cast.CHEN)
    entry.category = competencies.Category.PRINCIPAL
    world.set_rules(categories=[{"category": "principal", "required_points": 1}])
    earn(world, cast.CHEN, "A3")
    entry.category = competencies.Category.COACH
    world.session.flush()
    seal(world)
    page = proofs_by_reason(world)["award"]
    assert page.category == audit_proof.CategoryProof("principal", is_noted=True)
    (line,) = passport.record(world.session, world.actor(cast.CHEN), world.programme.uuid, None, world.now).hours
    assert ledger_words.basis_words(line.reason, line.source, 2) == "能力点认定，规则第 2 版（按校长的规则）"


def test_an_entry_without_a_category_says_that_it_is_of_today(world: World) -> None:
    entry = put_on_roster(world, cast.CHEN)
    entry.category = competencies.Category.PRINCIPAL
    world.set_rules(categories=[{"category": "principal", "required_points": 1}])
    add_entry(world, 100)
    world.session.flush()
    seal(world)
    drawn, bind = draw(world), world.session.get_bind()
    with count_queries(bind) as asked:  # type: ignore[arg-type]
        page = proof(world, drawn)
    assert page.category == audit_proof.CategoryProof("principal", is_noted=False)
    assert not [one for one in asked if "roster_entry" in one and "credit_entry" not in one]  # asked with the rest
