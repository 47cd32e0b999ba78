"""`nengli`: the operator's commands on a database file of their own."""

import secrets
import socket
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from pydantic import SecretStr
from sqlalchemy import create_engine, text
from sqlmodel import select
from werkzeug.serving import make_server

import lti
from lms_plugin import db
from lms_plugin.cli import main
from lms_plugin.config import Settings
from lms_plugin.people import OrgUnit, Person, Tenant
from lms_plugin.web import create_app
from lms_plugin.worker import Worker
from tests import people as cast
from tests.factories import build_world
from tests.hosts.platform_server import platform_services
from tests.serving import SECRET


@pytest.fixture
def environment(own_database_url: str, tmp_path: Path) -> dict[str, str]:
    return {
        "NENGLI_DATABASE_URL": own_database_url,
        "NENGLI_DATA_DIR": str(tmp_path),
        "NENGLI_SECRET_KEY": SECRET,
        "NENGLI_PUBLIC_URL": "https://tool.example",
    }


def nengli(environment: dict[str, str], *words: str) -> Result:
    return CliRunner().invoke(main, list(words), env=environment)


def done(environment: dict[str, str], *words: str) -> str:
    result = nengli(environment, *words)
    assert result.exit_code == 0, result.output
    return result.output


def refused(environment: dict[str, str], *words: str) -> str:
    result = nengli(environment, *words)
    assert result.exit_code == 1, (result.exit_code, result.output, result.exception)
    assert isinstance(result.exception, SystemExit)
    return result.output


PLATFORM = (
    "--issuer",
    "https://lms.example",
    "--client-id",
    "c-1",
    "--auth-url",
    "https://lms.example/auth",
    "--token-url",
    "https://lms.example/token",
    "--jwks-url",
    "https://lms.example/jwks",
    "--deployment",
    "1",
    "--deployment",
    "2",
)


def test_a_district_from_nothing(environment: dict[str, str]) -> None:
    assert "已建" in done(environment, "tenant", "add", "平安县")
    assert "平安县\tAsia/Shanghai" in done(environment, "tenant", "list")
    done(environment, "unit", "add", "--tenant", "平安县", "希望小学")
    done(environment, "unit", "add", "--tenant", "平安县", "--kind", "school_group", "东片")
    done(environment, "unit", "add", "--tenant", "平安县", "--parent", "东片", "东片小学")
    values = done(environment, "platform", "add", *PLATFORM, "--tenant", "平安县")
    for path in ("/lti/login", "/lti/launch", "/.well-known/jwks.json"):
        assert f"https://tool.example{path}" in values
    assert "https://lms.example\tc-1\tenabled" in done(environment, "platform", "list")
    link = done(environment, "officer", "invite", "--tenant", "平安县")
    assert "https://tool.example/invitation/" in link
    lead = done(environment, "officer", "invite", "--tenant", "平安县", "--role", "school_lead", "--unit", "希望小学")
    assert "https://tool.example/invitation/" in lead


def test_a_city_with_its_counties(environment: dict[str, str]) -> None:
    done(environment, "tenant", "add", "--kind", "city", "平安市")
    done(environment, "unit", "add", "--tenant", "平安市", "--kind", "county", "平安县")
    done(environment, "unit", "add", "--tenant", "平安市", "--parent", "平安县", "希望小学")
    bind = db.engine(environment["NENGLI_DATABASE_URL"])
    with db.transaction(db.session_factory(bind)) as session:
        found = {unit.name: (unit.kind.value, unit.path.count("/") - 1) for unit in session.exec(select(OrgUnit))}
    bind.dispose()
    assert found == {"平安市": ("city", 1), "平安县": ("county", 2), "希望小学": ("school", 3)}
    assert nengli(environment, "tenant", "add", "--kind", "school", "希望小学").exit_code == 2


