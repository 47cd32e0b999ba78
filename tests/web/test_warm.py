"""What a web process learns before its first visitors, and that nothing of it stays anywhere."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, func
from sqlalchemy import select as columns

from lms_plugin import db
from lms_plugin.web import equip, warm
from tests.lti.desk import Desk
from tests.queries import count_queries
from tests.serving import settings_of


def test_visits_before_the_first_visitor_leave_nothing(own_database_url: str, tmp_path: Path) -> None:
    settings = settings_of(tmp_path, own_database_url, public_url="https://tool.example.org")
    bind = db.engine(own_database_url)
    with count_queries(Engine) as asked:
        made = warm.warmed(settings, bind)
    assert len([one for one in asked if one.startswith("INSERT INTO web_session")]) == 3, "somebody launched"
    with bind.connect() as connection:
        for one in db.Model.metadata.sorted_tables:
            assert connection.execute(columns(func.count()).select_from(one)).scalar_one() == 0, one.name
    equip(made, settings, sessions=db.session_factory(bind))
    assert made.test_client().get("/readyz").status_code == 200
    bind.dispose()


def test_no_registration_holds_up_the_start(
    own_database_url: str, tmp_path: Path, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever one district registered, the tool starts for all: also where it is the very name of the visitors."""
    settings, bind = settings_of(tmp_path, own_database_url), db.engine(own_database_url)
    drawn = "0" * 32
    with db.transaction(db.session_factory(bind)) as session:
        Desk(session, now, issuer=f"https://{drawn}.invalid", client_id="1")
    monkeypatch.setattr(warm.secrets, "token_hex", lambda _bytes: drawn)
    made = warm.warmed(settings, bind)
    equip(made, settings, sessions=db.session_factory(bind))
    assert made.test_client().get("/livez").status_code == 200
    bind.dispose()


def test_visitors_come_from_a_name_that_is_drawn_for_each_start(own_database_url: str, tmp_path: Path) -> None:
    bind, given = db.engine(own_database_url), list[str]()

    @event.listens_for(Engine, "before_cursor_execute")
    def note(_line: Any, _cursor: Any, statement: str, parameters: Any, *_more: Any) -> None:
        if statement.startswith("INSERT INTO lti_platform"):
            values = parameters.values() if isinstance(parameters, dict) else parameters
            given.extend(one for one in values if str(one).endswith(".invalid"))

    try:
        for _ in range(2):
            warm.warmed(settings_of(tmp_path, own_database_url), bind)
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert len(set(given)) == 2
    bind.dispose()


def test_without_a_database_it_is_made_all_the_same(tmp_path: Path) -> None:
    url = "postgresql+psycopg://nobody@127.0.0.1:1/none"
    made = warm.warmed(settings_of(tmp_path, url), db.engine(url))
    assert "nengli" in made.extensions


def test_a_database_that_is_not_upgraded_is_no_obstacle(tmp_path: Path) -> None:
    made = warm.warmed(settings_of(tmp_path), db.engine(f"sqlite:///{tmp_path / 'empty.db'}"))
    equip(made, settings_of(tmp_path))
    assert made.test_client().get("/livez").status_code == 200
