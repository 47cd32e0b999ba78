"""By which door a launch comes, and what it may not bring along."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import Session

import lti
from lms_plugin.errors import Refused
from lti import doors
from tests.lti.desk import CLAIM, CLAIMS, Desk

LMS = "https://lms.example.org"
OURS = LMS + doors.KEYS
STOCK = f"{LMS}/api/lti_consumer/v1/public_keysets/3b1d8c1e-7a1c-4f6e-9d1e-2f0a5c1b7e11"
PART = st.text("abcXYZ019_-.~", min_size=1, max_size=8)
KIND = st.sampled_from(["lti_consumer", "nengli", "nengli2", "problem", "vertical"])


@given(org=PART, run=PART, kind=KIND, scheme=st.sampled_from(["block-v1:", "ccx-block-v1:", "lb:"]), name=st.text())
def test_the_kind_of_a_place_is_no_authors_to_choose(org: str, run: str, kind: str, scheme: str, name: str) -> None:
    """Whatever stands in the part that authors name, another kind's key and our own among it."""
    last = name + f"+type@nengli+block@{name}:nengli:{name}"
    link = f"lb:{org}:{run}:{kind}:{last}" if scheme == "lb:" else f"{scheme}{org}+C+{run}+type@{kind}+block@{last}"
    assert doors.lets_in(doors.BLOCK, link) == (kind == "nengli")
    assert doors.lets_in("", link)


@pytest.mark.parametrize("link", ["link-1", "nengli", "lb:a:b", "i4x://o/c/nengli/x", "block-v1:O+C+R+block@nengli"])
def test_what_is_no_place_of_open_edx_is_none_of_our_block(link: str) -> None:
    assert not doors.lets_in(doors.BLOCK, link)


def test_the_number_is_that_of_the_block() -> None:
    """The block is a distribution of its own and imports nothing of ours: both say it."""
    source = Path(lti.__file__).parent.parent / "lms_plugin" / "xblock" / "nengli_xblock" / "compat.py"
    text = source.read_text(encoding="utf-8")
    assert 'SITE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:nengli:site")' in text
    assert 'BLOCK_TYPE = "nengli"' in text


@pytest.mark.parametrize("address", [OURS, STOCK, f"{LMS}/jwks", OURS + "/", OURS + "?a=b"])
def test_the_address_of_the_keys_says_the_door(session: Session, now: object, address: str) -> None:
    """However it was registered, and where it is put right later."""
    expected = doors.BLOCK if address == OURS else ""
    assert doors.door_of(address) == expected
    platform = Desk(session, now).platform
    addresses = {"auth_url": LMS, "token_url": LMS, "jwks_url": address}
    lti.change_platform(session, platform, **addresses, token_audience="", name="")
    assert platform.door == expected
    lti.change_platform(session, platform, **{**addresses, "jwks_url": STOCK}, token_audience="", name="")
    assert platform.door == ""
    # What is typed on the page of Open edX is put together anew.
    given = {"site": LMS, "client_id": "c", "keyset": address}
    made = lti.registration_of("openedx", given)
    assert doors.door_of(made.jwks_url) == (doors.BLOCK if address.startswith(OURS) else "")


def test_a_stock_component_with_our_blocks_keys_is_refused(session: Session, now: object) -> None:
    """An author can write the number of our block's keys into one; its launches are signed rightly then."""
    desk = Desk(session, now)
    desk.platform.door = doors.BLOCK
    session.flush()
    ours = {CLAIM + "resource_link": {"id": "block-v1:DNU+ICT101+2026+type@nengli+block@a1"}}
    launch = desk.launch(**ours)
    assert isinstance(launch, lti.Launch)
    assert launch.door == doors.BLOCK
    with pytest.raises(Refused, match=r"launch\.block_other"):
        desk.launch(**{CLAIM + "resource_link": {"id": "block-v1:DNU+ICT101+2026+type@lti_consumer+block@nengli"}})
    with pytest.raises(Refused, match=r"launch\.block_other"):
        desk.launch()
    assert CLAIMS[CLAIM + "resource_link"]["id"] == "link-1"  # what that launch named
