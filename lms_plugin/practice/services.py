"""Gradebook and member list as a tool sees them (AGS 2.0, NRPS 2.0): the wheel's dispatch, our storage and rules.

Manners are those recorded from Moodle 4.5 wherever it has any: strict media types, 401 for every token that does not
do, an empty 200 for a score, `[]` and the reason in the status line for a refused one.
"""

import json
import math
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from flask import Request as HttpRequest
from lti1p3platform.exceptions import LineItemNotFoundException, LtiServiceException
from lti1p3platform.membership import Context
from lti1p3platform.request import Request
from lti1p3platform.score import UpdateScoreStatus
from lti1p3platform.service_connector import AssignmentsGradesService, NamesRoleProvisioningService

from lms_plugin.practice.config import MEMBERSHIP, PracticeConfig, PracticeCourse, PracticePerson
from lms_plugin.practice.platform import PracticePlatform
from lms_plugin.practice.store import Grade, LineItem

AGS_CLAIM = "https://purl.imsglobal.org/spec/lti-ags/claim/endpoint"
AGS_SCOPE = "https://purl.imsglobal.org/spec/lti-ags/scope/"
NRPS_SCOPE = "https://purl.imsglobal.org/spec/lti-nrps/scope/contextmembership.readonly"

LINEITEM = "application/vnd.ims.lis.v2.lineitem+json"
LINEITEMS = "application/vnd.ims.lis.v2.lineitemcontainer+json"
SCORE = "application/vnd.ims.lis.v1.score+json"
RESULTS = "application/vnd.ims.lis.v2.resultcontainer+json"
MEMBERS = "application/vnd.ims.lti-nrps.v2.membershipcontainer+json"

LABEL_LIMIT, TAG_LIMIT, RESOURCE_ID_LIMIT = 255, 255, 512  # characters, as Moodle's columns


def _base(config: PracticeConfig, course: str) -> str:
    return f"{config.loopback_url}/ags/{course}/lineitems"


def lineitems_url(config: PracticeConfig, course: str) -> str:
    """The container's address. It carries a query, as Moodle's does: a tool must add `/scores` before it."""
    return _base(config, course) + "?type_id=1"


def lineitem_url(config: PracticeConfig, course: str, item_id: int) -> str:
    """One column's address, with the same query."""
    return f"{_base(config, course)}/{item_id}/lineitem?type_id=1"


def memberships_url(config: PracticeConfig, course: str) -> str:
    """The member list's address."""
    return f"{config.loopback_url}/nrps/{course}/memberships"


class ServiceRequest(Request):
    """A service call. Page numbers are numbers (the wheel adds 1 to text), and a bad body is 400, not 500."""

    def build_metadata(self, request: HttpRequest) -> dict[str, Any]:
        """Called by the wheel's constructor with the Flask request."""
        return {
            "method": request.method,
            "form_data": {},
            "get_data": request.args.to_dict(),
            "headers": request.headers,
            "content_type": request.content_type,
            "path": request.path,
            "json": request.get_data(),
        }

    @property
    def get_data(self) -> dict[str, Any]:
        """The query with `page` and `limit` as positive numbers. Raises LtiServiceException 400."""
        values: dict[str, Any] = dict(self.request["get_data"])
        for name in ("page", "limit"):
            if name in values:
                text = values[name]
                if not (text.isascii() and text.isdigit() and len(text) < 9 and int(text)):
                    raise LtiServiceException(f"{name} must be a positive number", 400)
                values[name] = int(text)
        return values

    @property
    def json(self) -> dict[str, Any]:
        """The body, which must be a JSON object. Raises LtiServiceException 400."""
        try:
            body = json.loads(self.request["json"])
        except ValueError as error:
            raise LtiServiceException("Invalid JSON", 400) from error
        if not isinstance(body, dict):
            raise LtiServiceException("The body must be a JSON object", 400)
        return body


def page_of(rows: list[Any], page: int, limit: int | None) -> dict[str, Any]:
    """The `page`th (from 1) `limit` rows; without a limit all of them, as Moodle answers."""
    if limit is None:
        return {"content": rows if page == 1 else [], "has_next": False}
    return {"content": rows[(page - 1) * limit : page * limit], "has_next": page * limit < len(rows)}


def number(value: Any, name: str) -> float:
    """A finite number, also from a numeric string (Moodle takes both). Raises LtiServiceException 400."""
    try:
        result = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        result = math.nan
    if not math.isfinite(result):
        raise LtiServiceException(f"{name} is not a number", 400)
    return result


