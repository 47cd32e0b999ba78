"""The entry for gunicorn: `gunicorn --preload 'lms_plugin.wsgi:app()'`."""

import ctypes
import gc
import logging

from flask import Flask

from lms_plugin import db, worker
from lms_plugin.config import Settings
from lms_plugin.web import equip
from lms_plugin.web.warm import warmed

log = logging.getLogger("nengli")
_M_ARENA_MAX, _MOST_HEAPS = -8, 2  # of malloc.h


def app() -> Flask:
    """The application as the environment describes it."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    settings = Settings()
    if settings.allow_loopback:
        log.warning("NENGLI_ALLOW_LOOPBACK=1: http and loopback hosts are admitted. For demo and tests only.")
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    bind = db.engine(settings.database_url)
    made = warmed(settings, bind)
    equip(made, settings, sessions=db.session_factory(bind), wake=worker.waker(settings))
    _share_memory()
    return made


def _share_memory() -> None:
    """For `gunicorn --preload`: what is loaded now stays common to the workers, since the collector writes into it no
    more. The C library gives back what loading left behind, and keeps few heaps for many threads (glibc; others have no
    such settings)."""
    gc.collect()
    gc.freeze()
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt") and hasattr(library, "malloc_trim"):
        library.mallopt(_M_ARENA_MAX, _MOST_HEAPS)
        library.malloc_trim(0)
