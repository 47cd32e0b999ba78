"""转出 as a file, to another installation: only the code it is addressed to takes it in, only with the 放行码, once;
what is no original is refused with a word, and nothing is written."""

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, col, select

import competencies
from competencies import CreditKind
from lms_plugin import parcel, signing
from lms_plugin.db import pk
from lms_plugin.errors import Conflict, Invalid, NotFound, Refused
from lms_plugin.flow import arrivals, transfer_package, transfer_views, transfers
from lms_plugin.people import Tenant
from tests import people as cast
from tests.factories import World
from tests.flow.earned import earn
from tests.flow.test_transfers import earned_here, here, state_of
from tests.moving import SECRET, There, accepted, arrival_of, everything, there_of
from tests.web.launching import row_counts

domain = competencies.transfers


@dataclass
class Travelling:
    """A file on its way: 平安县 believes that 邻县 is on another server, and 邻县 that 平安县 is."""

    there: There
    uuid: str
    data: bytes

    @property
    def code(self) -> str:
        """放行码."""
        row = self.there.world.session.exec(select(domain.Transfer).where(domain.Transfer.uuid == self.uuid)).one()
        return transfers.release_code(row, SECRET)


def leave(there: There) -> Travelling:
    """Asked and let go as a file; the database then forgets that the sender's district is on this installation."""
    world = there.world
    session, now, officer = world.session, world.now, world.actor(cast.OFFICER)
    code = arrivals.open_code(session, there.teacher, now)
    kept, code.code = code.code, "000000000000"
    session.add(code)
    session.flush()
    uuid = transfers.ask(session, world.actor(cast.CHEN), kept, " 邻 县 ", now).uuid
    transfers.release(session, officer, uuid, SECRET, now)
    code.code = kept
    world.tenant.uuid = "f" * 32
    session.add_all([code, world.tenant])
    session.flush()
    return Travelling(there, uuid, transfer_views.file_of(session, world.actor(cast.CHEN), uuid)[0])


@pytest.fixture
def way(world: World) -> Travelling:
    return leave(earned_here(world))


def send(way: Travelling, data: bytes | None = None) -> None:
    there = way.there
    arrivals.receive_file(there.world.session, there.teacher, way.data if data is None else data, there.world.now)


def test_a_file_is_taken_in_with_the_code_and_only_then_final(way: Travelling) -> None:
    there, world = way.there, way.there.world
    officer = world.actor(cast.OFFICER)
    assert here(world) == (0, 0)
    send(way)
    for code, fault in (("", "transfer.release_code_missing"), ("0" * 12, "transfer.release_code_wrong")):
        with pytest.raises(Invalid) as refused:
            accepted(there, code=code)
        assert refused.value.fields == {"code": fault}
    assert transfer_views.leaving_page(world.session, officer, way.uuid, SECRET).code == ""
    transfers.hand_over(world.session, officer, way.uuid, world.now)
    shown = transfer_views.leaving_page(world.session, officer, way.uuid, SECRET).code
    with pytest.raises(Conflict, match=r"transfer\.handed_already"):
        transfers.withdraw(world.session, officer, way.uuid, "后悔", world.now)
    accepted(there, code=f" {shown.lower()} ")
    assert there.hours() == {CreditKind.PRACTICE: 25_00, CreditKind.ONLINE: 12_00}
    assert (here(world), state_of(world, way.uuid)) == ((0, 0), "handed")


def test_until_the_code_is_told_it_can_be_taken_back(way: Travelling) -> None:
    world = way.there.world
    transfers.withdraw(world.session, world.actor(cast.OFFICER), way.uuid, "不走了", world.now)
    assert here(world) == (25_00, 12_00)
    with pytest.raises(NotFound):
        transfer_views.file_of(world.session, world.actor(cast.CHEN), way.uuid)