def plain(value: float) -> int | float:
    """25.0 is sent as 25."""
    return int(value) if value == int(value) else value


class PracticeGrades(AssignmentsGradesService):
    """Line items, scores and results of one course."""

    def __init__(
        self,
        request: ServiceRequest,
        platform: PracticePlatform,
        course: PracticeCourse,
        *,
        scopes: Iterable[str],
        item: int | None = None,
    ) -> None:
        base = _base(platform.config, course.id)
        super().__init__(request, platform, base, f"{base}/{item}/lineitem" if item else None)
        self._store = platform.store
        self._config = platform.config
        self._course = course
        self._scopes = [AGS_SCOPE + scope for scope in scopes]

    @property
    def allowed_scopes(self) -> list[str]:
        """Scopes for this very operation. To the wheel any AGS scope opens everything: readers could delete."""
        return self._scopes

    def _item(self, item_id: Any) -> LineItem:
        item = self._store.line_item(self._course.id, int(item_id))
        if item is None:
            raise LineItemNotFoundException
        return item

    def _shown(self, item: LineItem) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "id": lineitem_url(self._config, self._course.id, item.id),
            "label": item.label,
            "scoreMaximum": plain(item.score_maximum),
            "resourceId": item.resource_id,
            "tag": item.tag,
        }
        if item.resource_link_id:
            shown["resourceLinkId"] = item.resource_link_id
        return shown

    def _fields(self, body: dict[str, Any]) -> dict[str, Any]:
        label = body.get("label")
        if not isinstance(label, str) or not label.strip():
            raise LtiServiceException("label is missing", 400)
        fields: dict[str, Any] = {"label": label, "score_maximum": number(body.get("scoreMaximum"), "scoreMaximum")}
        if fields["score_maximum"] <= 0:
            raise LtiServiceException("scoreMaximum must be more than 0", 400)
        for name, column in (("resourceId", "resource_id"), ("tag", "tag"), ("resourceLinkId", "resource_link_id")):
            value = body.get(name)
            if value is not None and not isinstance(value, str | int):
                raise LtiServiceException(f"{name} must be text", 400)
            fields[column] = "" if value is None else str(value)
        limits = (("label", LABEL_LIMIT), ("tag", TAG_LIMIT), ("resource_id", RESOURCE_ID_LIMIT))
        for column, limit in limits:
            if len(fields[column]) > limit:
                raise LtiServiceException(f"{column} is longer than {limit} characters", 400)
        if fields["resource_link_id"] and self._course.link(fields["resource_link_id"]) is None:
            raise LtiServiceException("resourceLinkId is not an activity of this course", 403)
        return fields

    def find_lineitems(
        self,
        page: int = 1,
        limit: int | None = None,
        line_item_id: str | None = None,
        resource_link_id: str | None = None,
        resource_id: str | None = None,
        tag: str | None = None,
        **_others: str,
    ) -> dict[str, Any]:
        """The course's columns by the three filters of AGS; other parameters are ignored (the wheel fails on them)."""
        rows = [
            self._shown(item)
            for item in self._store.line_items(self._course.id)
            if resource_link_id in (None, item.resource_link_id)
            and resource_id in (None, item.resource_id)
            and tag in (None, item.tag)
        ]
        return page_of(rows, page, limit)

    def find_lineitem(self, line_item_id: Any) -> dict[str, Any]:
        """One column."""
        return self._shown(self._item(line_item_id))

    def create_lineitem(self, creation_data: dict[str, Any]) -> dict[str, Any]:
        """A new column; resourceId need not be unique, as in Moodle."""
        return self._shown(self._store.add_line_item(self._course.id, self._fields(creation_data)))

    def update_lineitem(self, update_data: dict[str, Any]) -> dict[str, Any]:
        """Replace a column: what is not sent is blanked, as in Moodle."""
        item = self._item(update_data["id"])
        return self._shown(self._store.change_line_item(item, self._fields(update_data)))

    def delete_lineitem(self, line_item_id: Any) -> None:
        """Remove a column and its grades."""
        self._store.delete_line_item(self._item(line_item_id))

    def update_score(self, line_item_id: Any, score: dict[str, Any]) -> UpdateScoreStatus:
        """Take a score. Raises LtiServiceException 400; a timestamp that is not later, in whole seconds, is 409.

        Only FullyGraded is a grade: any other progress clears what was there, stamped with the host's clock.
        """
        item = self._item(line_item_id)
        for name in ("userId", "timestamp", "activityProgress", "gradingProgress"):
            if score.get(name) in (None, ""):
                raise LtiServiceException(f"{name} is missing", 400)
        sent_at = whole_seconds(score["timestamp"])
        learner = self._config.learner(str(score["userId"]))
        if learner is None:
            raise LtiServiceException("Incorrect score received: only learners of this course can be graded", 400)
        value: float | None = None
        if score.get("scoreGiven") is not None:
            maximum = number(score.get("scoreMaximum"), "scoreMaximum")
            if maximum <= 0:
                raise LtiServiceException("scoreMaximum must be more than 0", 400)
            share = min(max(number(score["scoreGiven"], "scoreGiven") / maximum, 0.0), 1.0)
            value = round(share * item.score_maximum, 5)
        stamp = sent_at
        if score["gradingProgress"] != "FullyGraded":
            value, stamp = None, max(int(time.time()), sent_at)
        grade = Grade(item.id, learner.sub, stamp, value, str(score.get("comment") or ""))
        stored = self._store.put_grade(grade, sent_at=sent_at)
        return UpdateScoreStatus.SUCCESS if stored else UpdateScoreStatus.OLD_TIMESTAMP

    def get_results(
        self, line_item_id: Any, page: int = 1, limit: int | None = None, user_id: str | None = None, **_others: str
    ) -> dict[str, Any]:
        """Grades of a column; a cleared grade is a row without a score, as in Moodle."""
        item = self._item(line_item_id)
        url = lineitem_url(self._config, self._course.id, item.id)
        rows = []
        for grade in self._store.grades(self._course.id):
            if grade.line_item != item.id or user_id not in (None, grade.sub):
                continue
            row: dict[str, Any] = {"id": f"{url}&user_id={grade.sub}", "userId": grade.sub, "scoreOf": url}
            if grade.score is not None:
                row |= {"resultScore": plain(grade.score), "resultMaximum": plain(item.score_maximum)}
                row["timestamp"] = datetime.fromtimestamp(grade.stamp, UTC).isoformat()
            if grade.comment:
                row["comment"] = grade.comment
            rows.append(row)
        return page_of(rows, page, limit)


