"""What somebody wrote into the ledger past the product: the auditor's pages say it, whatever it is, and open."""

import pytest
from sqlalchemy import text

import competencies
from lms_plugin.db import pk
from tests import people as cast
from tests.factories import World
from tests.flow.earned import earn
from tests.ledgers import unguarded

BOTH = [
    ("UPDATE credit_entry SET credit_hundredths = 99", "被改动过"),
    ("UPDATE credit_entry SET reason = 'bribe', source = '<b>x</b>'", "bribe &lt;b&gt;x&lt;/b&gt;"),
    ("UPDATE credit_entry SET person_id = 900001", "数据读不出来"),
    ("UPDATE credit_entry SET programme_id = 900001", "数据读不出来"),
    ("UPDATE credit_entry SET policy_id = 900001", "规则版本不见了"),
    ("UPDATE credit_entry SET tenant_id = (SELECT max(id) FROM tenant)", "记录不见了"),
    ("UPDATE ledger_seal SET first_entry_id = -7, last_entry_id = -7", "封存被改动过"),
    ("UPDATE ledger_seal SET hash = 'x'", "学时证明或每天早上的通知里记下了"),
    ("DELETE FROM ledger_seal", "没有一次封存里有这条记录"),
]
SQLITE = [
    ("UPDATE credit_entry SET source = CAST(x'ff80' AS TEXT)", "<code>source</code>"),
    ("UPDATE credit_entry SET source = x'00ff', uuid = x'00'", "x00"),
    ("UPDATE credit_entry SET entered_at = 'never', earned_on = '0000-00-00'", "<code>never</code>"),
    ("UPDATE credit_entry SET entered_at = '9999-12-31 23:59:59-12:00'", "<code>entered_at</code>"),
    ("UPDATE credit_entry SET credit_hundredths = 'many', award_id = 'x'", "<code>many</code>"),
    ("UPDATE credit_entry SET kind = 'gold'", "<code>gold</code>"),
    ("UPDATE person SET name = CAST(x'ff80' AS TEXT) WHERE name = '陈晓芳'", "udcff"),
    ("UPDATE programme_policy SET rules = 'x', made_at = 'then'", "没有办法写成文字"),
    ("UPDATE submission_version SET manifest = '[1'", "数据读不出来"),
    ("UPDATE ledger_seal SET entries = CAST(x'ff80' AS TEXT)", "没有一次封存里有这条记录"),
]
POSTGRESQL = [
    ("UPDATE credit_entry SET entered_at = 'infinity'", "<code>infinity</code>"),
    ("UPDATE credit_entry SET earned_on = '-infinity'", "<code>-infinity</code>"),
    ("UPDATE programme_policy SET made_at = '-infinity'", "读不出来"),
    ("UPDATE decision SET decided_at = 'infinity'", "数据读不出来"),
]


@pytest.mark.parametrize(("statement", "said"), [*BOTH, *SQLITE, *POSTGRESQL])
def test_a_damaged_entry_is_told_and_no_error(browse, world: World, statement: str, said: str) -> None:
    dialect = world.session.get_bind().dialect.name
    if (statement, said) in (SQLITE if dialect == "postgresql" else POSTGRESQL):
        return  # the other database refuses it
    earn(world, cast.CHEN, "A3", "A5", "B1", level=2)
    competencies.seal(world.session, pk(world.tenant), world.now)
    world.session.commit()
    auditor = browse(cast.AUDITOR)
    drawn = auditor.post("/audit/draws", {"key": "k", "wanted": "5", "seed": "s"}).headers["Location"]
    connection = world.session.connection()
    with unguarded(connection):
        if dialect == "sqlite":
            connection.execute(text("PRAGMA ignore_check_constraints = ON"))
            connection.connection.driver_connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute(text(statement))
    world.session.commit()
    world.session.expire_all()
    pages = [auditor.get(address) for address in (drawn, f"{drawn}?again=1", f"{drawn}/1")]
    assert [page.status_code for page in pages] == [200, 200, 200]
    assert said in pages[2].text, pages[2].text.partition("<main")[2]
    assert auditor.post(f"{drawn}/1", {"finding": "question", "remark": "被改过"}).status_code == 303