def test_refused_there_the_return_code_brings_the_hours_back_here(way: Travelling) -> None:
    there, world = way.there, way.there.world
    officer = world.actor(cast.OFFICER)
    send(way)
    transfers.hand_over(world.session, officer, way.uuid, world.now)
    with pytest.raises(Invalid):
        arrivals.refuse(world.session, there.officer, arrival_of(there).uuid, "不收", "0" * 12, world.now)
    said = arrivals.refuse(world.session, there.officer, arrival_of(there).uuid, "不收", way.code, world.now)
    with pytest.raises(Invalid) as refused:
        transfers.refused_there(world.session, officer, way.uuid, way.code, SECRET, world.now)
    assert refused.value.fields == {"code": "transfer.return_code_wrong"}
    transfers.refused_there(world.session, officer, way.uuid, domain.code_as_printed(said), SECRET, world.now)
    assert (here(world), there.hours()) == ((25_00, 12_00), {})


def test_refused_without_the_code_it_can_still_go_back_when_the_code_is_told(way: Travelling) -> None:
    there, world = way.there, way.there.world
    session, officer, now = world.session, world.actor(cast.OFFICER), world.now
    send(way)
    uuid = arrival_of(there).uuid
    with pytest.raises(Conflict):
        arrivals.return_code(session, there.officer, uuid, way.code, now)
    assert arrivals.refuse(session, there.officer, uuid, "不收", "", now) == ""
    transfers.hand_over(session, officer, way.uuid, now)
    with pytest.raises(Invalid) as refused:
        arrivals.return_code(session, there.officer, uuid, "0" * 12, now)
    assert refused.value.fields == {"code": "transfer.release_code_wrong"}
    said = arrivals.return_code(session, there.officer, uuid, way.code, now)
    assert transfer_views.arriving_page(session, there.officer, uuid, "", now).taken == {"return_code": said}
    transfers.refused_there(session, officer, way.uuid, said, SECRET, now)
    assert (here(world), there.hours()) == ((25_00, 12_00), {})


def test_a_package_comes_once(way: Travelling) -> None:
    there, world = way.there, way.there.world
    send(way)
    with pytest.raises(Refused, match=r"transfer\.no_code"):
        send(way)
    accepted(there, code=way.code)
    again = arrivals.open_code(world.session, there.teacher, world.now)
    with pytest.raises(Refused, match=r"transfer\.for_another"):
        send(way)
    old = world.session.exec(select(domain.Arrival).where(domain.Arrival.package == way.uuid)).one()
    old.code, again.code = "111111111111", old.code  # even if a code could be drawn twice
    world.session.add(old)
    world.session.flush()
    world.session.add(again)
    world.session.flush()
    with pytest.raises(Refused, match=r"transfer\.taken_in"):
        send(way)


