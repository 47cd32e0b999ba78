"""The peer: PyLTI1p3's Flask adapter with Redis, set up as its own documentation does. Runs in an environment of its
own and knows nothing of ours. Settings come as JSON in BENCH_PEER."""

import json
import os
from typing import Any

from flask import Flask, redirect
from flask_caching import Cache
from pylti1p3.contrib.flask import FlaskCacheDataStorage, FlaskMessageLaunch, FlaskOIDCLogin, FlaskRequest
from pylti1p3.exception import LtiException, OIDCException
from pylti1p3.tool_config import ToolConfDict
from werkzeug.wrappers import Response


def app() -> Flask:
    """The peer as a WSGI application."""
    told = json.loads(os.environ["BENCH_PEER"])
    made = Flask("peer")
    made.config.update(
        SECRET_KEY="of the benchmark alone",
        CACHE_TYPE="RedisCache",
        CACHE_REDIS_HOST="127.0.0.1",
        CACHE_REDIS_PORT=told["redis"],
        CACHE_DEFAULT_TIMEOUT=600,
    )
    cache = Cache(made)
    platform: dict[str, Any] = {
        "default": True,
        "client_id": told["client_id"],
        "auth_login_url": told["auth_url"],
        "auth_token_url": told["token_url"],
        "key_set_url": told["jwks_url"],
        "key_set": None,
        "deployment_ids": [told["deployment"]],
    }
    config = ToolConfDict({told["issuer"]: platform})

    @made.get("/livez")
    def live() -> str:
        return "ok"

    @made.route("/lti/login", methods=["GET", "POST"])
    def login() -> Response:
        storage = FlaskCacheDataStorage(cache)
        return FlaskOIDCLogin(FlaskRequest(), config, launch_data_storage=storage).redirect(
            told["tool"] + "/lti/launch"
        )

    @made.post("/lti/launch")
    def launch() -> Response:
        storage = FlaskCacheDataStorage(cache)
        received = FlaskMessageLaunch(FlaskRequest(), config, launch_data_storage=storage)
        received.set_public_key_caching(storage, cache_lifetime=7200)  # as its README recommends
        received.get_launch_data()  # every check that it makes
        return redirect("/", 303)

    @made.errorhandler(LtiException)
    @made.errorhandler(OIDCException)
    def refused(error: Exception) -> tuple[str, int]:
        return str(error), 403

    return made
