"""The floor: a bare Flask route that checks one RS256 signature (joserfc) and nothing else, then redirects."""

import json
import os

from flask import Flask, redirect, request
from joserfc import jws
from joserfc.jwk import RSAKey
from werkzeug.wrappers import Response


def app() -> Flask:
    """The floor as a WSGI application; BENCH_FLOOR_KEY holds the host's public key (JWK)."""
    made = Flask("floor")
    key = RSAKey.import_key(json.loads(os.environ["BENCH_FLOOR_KEY"]))

    @made.get("/livez")
    def live() -> str:
        return "ok"

    @made.get("/lti/login")
    def login() -> Response:
        return redirect("https://lms.example/auth", 302)

    @made.post("/lti/launch")
    def launch() -> Response:
        jws.deserialize_compact(request.form["id_token"], key, algorithms=["RS256"])
        return redirect("/", 303)

    return made
