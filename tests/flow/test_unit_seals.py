"""用印: only who was given the seal sees and uses its picture, and every use is a row."""

import io
from datetime import timedelta
from hashlib import sha256

import pytest
from PIL import Image
from sqlmodel import col, select

import competencies
import lti
from competencies import SealUse, UnitSeal
from lms_plugin import media
from lms_plugin.access import Actor
from lms_plugin.db import get, pk
from lms_plugin.errors import Forbidden, Invalid, NotFound, Refused
from lms_plugin.flow import certificate_sheet, certificates, sessions, unit_seals, workloads
from lms_plugin.people import RoleKind
from tests import people as cast
from tests.certified import PAPER, certificate_for, picture_of_a_seal
from tests.factories import World, grant
from tests.flow.test_reversal import imported, take_back
from tests.web.test_workloads import worked


def keeper(world: World, who: cast.Cast = cast.TRAINER) -> Actor:
    """Somebody who was given the county's seal."""
    grant(world.session, world.person(who), RoleKind.SEAL, world.county, world.now)
    return world.actor(who)


def put(world: World, actor: Actor, data: bytes = b"") -> None:
    unit_seals.put(world.session, actor, world.county.uuid, data or picture_of_a_seal(), world.now)


def stamp(world: World, actor: Actor) -> unit_seals.Stamped:
    return unit_seals.stamp(world.session, actor, world.county.uuid, world.programme.uuid, "certificates", world.now)


@pytest.mark.parametrize("who", [cast.OFFICER, cast.LEAD, cast.TRAINER, cast.AUDITOR, cast.IT, cast.CHEN])
def test_nobody_else_sees_or_uses_it(world: World, who: cast.Cast) -> None:
    certificate_for(world, cast.CHEN)
    put(world, keeper(world, cast.OTHER_TRAINER))
    actor, unit = world.actor(who), world.county.uuid
    for act in (
        lambda: unit_seals.units(world.session, actor),
        lambda: unit_seals.page(world.session, actor, unit),
        lambda: unit_seals.picture(world.session, actor, unit),
        lambda: put(world, actor),
        lambda: unit_seals.withdraw(world.session, actor, unit, world.now),
        lambda: stamp(world, actor),
    ):
        with pytest.raises(Forbidden):
            act()


@pytest.mark.parametrize(("product", "proves"), [("moodle", True), ("openedx", False), ("", True)])
def test_a_launch_that_can_be_guessed_uses_no_seal(world: World, product: str, proves: bool) -> None:
    """A keeper who comes from Open edX sees the seal and cannot use it, change it or take it away; the same person from
    another platform can. Nothing else is kept from them."""
    certificate_for(world, cast.CHEN)
    put(world, keeper(world))
    platform = get(
        world.session, lti.Platform, get(world.session, lti.Deployment, world.course.deployment_id).platform_id
    )
    platform.product = product
    world.session.add(platform)
    person = world.person(cast.TRAINER)
    entrance = sessions.open_session(world.session, person, world.course, timedelta(hours=1), world.now)
    world.session.flush()
    token = sha256(entrance.token.encode()).hexdigest()
    visitor = sessions.visitor_of(world.session, world.now, token_hash=token)
    assert visitor is not None
    assert visitor.actor.is_guessable is not proves
    assert unit_seals.page(world.session, visitor.actor, world.county.uuid).unit_uuid == world.county.uuid
    if proves:
        assert stamp(world, visitor.actor).made == 1
        return
    for act in (
        stamp,
        put,
        lambda world, actor: unit_seals.withdraw(world.session, actor, world.county.uuid, world.now),
    ):
        with pytest.raises(Refused, match=r"proof\.needed"):
            act(world, visitor.actor)
    assert world.session.exec(select(SealUse)).all() == []


def test_a_schools_keeper_has_not_the_countys_seal(world: World) -> None:
    grant(world.session, world.person(cast.LEAD), RoleKind.SEAL, world.schools["希望小学"], world.now)
    assert unit_seals.units(world.session, world.actor(cast.LEAD)) == []
    with pytest.raises(Forbidden):
        put(world, world.actor(cast.LEAD))


def test_it_is_put_on_what_holds_once_and_the_use_is_kept(world: World) -> None:
    first, second = certificate_for(world, cast.CHEN), certificate_for(world, cast.WANG)
    certificates.revoke(world.session, world.actor(cast.OFFICER), second.uuid, "错", world.now)
    actor = keeper(world)
    with pytest.raises(Refused, match=r"seal\.none"):
        stamp(world, actor)
    put(world, actor)
    assert stamp(world, actor) == unit_seals.Stamped(1, 0)
    assert stamp(world, actor) == unit_seals.Stamped(0, 0)
    (use,) = world.session.exec(select(SealUse)).all()
    assert (use.certificate_id, use.used_by_id) == (pk(first), actor.person_id)
    page = unit_seals.page(world.session, actor, world.county.uuid)
    assert ([one.name for one in page.uses], page.waiting, page.total) == (["陈晓芳"], (), 1)
    view, seal = certificate_sheet.printable(world.session, world.actor(cast.CHEN), first.uuid)
    assert view.is_stamped
    assert seal == unit_seals.picture(world.session, actor, world.county.uuid)


