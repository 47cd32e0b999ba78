"""The block: the tool in a frame, and beside it a card that also reads where the tool is down."""

import logging
import math
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from django.utils.html import escape
from web_fragments.fragment import Fragment
from webob import Response
from xblock.completable import CompletableXBlockMixin
from xblock.core import XBlock
from xblock.exceptions import JsonHandlerError
from xblock.fields import Boolean, DateTime, Float, Scope, String
from xblock.scorable import ScorableXBlockMixin, Score

from nengli_xblock import card, compat, pages
from nengli_xblock.compat import HOURS, POINTS, Account, NotReady
from nengli_xblock.studio import StudioMixin
from nengli_xblock.words import _, sentence

log = logging.getLogger(__name__)

EVENT = "nengli.credit_hours.recorded"
CREDIT_NAMESPACE = "nengli"


@XBlock.needs("i18n")
@XBlock.wants("user", "rebind_user", "credit")
class NengliXBlock(StudioMixin, ScorableXBlockMixin, CompletableXBlockMixin, XBlock):
    """A programme of Nengli (or one of its points or pages) in a course."""

    icon_class = "problem"
    has_score = True
    has_author_view = True

    display_name = String(display_name=_("Title"), default="能力 Nengli", scope=Scope.settings)
    weight = Float(
        display_name=_("Points in the gradebook"),
        help=_("0 = shown here, and not part of the course's grade."),
        default=10.0,
        scope=Scope.settings,
    )
    accept_grades_past_due = Boolean(
        display_name=_("Grades after the due date"),
        help=_("Trainers decide after teachers hand in: without this, what is decided after the due date is lost."),
        default=True,
        scope=Scope.settings,
    )
    # What was chosen on the tool's page. It travels with the course when that is exported or run again.
    programme = String(default="", scope=Scope.settings)
    view = String(default="", scope=Scope.settings)
    point = String(default="", scope=Scope.settings)
    chosen_title = String(default="", scope=Scope.settings)

    module_score = Float(default=None, scope=Scope.user_state)  # as in the gradebook: a part of the weight
    points_given = Float(default=None, scope=Scope.user_state)
    points_maximum = Float(default=None, scope=Scope.user_state)
    points_comment = String(default="", scope=Scope.user_state)
    points_at = DateTime(default=None, scope=Scope.user_state)
    hours_given = Float(default=None, scope=Scope.user_state)
    hours_maximum = Float(default=None, scope=Scope.user_state)
    hours_at = DateTime(default=None, scope=Scope.user_state)
    next_step = String(default="", scope=Scope.user_state)  # as the tool's page has last said it
    next_at = DateTime(default=None, scope=Scope.user_state)

    # --- what is shown ---

    @XBlock.supports("multi_device")
    def student_view(self, _context: Any = None) -> Fragment:
        """Card and frame. Asks neither the tool nor the consumer: what the card says is kept, and the frame's address
        is a handler of ours, so that a course page never waits for anybody."""
        viewer = self.viewer()
        if viewer is None:
            return self._card("anonymous")
        if viewer.is_preview:
            return self._card("preview")
        return self._card("broken" if compat.problem() else "open")

    def public_view(self, _context: Any = None) -> Fragment:
        """Who has not signed in sees what this is, and how to begin."""
        return self._card("anonymous")

    def student_view_data(self, _context: Any = None) -> dict[str, Any]:
        """What applications for phones show of the block: nothing of any learner, for it is kept for all."""
        return {"title": self.display_name, "about": self.chosen_title, "weight": self.max_score(), "web_view": True}

    def index_dictionary(self) -> dict[str, Any]:
        """What the course's search finds: what authors wrote, nothing of learners."""
        found: dict[str, Any] = super().index_dictionary()
        found.setdefault("content", {}).update({"display_name": self.display_name, "about": self.chosen_title})
        found["content_type"] = "Nengli"
        return found

    def _card(self, state: str) -> Fragment:
        due = self._due()
        context = {
            "state": state,
            "title": self.display_name,
            "about": self.chosen_title,
            "card": self.card(),
            "is_graded": bool(self.max_score()),
            "due": due.isoformat() if due else "",
            "is_past_due": self.is_past_due(),
            "is_team": (viewer := self.viewer()) is not None and viewer.role in ("staff", "instructor"),
            "tool": compat.tool_url(),
            "launch": self.runtime.handler_url(self, "launch").rstrip("?/") if state == "open" else "",
            "id": self.scope_ids.usage_id,
        }
        fragment = Fragment(self.page("card.html", context))
        fragment.add_css_url(self.runtime.local_resource_url(self, "public/card.css"))
        if state == "open":
            fragment.add_javascript_url(self.runtime.local_resource_url(self, "public/card.js"))
            fragment.initialize_js("NengliCard")
        return fragment

    def page(self, name: str, context: dict[str, Any]) -> str:
        """A page of ours in the reader's language."""
        return pages.render(name, context, self.runtime.service(self, "i18n"))

    def card(self) -> dict[str, Any]:
        """Points, hours and next step, as they are kept."""
        return {
            "points": card.line(self.points_given, self.points_maximum, self.points_at),
            "comment": self.points_comment,
            "hours": card.line(self.hours_given, self.hours_maximum, self.hours_at),
            "next": "" if self._is_next_over() else self.next_step,
            "is_next_over": self._is_next_over(),
        }

    def _is_next_over(self) -> bool:
        """Whether points or hours have come since the tool's page has said the next step: it said so before."""
        came = [at for at in (self.points_at, self.hours_at) if at is not None]
        return self.next_at is not None and any(at > self.next_at for at in came)

    # --- what the browser asks ---

    @XBlock.handler
    def launch(self, _request: Any, _suffix: str = "") -> Response:
        """The frame's address: on to the tool. What stands in the way is said in the frame, in plain words."""
        viewer = self.viewer()
        if viewer is None:
            return self.said("anonymous", 401)
        if viewer.is_preview:  # else whoever may preview could hand in, review and object as that learner
            return self.said("preview", 403)
        try:
            return Response(status=302, location=compat.launch_url(self, self.named(viewer)))
        except NotReady as error:
            log.warning("nengli: %s cannot be opened: %s", self.scope_ids.usage_id, error.code)
            return self.said("broken", 503)
        except Exception:  # the course page around this frame must not break
            compat.warn("cannot be opened", self.scope_ids.usage_id)
            return self.said("broken", 503)

    def said(self, code: str, status: int) -> Response:
        """A sentence instead of a page of the tool."""
        words = sentence(self.runtime.service(self, "i18n"), code)
        body = f'<!doctype html><meta charset="utf-8"><title>Nengli</title><p role="alert">{escape(words)}</p>'
        return Response(body, status=status, content_type="text/html", charset="utf-8")

    @XBlock.json_handler
    def state(self, _data: Any, _suffix: str = "") -> dict[str, Any]:
        """The card's lines, after a look at the scores that have come meanwhile. The tool is not asked."""
        viewer = self.viewer()
        if viewer is None:
            raise JsonHandlerError(401, "anonymous")
        if not viewer.is_preview:
            self._catch_up(self.named(viewer))
        return self.card()

    @XBlock.json_handler
    def remember(self, data: Any, _suffix: str = "") -> dict[str, Any]:
        """The tool's page has told the learner's browser what the next step is: kept for this learner alone, as text.
        Points and hours are never taken from a browser."""
        viewer = self.viewer()
        if viewer is None:
            raise JsonHandlerError(401, "anonymous")
        if viewer.is_preview:
            return {"next": self.next_step}
        words = card.one_line(data.get("next") if isinstance(data, dict) else None)
        if words != self.next_step or self._is_next_over():
            self.next_step, self.next_at = words, datetime.now(UTC)
        return {"next": self.next_step}

    def viewer(self) -> Account | None:
        """Who looks at the block; None for a visitor who has not signed in, and where there is nobody. Without their
        `subject`: the LMS has it in its database."""
        service = self.runtime.service(self, "user")
        found = service.get_current_user() if service is not None else None
        known = getattr(found, "opt_attrs", {})
        if not known.get("edx-platform.is_authenticated") or known.get("edx-platform.user_id") is None:
            return None
        role = known.get("edx-platform.user_role") or "student"
        return Account(known["edx-platform.user_id"], role, self._is_preview(getattr(service, "_django_user", None)))

    def _is_preview(self, shown: Any) -> bool:
        """Whether the course team looks at the page as a learner: as a certain one, or as any (`setup_masquerade` of
        lms/djangoapps/courseware/masquerade.py leaves both on the user whom it hands to blocks)."""
        if getattr(shown, "real_user", None) not in (None, shown):
            return True
        course = getattr(self.scope_ids.usage_id, "context_key", None)
        mask = (getattr(shown, "masquerade_settings", None) or {}).get(course)
        return getattr(mask, "role", "") == "student"

    def account(self) -> Account | None:
        """Who looks at the block, with the id by which tools know them; None as for `viewer`."""
        viewer = self.viewer()
        return None if viewer is None else self.named(viewer)

    def named(self, viewer: Account) -> Account:
        """With the id by which tools know them. The LMS reads it from its database, and makes it if there is none."""
        subject = self.runtime.service(self, "user").get_external_user_id("lti")
        return replace(viewer, subject=str(subject))

    def target(self) -> dict[str, str]:
        """What the launch asks the tool to open, in the tool's own words (`flow/links.py` there)."""
        if not self.programme:
            return {}
        named = {"nengli_programme": self.programme, "nengli_view": self.view, "nengli_point": self.point}
        return {name: value for name, value in named.items() if value}

    # --- the gradebook: what the consumer asks of a graded block ---

    def max_score(self) -> float:
        """The weight; 0 also for what is none (a course that was imported may say anything)."""
        weight = self.weight
        return weight if isinstance(weight, (int, float)) and math.isfinite(weight) and weight > 0 else 0.0

    def _due(self) -> datetime | None:
        due, grace = getattr(self, "due", None), getattr(self, "graceperiod", None)
        if not isinstance(due, datetime):
            return None
        try:
            return due + grace if grace else due
        except (TypeError, OverflowError):
            return due

    def is_past_due(self) -> bool:
        """Whether the due date, with the grace that the course gives, is over."""
        due = self._due()
        return due is not None and datetime.now(UTC) > (due if due.tzinfo else due.replace(tzinfo=UTC))

    def set_user_module_score(
        self, user: Any, score: float | None, _max_score: float | None, comment: str = ""
    ) -> None:
        """The consumer has a new grade of somebody (`score` 0 to 1, None takes it away)."""
        if not self._bind(user):
            return
        account = self.account()
        newest = compat.newest(self, POINTS, account.subject) if account is not None else None
        if score is None or newest is None:
            self.points_given = self.points_maximum = self.points_at = None
            self.points_comment = comment or ""
        else:
            self._note(POINTS, newest)
        self._publish(user.id, score)

    def take(self, user: Any, kind: str, newest: compat.Score) -> None:
        """A score of somebody, for this block to keep: hours, or points that came to another block of the programme."""
        if kind == POINTS and self.is_past_due() and not self.accept_grades_past_due:
            return
        if not self._bind(user):
            return
        if kind == HOURS:
            self._keep_hours(user.id, newest)
            return
        self._note(kind, newest)
        self._publish(user.id, _share(newest))

    def _bind(self, user: Any) -> bool:
        """Gives the block to that learner. Where the LMS does not (it has no such service, or the block is somebody
        else's already) nothing is written under a wrong name: the score waits, and the card takes it when its learner
        looks at it."""
        service = self.runtime.service(self, "rebind_user")
        try:
            if service is not None and self.scope_ids.user_id != user.id:
                service.rebind_noauth_module_to_user(self, user)
        except Exception:  # the tool's score is kept either way
            compat.warn("the LMS did not give the block to a learner", self.scope_ids.usage_id)
        if self.scope_ids.user_id != user.id:
            log.warning("nengli: %s: a score waits for its learner", self.scope_ids.usage_id)
        return bool(self.scope_ids.user_id == user.id)

    def _note(self, kind: str, newest: compat.Score) -> None:
        if kind == POINTS:
            self.points_given, self.points_maximum = newest.given, newest.maximum
            self.points_comment, self.points_at = newest.comment, newest.at
        else:
            self.hours_given, self.hours_maximum, self.hours_at = newest.given, newest.maximum, newest.at

    def _publish(self, user_id: int, share: float | None) -> None:
        """Into the gradebook, and how far the block is done: all points = done."""
        most = self.max_score()
        self.module_score = None if share is None else share * most
        if most:
            self.runtime.publish(self, "grade", {"value": self.module_score, "max_value": most, "user_id": user_id})
        self.emit_completion(share or 0.0)
        self.save()

    def _keep_hours(self, user_id: int, newest: compat.Score) -> None:
        """On the card first; then, where they have changed, to whoever else wants to hear of them."""
        before, had_all = self.hours_given, self._has_all_hours()
        self._note(HOURS, newest)
        self.save()
        if before != newest.given:
            self._tell_hours(user_id, newest, had_all)

    def _has_all_hours(self) -> bool:
        return self.hours_given is not None and bool(self.hours_maximum) and self.hours_given >= self.hours_maximum

    def _tell_hours(self, user_id: int, newest: compat.Score, had_all: bool) -> None:
        """Hours go where Open edX has a place for them: its record of events, and the requirements of a course that
        gives credit. Neither is a gradebook: that has no column for them."""
        location = self.scope_ids.usage_id
        event = {"hours": newest.given, "hours_needed": newest.maximum, "user_id": user_id, "programme": self.programme}
        try:
            self.runtime.publish(self, EVENT, event)
        except Exception:  # without a request the LMS has nothing to write it down with; the hours stay
            compat.warn("no event of the hours was written", location)
        credit = self.runtime.service(self, "credit")
        has_all = self._has_all_hours()
        # A requirement is met or not met yet: "failed" would be a verdict, and a page of the LMS shows it as one.
        if credit is None or has_all == had_all:
            return
        named = (user_id, location.context_key, CREDIT_NAMESPACE, str(location))
        try:
            if has_all:
                reason = {"hours": newest.given, "hours_needed": newest.maximum}
                credit.set_credit_requirement_status(*named, status="satisfied", reason=reason)
            else:
                credit.remove_credit_requirement_status(*named)
        except Exception:  # a course that gives no credit knows no such requirement; the hours stay
            compat.warn("the credit service took no hours", location)

    def _catch_up(self, account: Account) -> None:
        """Scores that came while this block did not listen: a block that was added later, a course that was moved."""
        try:
            found = {kind: compat.newest(self, kind, account.subject) for kind in (POINTS, HOURS)}
        except NotReady:
            return
        points, hours = found[POINTS], found[HOURS]
        if hours is not None and (self.hours_at is None or hours.at > self.hours_at):
            self._keep_hours(account.number, hours)
        is_late = self.is_past_due() and not self.accept_grades_past_due
        if points is not None and not is_late and (self.points_at is None or points.at > self.points_at):
            self._note(POINTS, points)
            self._publish(account.number, _share(points))

    # --- scoring anew ---

    def has_submitted_answer(self) -> bool:
        """Whether the tool has ever reported points of this learner."""
        return self.points_given is not None

    def get_score(self) -> Score | None:
        """What is kept."""
        if self.module_score is None:
            return None
        return Score(raw_earned=self.module_score, raw_possible=self.max_score())

    def set_score(self, score: Score) -> None:
        """Keeps a score that was calculated anew. It never exceeds the weight."""
        possible = score.raw_possible
        share = min(max(score.raw_earned / possible, 0.0), 1.0) if possible else 0.0
        self.module_score = share * self.max_score()

    def calculate_score(self) -> Score:
        """From the newest score that the tool has reported, kept from now on; nothing reported = what is kept."""
        account = self.account()
        try:
            newest = compat.newest(self, POINTS, account.subject) if account is not None else None
        except NotReady:
            newest = None
        if newest is None:
            return self.get_score() or Score(raw_earned=0.0, raw_possible=self.max_score())
        self._note(POINTS, newest)
        found = Score(raw_earned=_share(newest) * self.max_score(), raw_possible=self.max_score())
        self.set_score(found)
        return found

    def publish_grade(self, score: Score | None = None, only_if_higher: bool | None = None) -> None:
        """The grade as it is kept, or this one. The LMS asks for it after staff has set a score
        (`override_score_module_state` of its instructor tasks), though XBlock's own contract does not name it."""
        found = score or self.get_score()
        if found is not None:
            self._publish_grade(found, only_if_higher)

    def _publish_grade(self, score: Score, only_if_higher: bool | None = None) -> None:
        """As for every grade of ours: a block that is not graded publishes none."""
        if score.raw_possible:
            super()._publish_grade(score, only_if_higher)

    @staticmethod
    def workbench_scenarios() -> list[tuple[str, str]]:
        """What the workbench of XBlock shows."""
        return [("Nengli", "<nengli/>"), ("Nengli, not graded", '<nengli weight="0"/>')]


def _share(score: compat.Score) -> float:
    """The part of the maximum, from 0 to 1."""
    return min(max(score.given / score.maximum, 0.0), 1.0)
