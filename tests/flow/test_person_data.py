"""What is kept of a person: whatever hangs on a person is counted and goes into the file, or has a reason not to."""

from sqlalchemy import Select

import competencies
from lms_plugin.db import Model, pk
from lms_plugin.flow import person_data
from tests import people as cast
from tests.factories import World
from tests.flow.handed_in import hand_in
from tests.ledgers import add_entry

NOT_SHOWN = {
    "personal_code": "a keyed hash that says nothing to anybody",
    "signing_word": "two salted hashes that say nothing to anybody",
    "link_request": "a host's question of a moment",
    "case_opening": "who has a work open at this moment",
    "ledger_draw_event": "an act of the auditor's office",
    "erasure": "the receipt that what was personal is gone: its day stands on the page",
    "plan_event": "an act of the school's office",
    "counted_as": "by which rules hours were booked: the entries are named",
    "held_hours": "that hours wait for reviews: the record says so of each point",
    "review_quota": "how many reviews an office asks of somebody: the reviews are named",
    "review_event": "a step of a review, which is named",
}


def tables_of(query: "Select[tuple[object, ...]]") -> set[str]:
    return {table.name for table in Model.metadata.sorted_tables if f" {table.name} " in f"{query} ".replace("\n", " ")}


def test_nothing_that_hangs_on_a_person_is_forgotten(world: World) -> None:
    told = {name for query in person_data.kinds_of((1,), world.now).values() for name in tables_of(query)}
    hangs = {table.name for table in Model.metadata.sorted_tables if "person_id" in table.columns}
    assert hangs - told == set(NOT_SHOWN)


def test_the_file_has_what_the_page_counts_and_nobody_elses(world: World) -> None:
    hand_in(world, cast.CHEN, "A3", world.now)
    hand_in(world, cast.WANG, "A3", world.now)
    chen = world.actor(cast.CHEN)
    page = person_data.data_of(world.session, chen, None, world.now)
    file = person_data.file_of(world.session, chen, None, world.now)
    assert {name: len(file[name]) for name in page.kinds} == page.kinds
    assert page.kinds["works"] == 1
    assert cast.WANG.name not in str(file)
    officer = world.actor(cast.OFFICER)
    assert person_data.data_of(world.session, officer, page.uuid, world.now).kinds == page.kinds


def test_the_file_says_up_to_where_the_ledger_was_sealed(world: World) -> None:
    chen = world.actor(cast.CHEN)
    assert person_data.file_of(world.session, chen, None, world.now)["ledger_head"] is None
    add_entry(world)
    competencies.seal(world.session, pk(world.tenant), world.now)
    head = competencies.head(world.session, pk(world.tenant))
    assert head is not None
    assert person_data.file_of(world.session, chen, None, world.now)["ledger_head"] == {
        "number": 1,
        "sha256": head.hash,
        "sealed_at": world.now.isoformat(),
    }
