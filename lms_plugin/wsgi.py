"""The entry for gunicorn: `gunicorn 'lms_plugin.wsgi:app()'`."""

import ctypes
import gc
import logging

from flask import Flask

from lms_plugin import worker
from lms_plugin.config import Settings
from lms_plugin.web import create_app

log = logging.getLogger("nengli")
_M_ARENA_MAX, _MOST_HEAPS = -8, 2  # of malloc.h


def app() -> Flask:
    """The application as the environment describes it."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    settings = Settings()
    if settings.allow_loopback:
        log.warning("NENGLI_ALLOW_LOOPBACK=1: http and loopback hosts are admitted. For demo and tests only.")
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    made = create_app(settings, wake=worker.waker(settings))
    _share_memory()
    return made


def _share_memory() -> None:
    """For `gunicorn --preload`, which forks its workers after this: what is loaded now stays common to them, since the
    collector writes into it no more; and the C library keeps few heaps for many threads (glibc; others have no such
    setting)."""
    gc.collect()
    gc.freeze()
    if (setting := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:
        setting(_M_ARENA_MAX, _MOST_HEAPS)
