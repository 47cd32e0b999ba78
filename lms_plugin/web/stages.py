"""All blueprints, one a stage: launch → people → points → evidence → reviews → cases → release → progress."""

from flask import Blueprint

from lms_plugin.web import (
    cases,
    curate,
    evidence,
    health,
    help,
    kit,
    launches,
    linking,
    lti,
    oversee,
    passport,
    people,
    platforms,
    register,
    release,
    review,
    roster,
    schools,
    submit,
    uploads,
)

BLUEPRINTS: tuple[Blueprint, ...] = (
    lti.blueprint,
    linking.blueprint,
    people.blueprint,
    curate.blueprint,
    submit.blueprint,
    uploads.blueprint,
    evidence.blueprint,
    review.blueprint,
    cases.blueprint,
    release.blueprint,
    passport.blueprint,
    oversee.blueprint,
    roster.blueprint,
    schools.blueprint,
    platforms.blueprint,
    launches.blueprint,
    register.blueprint,
    help.blueprint,
    kit.blueprint,
    health.blueprint,
)
