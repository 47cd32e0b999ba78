"""Certificates for tests, made out as the product does it: hours in the ledger, a seal, an officer's word."""

import io

from PIL import Image, ImageDraw

import competencies
from competencies import Certificate
from lms_plugin.db import pk
from lms_plugin.flow import certificates
from tests import people as cast
from tests.factories import World
from tests.ledgers import add_entry

PAPER = "平教培〔2026〕12 号"


def sealed(world: World) -> None:
    """The worker has been here."""
    competencies.seal(world.session, pk(world.tenant), world.now)


def certificate_for(world: World, who: cast.Cast, hundredths: int = 2500) -> Certificate:
    """They earn that many hours more, and get a certificate of all they have."""
    add_entry(world, hundredths, who)
    sealed(world)
    return issue(world, who)


def issue(world: World, who: cast.Cast, by: cast.Cast = cast.OFFICER, paper: str = PAPER) -> Certificate:
    """An officer makes one out."""
    person = world.person(who).uuid
    return certificates.issue_to(world.session, world.actor(by), world.programme.uuid, person, paper, world.now)


def picture_of_a_seal(kind: str = "PNG", side: int = 300) -> bytes:
    """A red ring on white paper, as a scanner gives it."""
    image = Image.new("RGB", (side, side), "white")
    ImageDraw.Draw(image).ellipse((10, 10, side - 10, side - 10), outline=(210, 20, 20), width=max(1, side // 20))
    made = io.BytesIO()
    image.save(made, kind)
    return made.getvalue()
