"""What a web process learns before its first visitors, and that nothing of it stays anywhere."""

from pathlib import Path

from sqlalchemy import Engine, func
from sqlalchemy import select as columns

from lms_plugin import db
from lms_plugin.web import equip
from lms_plugin.web.warm import warmed
from tests.queries import count_queries
from tests.serving import settings_of


def test_visits_before_the_first_visitor_leave_nothing(own_database_url: str, tmp_path: Path) -> None:
    settings = settings_of(tmp_path, own_database_url, public_url="https://tool.example.org")
    bind = db.engine(own_database_url)
    with count_queries(Engine) as asked:
        made = warmed(settings, bind)
    assert len([one for one in asked if one.startswith("INSERT INTO web_session")]) == 3, "somebody launched"
    with bind.connect() as connection:
        for one in db.Model.metadata.sorted_tables:
            assert connection.execute(columns(func.count()).select_from(one)).scalar_one() == 0, one.name
    equip(made, settings, sessions=db.session_factory(bind))
    assert made.test_client().get("/readyz").status_code == 200
    bind.dispose()


def test_without_a_database_it_is_made_all_the_same(tmp_path: Path) -> None:
    url = "postgresql+psycopg://nobody@127.0.0.1:1/none"
    made = warmed(settings_of(tmp_path, url), db.engine(url))
    assert "nengli" in made.extensions


def test_a_database_that_is_not_upgraded_is_no_obstacle(tmp_path: Path) -> None:
    made = warmed(settings_of(tmp_path), db.engine(f"sqlite:///{tmp_path / 'empty.db'}"))
    equip(made, settings_of(tmp_path))
    assert made.test_client().get("/livez").status_code == 200