def test_what_a_school_declares(environment: dict[str, str]) -> None:
    done(environment, "tenant", "add", "平安县")
    words = ("unit", "add", "--tenant", "平安县", "希望小学")
    assert "Unit made" in done(environment, *words)
    assert "(blended)" in done(environment, *words, "--environment", "blended")
    again = done(environment, *words)
    assert "there already" in again
    assert "(blended)" in again  # what is not said changes nothing
    result = nengli(environment, *words, "--environment", "nonsense")
    assert (result.exit_code, "multimedia" in result.output) == (2, True)
    group = ("unit", "add", "--tenant", "平安县", "--kind", "school_group", "--environment", "smart", "东片")
    assert "只有学校申报教学环境" in refused(environment, *group)


def test_no_school_declares_what_a_programme_leaves_no_way_in(environment: dict[str, str]) -> None:
    engine = db.engine(environment["NENGLI_DATABASE_URL"])
    with db.transaction(db.session_factory(engine)) as session:
        world = build_world(session, datetime.now(UTC))
        world.set_rules(choice={"environment_rule": "exact", "min_dimensions": 4, "required_points": 4})
        words = ("unit", "add", "--tenant", world.tenant.name, "--environment", "smart")
        known, title = world.schools["希望小学"].name, world.programme.title
    for name in (known, "新学校"):
        said = refused(environment, *words, name)
        assert "unit.programme_unmet" in said
        assert title in said
    with db.session_factory(engine)() as session:
        assert session.exec(select(OrgUnit).where(OrgUnit.environment == "smart")).all() == []
        assert session.exec(select(OrgUnit).where(OrgUnit.name == "新学校")).all() == []
    engine.dispose()


def test_refusals_are_said_in_both_languages(environment: dict[str, str]) -> None:
    done(environment, "tenant", "add", "平安县")
    for words in (
        ("unit", "add", "--tenant", "没有", "甲校"),
        ("officer", "invite", "--tenant", "没有"),
        ("platform", "add", *PLATFORM, "--tenant", "没有"),
        ("platform", "list", "--tenant", "没有"),
    ):
        said = refused(environment, *words)
        assert "没有叫" in said
        assert "There is no district" in said
    assert "taken" in refused(environment, "tenant", "add", "平安县")
    assert "timezone" in refused(environment, "tenant", "add", "远县", "--timezone", "Mars/Base")
    plain = [word.replace("https://lms.example/auth", "http://lms.example/auth") for word in PLATFORM]
    assert "auth_url" in refused(environment, "platform", "add", *plain, "--tenant", "平安县")
    done(environment, "platform", "add", *PLATFORM, "--tenant", "平安县")
    done(environment, "tenant", "add", "邻县")
    assert "platform.taken" in refused(environment, "platform", "add", *PLATFORM, "--tenant", "邻县")
    assert "school" in refused(environment, "officer", "invite", "--tenant", "平安县", "--role", "school_lead")


def test_names_are_kept_by_the_rules_of_the_pages(environment: dict[str, str]) -> None:
    for name, said in (("  ", "form.required"), ("县\u202e平安", "form.unprintable"), ("县" * 201, "form.too_long")):
        assert said in refused(environment, "tenant", "add", name)
    assert "平安 县" in done(environment, "tenant", "add", " 平安  县 ")
    add = ("unit", "add", "--tenant", "平安 县")
    done(environment, *add, "希望小学")
    for name, said in (("", "form.required"), ("希\u202e望", "form.unprintable"), ("希望 小学", "unit.name_taken")):
        assert said in refused(environment, *add, name)
    assert "unit.under_school" in refused(environment, *add, "--parent", "希望小学", "分校")


def test_a_database_that_was_not_set_up_is_said(environment: dict[str, str], tmp_path: Path) -> None:
    for url in (f"sqlite:///{tmp_path}/empty.db", f"sqlite:///{tmp_path}/nowhere/at-all.db"):
        said = refused({**environment, "NENGLI_DATABASE_URL": url}, "tenant", "list")
        assert "Run nengli db upgrade first" in said
        assert "请先运行 nengli db upgrade" in said