def whole_seconds(text: Any) -> int:
    """Epoch seconds of an ISO 8601 time with a zone, the fraction cut off. Raises LtiServiceException 400."""
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError) as error:
        raise LtiServiceException("timestamp is not an ISO 8601 time", 400) from error
    if "T" not in text or moment.tzinfo is None:
        raise LtiServiceException("timestamp is not an ISO 8601 time with a zone", 400)
    return math.floor(moment.timestamp())


class PracticeRoster(NamesRoleProvisioningService):
    """Members of one course."""

    def __init__(self, request: ServiceRequest, platform: PracticePlatform, course: PracticeCourse) -> None:
        super().__init__(request, platform, memberships_url(platform.config, course.id))
        self._people = platform.config.people
        self._course = course

    def get_context_by_id(self) -> Context:
        """The course as a context."""
        return Context(id=self._course.id, label=self._course.label, title=self._course.title)

    def is_resource_link_valid(self, context_id: str, resource_link_id: str) -> bool:
        """Whether the activity is in this course."""
        return self._course.link(resource_link_id) is not None

    def get_member_data_page(
        self, page: int = 1, limit: int | None = None, role: str | None = None, since: str | None = None, **_others: str
    ) -> dict[str, Any]:
        """Enrolled people. `role` is a short name or a URI; any other value is ignored, as in Moodle.

        `rlid` and unknown parameters arrive as keywords, on which the wheel's own signature fails.
        """
        wanted = (role or "").removeprefix(MEMBERSHIP)
        chosen = wanted if wanted in ("Learner", "Instructor") else None
        rows = [_member(p) for p in self._people if p.is_enrolled and chosen in (None, p.member_role)]
        return page_of(rows, page, limit)


def _member(person: PracticePerson) -> dict[str, Any]:
    row: dict[str, Any] = {"status": "Active", "roles": [person.member_role], "user_id": person.sub}
    if person.shares_identity:
        row |= {
            "lis_person_sourcedid": person.staff_number,
            "name": person.name,
            "given_name": person.given_name,
            "family_name": person.family_name,
            "email": person.email,
        }
    else:
        row["lis_person_sourcedid"] = ""
    return row
