"""Rows R: what a platform reads of us before anything else."""

from datetime import timedelta

import requests
from sqlmodel import Session

import lti
from tests.lti.conformance.bench import Bench

SECRET = "a secret key of the tests, long enough"


def test_R11_R12_our_keys(bench: Bench) -> None:
    """Our key set: every key that signs or will, use and alg given, nothing private, kept an hour, with an ETag; a new
    key is there a day before it signs and the old one a week after."""
    address = bench.url + "/.well-known/jwks.json"
    with Session(bench.engine) as session:
        old = lti.ensure_tool_key(session, SECRET, bench.now).kid
        new = lti.rotate_key(session, SECRET, bench.now).kid
        session.commit()
    answer = requests.get(address, timeout=10)
    keys = {key["kid"]: key for key in answer.json()["keys"]}
    assert {old, new} <= set(keys)
    for key in keys.values():
        assert (key["kty"], key["use"], key["alg"]) == ("RSA", "sig", "RS256")
        assert not {"d", "p", "q", "dp", "dq", "qi"} & set(key)
    assert answer.headers["Cache-Control"] == "public, max-age=3600"
    unchanged = requests.get(address, headers={"If-None-Match": answer.headers["ETag"]}, timeout=10)
    assert unchanged.status_code == 304
    bench.clock[0] += timedelta(days=8)
    later = {key["kid"] for key in requests.get(address, timeout=10).json()["keys"]}
    assert new in later
    assert old not in later
    with Session(bench.engine) as session:
        assert lti.ensure_tool_key(session, SECRET, bench.now).kid == new
