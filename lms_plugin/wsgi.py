"""The entry for gunicorn: `gunicorn 'lms_plugin.wsgi:app()'`."""

import logging

from flask import Flask

from lms_plugin import worker
from lms_plugin.config import Settings
from lms_plugin.web import create_app

log = logging.getLogger("nengli")


def app() -> Flask:
    """The application as the environment describes it."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    settings = Settings()
    if settings.allow_loopback:
        log.warning("NENGLI_ALLOW_LOOPBACK=1: http and loopback hosts are admitted. For demo and tests only.")
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    return create_app(settings, wake=worker.waker(settings))