def members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(files: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target.getvalue()


def forged(data: bytes, folder: Path, **changes: Any) -> bytes:
    """The package as somebody else would make it: their own key, what they like inside."""
    found = members(data)
    facts = {key: value for key, value in json.loads(found[parcel.MANIFEST]).items() if key != "contents"}
    facts |= changes.pop("facts", {})
    pem, _public = signing.new_key()
    path = folder / "forged.zip"
    packing = parcel.Packing(path)
    for name, content in found.items():
        if name.endswith(".jsonl") and name != parcel.CONTENTS:
            change: Callable[[Any], Any] = changes.get(name.partition(".")[0], lambda one: one)
            lines = [change(json.loads(line)) for line in content.splitlines()]
            packing.text(name, "".join(json.dumps(one) + "\n" for one in lines))
    packing.checkpoint()
    packing.finish(facts, partial(signing.sign, pem=pem))
    return path.read_bytes()


def hours_of(value: Any) -> Callable[[Any], Any]:
    return lambda summary: {**summary, "hours": [{**summary["hours"][0], **value}]}


def shifted(data: bytes) -> bytes:
    """The directory says that it stands five bytes further on than it does."""
    at = data.rindex(b"PK\x05\x06") + 16
    return data[:at] + (int.from_bytes(data[at : at + 4], "little") + 5).to_bytes(4, "little") + data[at + 4 :]


def misnamed(data: bytes) -> bytes:
    """Beside its bytes, the first member calls itself by what is no UTF-8."""
    return data[:7] + bytes([data[7] | 8]) + data[8:30] + b"\xff" + data[31:]


HOSTILE: dict[str, tuple[str, Callable[[bytes, Path], bytes]]] = {
    "no zip": ("parcel.unreadable", lambda _data, _folder: b"PK not at all"),
    "nothing": ("parcel.unreadable", lambda _data, _folder: b""),
    "cut short": ("parcel.unreadable", lambda data, _folder: data[: len(data) // 2]),
    "too large": ("transfer.too_large", lambda data, _folder: data + b"\0" * transfer_package.MOST_BYTES),
    "bomb": (
        "parcel.trap",
        lambda data, _folder: zipped({**members(data), "bomb.jsonl": b"\0" * (transfer_package.MOST_INSIDE + 1)}),
    ),
    "leads elsewhere": ("parcel.trap", lambda data, _folder: zipped({**members(data), "../../etc/passwd": b"x"})),
    "absolute": ("parcel.trap", lambda data, _folder: zipped({**members(data), "/etc/passwd": b"x"})),
    "changed hours": (
        "parcel.changed",
        lambda data, _folder: zipped(
            {**members(data), "summary.jsonl": members(data)["summary.jsonl"].replace(b"2500", b"9900")}
        ),
    ),
    "one more file": ("parcel.changed", lambda data, _folder: zipped({**members(data), "more.jsonl": b"{}\n"})),
    "manifest changed": (
        "signing.wrong",
        lambda data, _folder: zipped(
            {
                **members(data),
                parcel.MANIFEST: members(data)[parcel.MANIFEST].replace("平安县".encode(), "太平县".encode()),
            }
        ),
    ),
    "no signature": (
        "transfer.unsigned",
        lambda data, _folder: zipped({k: v for k, v in members(data).items() if k != parcel.SIGNATURE}),
    ),
    "no such signature": ("signing.wrong", lambda data, _folder: zipped({**members(data), parcel.SIGNATURE: b"a.b.c"})),
    "another format": (
        "parcel.other_kind",
        lambda data, folder: forged(data, folder, facts={"format": "nengli-archive"}),
    ),
    "another version": ("parcel.version_unknown", lambda data, folder: forged(data, folder, facts={"version": 2})),
    "another code": (
        "transfer.for_another",
        lambda data, folder: forged(data, folder, facts={"to": {"code": "222222222222", "name": "邻县"}}),
    ),
    "no code to release it": ("transfer.unreadable", lambda data, folder: forged(data, folder, facts={"release": ""})),
    "a code that none is": (
        "transfer.unreadable",
        lambda data, folder: forged(data, folder, facts={"release": "放行" * 32}),
    ),
    "somebody else": (
        "transfer.another_name",
        lambda data, folder: forged(data, folder, person=lambda one: {**one, "name": "王秀兰"}),
    ),
    "hours below zero": (
        "transfer.unreadable",
        lambda data, folder: forged(data, folder, summary=hours_of({"hundredths": -100})),
    ),
    "hours without end": (
        "transfer.unreadable",
        lambda data, folder: forged(data, folder, summary=hours_of({"hundredths": 10**9})),
    ),
    "hours of tomorrow": (
        "transfer.unreadable",
        lambda data, folder: forged(data, folder, summary=hours_of({"on": "2999-01-01"})),
    ),
    "hours of no kind": (
        "transfer.unreadable",
        lambda data, folder: forged(data, folder, summary=hours_of({"kind": "seat"})),
    ),
    "made before there were clocks": (
        "transfer.unreadable",
        lambda data, folder: forged(data, folder, facts={"made_at": "0001-01-01T00:00:00+14:00"}),
    ),
    "begins before its beginning": ("parcel.trap", lambda data, _folder: shifted(data)),
    "a name that is no text": ("parcel.changed", lambda data, _folder: misnamed(data)),
    "half a character": (
        "transfer.unreadable",
        lambda data, folder: forged(data, folder, summary=lambda one: {**one, "titles": {"a" * 32: "\ud800"}}),
    ),
    "a place that is no text": (
        "transfer.unreadable",
        lambda data, folder: forged(data, folder, facts={"from": {"id": "e" * 32, "name": "平安\0县"}}),
    ),
    "marks in another shape": (
        "transfer.marks_unreadable",
        lambda data, folder: forged(data, folder, record=lambda one: {**one, "items": [{"key": 1}]}),
    ),
    "no summary": ("transfer.unreadable", lambda data, folder: forged(data, folder, summary=lambda _one: {})),
    "not an object": ("parcel.not_json", lambda data, folder: forged(data, folder, summary=lambda _one: [1])),
}


@pytest.mark.parametrize("how", HOSTILE)
def test_what_is_no_original_is_refused_and_nothing_is_written(way: Travelling, tmp_path: Path, how: str) -> None:
    code, make = HOSTILE[how]
    session = way.there.world.session
    session.flush()
    before = row_counts(session)
    with pytest.raises(Refused) as refused:
        send(way, make(way.data, tmp_path))
    assert refused.value.code == code
    assert row_counts(session) == before


def test_a_forger_does_not_know_the_code(way: Travelling, tmp_path: Path) -> None:
    """The teacher could sign anything with a key of their own: what the other office reads out does not open it."""
    own = domain.sealed_code("ABCDEFGHJKMN", way.uuid)
    summary = hours_of({"hundredths": 900_00})
    send(way, forged(way.data, tmp_path, summary=summary, facts={"release": own}))
    with pytest.raises(Invalid) as refused:
        accepted(way.there, code=way.code)
    assert refused.value.fields == {"code": "transfer.release_code_wrong"}
    assert way.there.hours() == {}


def test_what_lies_here_is_believed_no_more_than_a_file(way: Travelling, tmp_path: Path) -> None:
    world = way.there.world
    send(way)
    arrival = arrival_of(way.there)
    kept = world.session.exec(
        select(domain.TransferPackage).where(col(domain.TransferPackage.arrival_id) == pk(arrival))
    ).one()
    choice = everything(way.there, code=way.code)
    kept.content = forged(way.data, tmp_path, summary=hours_of({"hundredths": 900_00}))
    world.session.add(kept)
    world.session.flush()
    with pytest.raises(Refused, match=r"transfer\.unreadable"):
        arrivals.accept(world.session, way.there.officer, arrival.uuid, choice, world.now)


def test_the_package_names_nobody_but_the_person(way: Travelling) -> None:
    inside = b"".join(members(way.data).values()).decode()
    assert "陈晓芳" in inside
    for who in (cast.TRAINER, cast.OFFICER, cast.WANG, cast.LI):
        assert who.name not in inside


def test_it_is_one_of_the_published_keys_that_signed(way: Travelling) -> None:
    session: Session = way.there.world.session
    package = transfer_package.read(way.data, way.there.world.now.date())
    assert [key["kid"] for key in transfer_views.public_keys(session)] == [signing.thumbprint(package.key)]


def test_said_to_be_of_this_installation_it_is_not_taken_as_a_file(world: World) -> None:
    earn(world, cast.CHEN, "A3", "A5", "B1")
    way = leave(there_of(world))
    tenant = world.session.exec(select(Tenant).where(Tenant.name == "平安县")).one()
    tenant.uuid = transfer_package.read(way.data, world.now.date()).from_id
    world.session.add(tenant)
    world.session.flush()
    with pytest.raises(Refused, match=r"transfer\.comes_by_itself"):
        send(way)


def test_the_code_is_the_same_wherever_the_district_goes(way: Travelling) -> None:
    """The officer who is asked for it may be on another installation by then, with another secret."""
    there, world = way.there, way.there.world
    officer = world.actor(cast.OFFICER)
    send(way)
    transfers.hand_over(world.session, officer, way.uuid, world.now)
    shown = transfer_views.leaving_page(world.session, officer, way.uuid, "another secret " * 3).code
    said = arrivals.refuse(world.session, there.officer, arrival_of(there).uuid, "不收", shown, world.now)
    transfers.refused_there(world.session, officer, way.uuid, said, "another secret " * 3, world.now)
    assert here(world) == (25_00, 12_00)


def test_the_words_of_the_sender_for_its_levels_travel_along(world: World) -> None:
    own = {"pass": {"zh": "达标"}, "excellent": {"zh": "示 范"}, "fail": {"zh": "待提高"}}
    there = earned_here(world)
    world.point("A3").level_words = own
    world.session.add(world.point("A3"))
    package = transfer_package.read(leave(there).data, world.now.date())
    words = {one.code: one.level_words for one in package.points}
    assert words.pop("A3") == own
    assert set(words.values()) == {None}
