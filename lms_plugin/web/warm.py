"""What the first visitors would have to wait for is made before anybody comes.

Addresses are joined, templates and catalogues read, statements put together and rows' ways into objects found when they
are first wanted. gunicorn forks its workers from a process that has done all that: each then shares it, instead of
making it for itself (docs/adr/0027).
"""

import json
import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qsl, urlsplit

from flask import Flask
from flask.testing import FlaskClient
from joserfc import jws
from joserfc.jwk import RSAKey
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import sessionmaker
from sqlmodel import Session

import lti
from lms_plugin import db
from lms_plugin.config import Settings
from lms_plugin.errors import Refused
from lms_plugin.people import Tenant
from lms_plugin.web import create_app, equip
from lms_plugin.web.edge import Parts, parts

log = logging.getLogger("nengli.web")
_CLAIM = "https://purl.imsglobal.org/spec/lti/claim/"
_AGS = "https://purl.imsglobal.org/spec/lti-ags/claim/endpoint"
_NRPS = "https://purl.imsglobal.org/spec/lti-nrps/claim/namesroleservice"


def warmed(settings: Settings, bind: Engine) -> Flask:
    """An application that a stranger and a teacher have visited. It waits for parts of its own (`equip`): of the visits
    nothing is left but what it learned. `bind`: the engine that it will have, which learns too."""
    made = create_app(settings, sessions=sessionmaker(bind))
    try:
        with _as_if(bind) as connection:
            sessions = sessionmaker(
                connection, class_=Session, expire_on_commit=False, join_transaction_mode="create_savepoint"
            )
            equip(made, settings, sessions=sessions)
            _look_around(made)
    except (Refused, SQLAlchemyError) as error:  # the database is not there or behind, or it refused them
        log.warning("the first visitors will wait: %s", type(error).__name__)
    bind.dispose()  # no connection may be common to two processes
    return made


@contextmanager
def _as_if(bind: Engine) -> Iterator[Connection]:
    """A database to write into that keeps nothing: PostgreSQL's own, in a transaction that is rolled back. SQLite would
    have everybody wait meanwhile, so there it is an empty one in memory."""
    here = bind if bind.dialect.name == "postgresql" else db.engine("sqlite://")
    with here.connect() as connection:
        if here is not bind:
            db.Model.metadata.create_all(connection)
            connection.commit()
        with connection.begin() as outer:
            yield connection
            outer.rollback()


def _look_around(made: Flask) -> None:
    logging.disable()  # nobody came
    try:
        for language in ("zh-CN", "en"):
            for path in ("/livez", "/", "/lti/login"):
                made.test_client().get(path, headers={"Accept-Language": language})
        _launch(made.test_client(), parts(made))
    finally:
        logging.disable(logging.NOTSET)


def _launch(browser: FlaskClient, here: Parts) -> None:
    """A teacher comes for the first time, again, and once the course is renamed; each time to their first page."""
    key, now = RSAKey.generate_key(2048), here.clock()
    host = f"https://{secrets.token_hex(16)}.invalid"  # a name that nobody has (RFC 2606), and nobody registered
    base = here.settings.public_url
    with db.transaction(here.sessions) as session:
        tenant = Tenant(name=host, created_at=now)
        session.add(tenant)
        session.flush()
        lti.add_platform(
            session,
            db.pk(tenant),
            issuer=host,
            client_id="1",
            auth_url=f"{host}/auth",
            token_url=f"{host}/token",
            jwks_url=f"{host}/keys",
            deployments=["1"],
            now=now,
        )
        shown = {"kid": "1", "kty": "RSA", **{name: key.as_dict(private=False)[name] for name in ("n", "e")}}
        session.add(lti.KeySet(url=f"{host}/keys", body={"keys": [shown]}, fetched_at=now))
    target = f"{base}/lti/launch"
    asked = {"iss": host, "client_id": "1", "login_hint": "1", "target_link_uri": target}
    at = int(now.timestamp())
    claims = {
        **{"iss": host, "aud": "1", "sub": "1", "iat": at, "exp": at + 300, "name": "1"},
        _CLAIM + "deployment_id": "1",
        _CLAIM + "target_link_uri": target,
        _CLAIM + "message_type": "LtiResourceLinkRequest",
        _CLAIM + "version": "1.3.0",
        _CLAIM + "roles": ["http://purl.imsglobal.org/vocab/lis/v2/membership#Learner"],
        _CLAIM + "resource_link": {"id": "1", "title": "1"},
        _AGS: {"scope": [], "lineitems": f"{host}/columns"},
        _NRPS: {"context_memberships_url": f"{host}/members"},
    }
    for title in ("1", "1", "2"):
        begun = browser.get("/lti/login", base_url=base, query_string=asked)
        sent = dict(parse_qsl(urlsplit(begun.location or "").query))
        if "nonce" not in sent:
            return  # a database that is not upgraded yet
        said = {**claims, "nonce": sent["nonce"], _CLAIM + "context": {"id": "1", "title": title}}
        token = jws.serialize_compact({"alg": "RS256", "kid": "1"}, json.dumps(said), key, algorithms=["RS256"])
        entered = browser.post("/lti/launch", base_url=base, data={"id_token": token, "state": sent["state"]})
        browser.get(entered.location or "/", base_url=base)