def test_without_a_use_the_paper_has_no_seal(world: World) -> None:
    made = certificate_for(world, cast.CHEN)
    put(world, keeper(world))
    view, seal = certificate_sheet.printable(world.session, world.actor(cast.CHEN), made.uuid)
    assert (view.is_stamped, seal) == (False, b"")


def test_what_changed_since_and_ones_own_are_left(world: World) -> None:
    entry = imported(world)
    certificate_for(world, cast.CHEN)
    assert take_back(world, "hours", entry.uuid)
    certificate_for(world, cast.WANG)
    actor = keeper(world, cast.WANG)
    put(world, actor)
    assert stamp(world, actor) == unit_seals.Stamped(0, 2)


def test_another_picture_changes_nothing_that_carries_the_old_one(world: World) -> None:
    made, actor = certificate_for(world, cast.CHEN), keeper(world)
    put(world, actor)
    put(world, actor)  # the same again
    stamp(world, actor)
    old = unit_seals.picture(world.session, actor, world.county.uuid)
    put(world, actor, picture_of_a_seal("JPEG", 200))
    assert len(world.session.exec(select(UnitSeal).order_by(col(UnitSeal.id))).all()) == 2
    assert certificate_sheet.printable(world.session, world.actor(cast.CHEN), made.uuid)[1] == old
    unit_seals.withdraw(world.session, actor, world.county.uuid, world.now)
    with pytest.raises(NotFound):
        unit_seals.picture(world.session, actor, world.county.uuid)
    assert certificate_sheet.printable(world.session, world.actor(cast.CHEN), made.uuid)[1] == old


def test_the_other_districts_keeper_finds_nothing(world: World) -> None:
    put(world, keeper(world))
    with pytest.raises(NotFound):
        unit_seals.picture(world.session, world.actor(cast.NEIGHBOUR), world.county.uuid)


def hostile() -> dict[str, bytes]:
    """Files that are no seal."""
    png = picture_of_a_seal()
    huge = io.BytesIO()
    Image.new("1", (6000, 6000)).save(huge, "PNG")
    blank = io.BytesIO()
    Image.new("RGB", (50, 50), "white").save(blank, "PNG")
    return {
        "empty": b"",
        "words": b"<svg onload=alert(1)>",
        "cut": png[: len(png) // 2],
        "bomb": huge.getvalue(),
        "blank": blank.getvalue(),
        "pdf": b"%PDF-1.7\n",
    }


@pytest.mark.parametrize("name", list(hostile()))
def test_a_file_that_is_no_seal_is_refused_beside_its_field(world: World, name: str) -> None:
    with pytest.raises(Invalid) as refused:
        unit_seals.put(world.session, keeper(world), world.county.uuid, hostile()[name], world.now)
    assert set(refused.value.fields) == {"file"}
    assert world.session.exec(select(UnitSeal)).all() == []


def test_the_picture_is_bare_small_and_seen_through(world: World) -> None:
    image = Image.open(io.BytesIO(picture_of_a_seal("PNG", 1600)))
    sent = io.BytesIO()
    image.save(sent, "JPEG", comment=b"secret words", exif=b"Exif\0\0secret")
    kept = media.stamp_png(sent.getvalue())
    assert b"secret" not in kept
    with Image.open(io.BytesIO(kept)) as seal:
        assert (seal.format, seal.mode, max(seal.size)) == ("PNG", "RGBA", 800)
        assert seal.getpixel((400, 400))[3] == 0  # the paper
        red = seal.getpixel((400, 30))
        assert red[3] == 255
        assert red[0] > 150
    assert competencies.certificates.seal_of(world.session, pk(world.county)) is None


def test_statements_of_work_carry_it_too(world: World) -> None:
    """The keeper's own is left to somebody else, and one kind is stamped at a time."""
    certificate_for(world, cast.CHEN)
    worked(world)
    actor, officer = keeper(world), world.actor(cast.OFFICER)
    workloads.issue(world.session, officer, world.programme.uuid, PAPER, world.now)
    put(world, actor)
    page = unit_seals.page(world.session, actor, world.county.uuid)
    assert [(one.kind, one.count) for one in page.waiting] == [("certificates", 1), ("statements", 4)]
    place, programme = world.county.uuid, world.programme.uuid
    done = unit_seals.stamp(world.session, actor, place, programme, "statements", world.now)
    assert done == unit_seals.Stamped(3, 1)
    page = unit_seals.page(world.session, actor, world.county.uuid)
    assert [(one.kind, one.count) for one in page.waiting] == [("certificates", 1), ("statements", 1)]
    assert {(one.kind, one.number[:5]) for one in page.uses} == {("statements", "G2026")}
    lead = world.actor(cast.LEAD)
    own = workloads.mine(world.session, lead)[0].uuid
    view, seal = workloads.printable(world.session, lead, own)
    assert view.is_stamped
    assert seal == unit_seals.picture(world.session, actor, place)
    with pytest.raises(NotFound):
        unit_seals.stamp(world.session, actor, place, programme, "diplomas", world.now)
