"""All blueprints, one a stage: launch → people → points → evidence → reviews → cases → release → progress."""

import importlib

from flask import Blueprint

_STAGES = (
    "lti",
    "people",
    "curate",
    "submit",
    "uploads",
    "evidence",
    "review",
    "cases",
    "release",
    "passport",
    "oversee",
    "roster",
    "help",
    "kit",
    "health",
)


def _present() -> tuple[Blueprint, ...]:
    found = []
    for name in _STAGES:
        try:
            found.append(importlib.import_module(f"lms_plugin.web.{name}").blueprint)
        except ModuleNotFoundError as error:
            if error.name != f"lms_plugin.web.{name}":
                raise
    return tuple(found)


BLUEPRINTS = _present()
