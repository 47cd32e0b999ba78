"""Fixtures of the launch tests."""

from datetime import datetime

import pytest
from sqlmodel import Session

from tests.lti.desk import Desk


@pytest.fixture
def desk(session: Session, now: datetime) -> Desk:
    """A registered platform with a known key."""
    return Desk(session, now)
