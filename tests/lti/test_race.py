"""Two requests at once with one launch: exactly one of them gets it."""

import threading
from datetime import datetime

from sqlmodel import select

import lti
from lms_plugin import db
from lms_plugin.errors import Refused
from tests.hosts import resign
from tests.lti.desk import CLAIMS, Desk


def test_one_state_is_consumed_by_one_of_many(own_database_url: str, now: datetime) -> None:
    made = db.engine(own_database_url)
    factory = db.session_factory(made)
    with db.transaction(factory) as session:
        desk = Desk(session, now)
        sent, secret = desk.login()
    form = {"id_token": resign.sign(resign.fresh(CLAIMS, sent["nonce"], now)), "state": sent["state"]}
    outcomes: list[str] = []
    ready = threading.Barrier(6)

    def post() -> None:
        ready.wait()
        with factory() as session:
            db.writes(session)
            try:
                lti.receive_launch(session, form, lti.Proof(secret), now, public_url=desk.tool)
            except Refused as refused:
                outcomes.append(refused.code)
            else:
                outcomes.append("launched")
            session.commit()

    threads = [threading.Thread(target=post) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["launch.state_used"] * 5 + ["launched"]
    with factory() as session:
        assert len(session.exec(select(lti.LaunchLog)).all()) == 6
        assert len(session.exec(select(lti.ResourceLink)).all()) == 1
    made.dispose()