@pytest.mark.postgresql
def test_a_database_that_keeps_no_chinese_is_refused(environment: dict[str, str]) -> None:
    """A server that was installed without a locale makes databases in SQL_ASCII unless it is told otherwise."""
    server = create_engine(environment["NENGLI_DATABASE_URL"], isolation_level="AUTOCOMMIT")
    name = f"nengli_{secrets.token_hex(6)}"
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'"))
    try:
        url = server.url.set(database=name).render_as_string(hide_password=False)
        said = refused({**environment, "NENGLI_DATABASE_URL": url}, "db", "upgrade")
    finally:
        with server.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        server.dispose()
    assert "[database.encoding]" in said
    assert f"{name} is in SQL_ASCII" in said


def test_a_database_server_that_does_not_answer_is_said(environment: dict[str, str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens there
        url = f"postgresql+psycopg://nengli:geheim@127.0.0.1:{taken.getsockname()[1]}/nengli"
        said = refused({**environment, "NENGLI_DATABASE_URL": url}, "db", "upgrade")
    assert "[database.down]" in said
    assert "127.0.0.1" in said
    assert "geheim" not in said


def test_an_address_that_is_never_reached_is_no_registration(environment: dict[str, str]) -> None:
    done(environment, "tenant", "add", "平安县")
    add = ("platform", "add", "--tenant", "平安县")
    for host in ("127.0.0.1", "localhost", "10.0.0.1", "[fd12::1]"):
        inside = [word.replace("https://lms.example/token", f"https://{host}/token") for word in PLATFORM]
        said = refused(environment, *add, *inside)
        assert "token_url" in said
        assert "platform.url_private" in said
        own = {**environment, "NENGLI_ALLOW_NETWORKS": "10.0.0.0/24, fd12::/16"}
        result = nengli(own, *add, *inside)
        assert result.exit_code == (0 if host in ("10.0.0.1", "[fd12::1]") else 1)
    browsers = [word.replace("https://lms.example/auth", "https://10.9.9.9/auth") for word in PLATFORM]
    done(environment, *add, *browsers)  # only browsers go there
    wrong = nengli({**environment, "NENGLI_ALLOW_NETWORKS": "127.0.0.0/8"}, *add, *PLATFORM)
    assert (wrong.exit_code, "NENGLI_ALLOW_NETWORKS" in wrong.output) == (1, True)


def test_what_is_not_given_again_stays_registered(environment: dict[str, str]) -> None:
    done(environment, "tenant", "add", "平安县")
    register = ("platform", "add", "--tenant", "平安县", *PLATFORM)
    done(environment, *register, "--name", "县研修平台", "--product", "moodle", "--audience", "https://lms.example/aud")
    first = done(environment, "platform", "list")
    for words in ("县研修平台", ": 1, 2\n", ": moodle\n", ": https://lms.example/aud\n"):
        assert words in first
    done(environment, *register, "--deployment", "3")
    assert done(environment, "platform", "list") == first.replace(": 1, 2\n", ": 1, 2, 3\n")
    done(environment, *register, "--audience", "")
    assert ": https://lms.example/token (token URL" in done(environment, "platform", "list")
    assert "县研修平台" in done(environment, "platform", "list")


def test_a_registration_is_tried_out(environment: dict[str, str]) -> None:
    done(environment, "tenant", "add", "平安县")
    here = {**environment, "NENGLI_ALLOW_LOOPBACK": "1"}
    which = ("--issuer", "https://lms.example", "--client-id", "c-1")
    assert "platform.unknown" in refused(environment, "platform", "test", *which)
    with platform_services() as services:
        addresses = (
            "--auth-url",
            services.url,
            "--token-url",
            f"{services.url}/token",
            "--jwks-url",
            f"{services.url}/jwks",
        )
        done(here, "platform", "add", *which, *addresses, "--deployment", "1", "--tenant", "平安县")
        said = done(here, "platform", "test", *which)
        assert "✓ 读平台的公钥: 通了" in said
        assert "– Reading the roster of a course: No course has given" in said
        services.tokens[""] = (400, "text/html", "")
        said = refused(here, "platform", "test", *which)
        assert "✗ 向平台要访问令牌: 平台连不到本工具的公钥地址 https://tool.example/.well-known/jwks.json" in said


@pytest.mark.parametrize("port", ["0", "65436", "65500", "70000", "-1", "abc", "", "８６００"])
def test_a_demo_on_no_port_is_refused(tmp_path: Path, port: str) -> None:
    said = refused({}, "demo", "--data-dir", str(tmp_path / "demo"), "--port", port)
    assert f"“{port}”不能作端口：请给 1 到 65435 之间的整数" in said
    assert "from 1 to 65435" in said
    assert not (tmp_path / "demo").exists()


def test_settings_that_do_not_fit_stop_the_start(environment: dict[str, str]) -> None:
    said = refused({**environment, "NENGLI_PUBLIC_URL": "http://tool.example"}, "tenant", "list")
    assert "https" in said
    assert "设置有误" in said
    assert "32" in refused({**environment, "NENGLI_SECRET_KEY": "short"}, "tenant", "list")


def test_a_secret_is_long_and_new(environment: dict[str, str]) -> None:
    first, second = done(environment, "secret").strip(), done(environment, "secret").strip()
    assert first != second
    assert len(first) >= 48


def test_the_operator_finds_every_refusal(environment: dict[str, str]) -> None:
    """Also one for which no district is known: no page shows that to anybody."""
    done(environment, "tenant", "add", "平安县")
    engine = db.engine(environment["NENGLI_DATABASE_URL"])
    now = datetime.now(UTC)
    with db.transaction(db.session_factory(engine)) as session:
        unknown = lti.log_registration(session, "https://lms.example", now, check="code", code="invitation.unusable")
        tenant_id = session.exec(select(Tenant.id)).one()
        kept = lti.log_registration(session, "https://lms.example", now, tenant_id=tenant_id)
    engine.dispose()
    listed = done(environment, "launches")
    assert unknown in listed
    assert kept in listed
    assert kept not in done(environment, "launches", "--refused")
    assert unknown not in done(environment, "launches", "--tenant", "平安县")
    told = done(environment, "launches", unknown.lower().replace("-", ""))
    assert "✓ 平台带来了自己的配置网址" in told
    assert "✗ 邀请码可用，管到全区县 / The invitation code is good" in told
    assert "[invitation.unusable]" in told
    assert "没有这个编号" in refused(environment, "launches", "AAAA-AAAA")
    assert "没有这个编号" in refused(environment, "launches", unknown, "--tenant", "平安县")


def test_keys_are_rotated_by_command(environment: dict[str, str]) -> None:
    done(environment, "tenant", "add", "平安县")
    first = done(environment, "platform", "rotate-keys")
    assert done(environment, "platform", "rotate-keys") == first  # one that waits is enough
    at_once = done(environment, "platform", "rotate-keys", "--at-once")
    assert at_once != first
    engine = db.engine(environment["NENGLI_DATABASE_URL"])
    with db.session_factory(engine)() as session:
        shown = lti.tool_jwks(session, datetime.now(UTC))["keys"]
    engine.dispose()
    assert [key["kid"] in at_once for key in shown] == [True]


def test_the_doctor_says_what_is_wrong_and_ends_with_one(environment: dict[str, str]) -> None:
    done(environment, "tenant", "add", "平安县")
    told = refused(environment | {"NENGLI_PUBLIC_URL": "https://127.0.0.1:1"}, "doctor")
    assert "✓ 数据库 / The database" in told
    assert "✗ 后台任务 / The worker [doctor.worker_never]" in told
    assert "✗ 安装密钥（NENGLI_SECRET_KEY） / NENGLI_SECRET_KEY [doctor.secret_weak]" in told
    assert "systemctl start nengli-worker" in told


def test_the_doctor_of_a_sound_installation_ends_with_nought(environment: dict[str, str]) -> None:
    """On loopback, with a server that answers as the tool does."""
    done(environment, "tenant", "add", "平安县")
    own = environment | {"NENGLI_SECRET_KEY": secrets.token_urlsafe(48), "NENGLI_ALLOW_LOOPBACK": "1"}
    server = make_server("127.0.0.1", 0, lambda *_given: [])
    own["NENGLI_PUBLIC_URL"] = f"http://127.0.0.1:{server.server_port}"
    settings = Settings(
        database_url=own["NENGLI_DATABASE_URL"],
        secret_key=SecretStr(own["NENGLI_SECRET_KEY"]),
        public_url=own["NENGLI_PUBLIC_URL"],
        data_dir=Path(own["NENGLI_DATA_DIR"]),
        allow_loopback=True,
    )
    worker = Worker(settings)
    worker.tick()
    worker.close()
    engine = db.engine(settings.database_url)
    server.app = create_app(settings, sessions=db.session_factory(engine))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        told = done(own, "doctor")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        engine.dispose()
    assert "✗" not in told
    assert "✓ 本工具的公钥地址" in told
    assert "✓ 反向代理" in told


def test_the_doctor_without_a_database(environment: dict[str, str], tmp_path: Path) -> None:
    told = refused(environment | {"NENGLI_DATABASE_URL": f"sqlite:///{tmp_path}/nowhere/x.sqlite3"}, "doctor")
    assert "[doctor.database_down]" in told


def test_the_doctor_of_a_database_that_lacks_migrations(environment: dict[str, str], tmp_path: Path) -> None:
    told = refused(environment | {"NENGLI_DATABASE_URL": f"sqlite:///{tmp_path}/empty.sqlite3"}, "doctor")
    assert "[doctor.not_at_head]" in told
    assert "nengli db upgrade" in told
    assert "[doctor.database_down]" not in told


def test_a_disabled_platform_stays_so_when_something_is_added_to_it(environment: dict[str, str]) -> None:
    named = ("--issuer", "https://lms.example", "--client-id", "c-1")
    done(environment, "tenant", "add", "平安县")
    done(environment, "platform", "add", "--tenant", "平安县", *PLATFORM)
    done(environment, "platform", "disable", *named)
    done(environment, "platform", "add", "--tenant", "平安县", *PLATFORM, "--deployment", "second")
    listed = done(environment, "platform", "list")
    assert "disabled" in listed
    assert "second" in listed
    done(environment, "platform", "enable", *named)
    assert "disabled" not in done(environment, "platform", "list")
    done(environment, "platform", "withdraw", *named, "--deployment", "second")
    assert "second" not in done(environment, "platform", "list")
    assert "[platform.deployment_unknown]" in refused(
        environment, "platform", "withdraw", *named, "--deployment", "third"
    )
    done(environment, "platform", "add", "--tenant", "平安县", *PLATFORM, "--deployment", "second")
    assert "second" in done(environment, "platform", "list")


def test_a_registration_is_tried_with_a_secret_that_is_not_the_keys(environment: dict[str, str]) -> None:
    done(environment, "tenant", "add", "平安县")
    done(environment, "platform", "add", "--tenant", "平安县", *PLATFORM)
    other = environment | {"NENGLI_SECRET_KEY": secrets.token_urlsafe(48)}
    told = refused(other, "platform", "test", "--issuer", "https://lms.example", "--client-id", "c-1")
    assert "[keys.secret_changed]" in told
    assert "[keys.secret_changed]" in refused(other, "doctor")


def test_the_launch_log_shows_one_row_at_least(environment: dict[str, str]) -> None:
    for limit in ("0", "-1"):
        assert nengli(environment, "launches", "--limit", limit).exit_code == 2


def test_a_persons_data_are_taken_out_once_it_is_meant(environment: dict[str, str]) -> None:
    done(environment, "db", "upgrade")
    engine = db.engine(environment["NENGLI_DATABASE_URL"])
    with db.transaction(db.session_factory(engine)) as session:
        uuid = build_world(session, datetime.now(UTC)).person(cast.CHEN).uuid
    erase = ("person", "erase", "--tenant", "平安县", "--person", uuid, "--reason")

    def name() -> str:
        with db.session_factory(engine)() as session:
            return session.exec(select(Person.name).where(Person.uuid == uuid)).one()

    assert "erase.names" in refused(environment, *erase, f"{cast.CHEN.name}要求", "--yes")
    assert "--yes" in done(environment, *erase, "本人要求")
    assert name() == cast.CHEN.name
    done(environment, *erase, "本人要求", "--yes")
    assert name() == ""
    assert "erase.done" in refused(environment, *erase, "本人要求", "--yes")
    engine.dispose()
