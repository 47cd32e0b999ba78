"""What authors see: the block on its unit's page, and the form that changes it."""

import math
from typing import Any

from web_fragments.fragment import Fragment
from webob import Response
from xblock.core import XBlock, XBlockMixin
from xblock.exceptions import JsonHandlerError

from nengli_xblock import compat
from nengli_xblock.compat import NotReady
from nengli_xblock.words import sentence

VIEWS = ("programme", "point", "record", "reviews")  # of the tool's links (`flow/links.py` there)
LONGEST_TITLE = 200
MOST_WEIGHT = 1000


class StudioMixin(XBlockMixin):
    """The authors' side of the block."""

    def author_view(self, _context: Any = None) -> Fragment:
        """What the block opens, what is still to do, and what to type into the tool's registration."""
        problem, found = self._problem(), None
        if not problem:
            try:
                found = compat.registration()
            except Exception:  # the unit's page shows other blocks too
                compat.warn("no registration", self.scope_ids.usage_id)
                problem = self.words("picker_broken")
        context = {
            "title": self.display_name,
            "about": self.chosen_title,
            "programme": self.programme,
            "weight": f"{self.max_score():g}" if self.max_score() else "",
            "problem": problem,
            "registration": found,
            "tool": compat.tool_url(),
        }
        return self._styled("author.html", context)

    def studio_view(self, _context: Any = None) -> Fragment:
        """The form."""
        context = {
            "block": self,
            "weight": f"{self.max_score():g}",
            "problem": self._problem(),
            "id": self.scope_ids.usage_id,
            "most_weight": MOST_WEIGHT,
            "longest_title": LONGEST_TITLE,
            "choose": self.runtime.handler_url(self, "choose").rstrip("?/"),
        }
        fragment = self._styled("studio.html", context)
        fragment.add_javascript_url(self.runtime.local_resource_url(self, "public/studio.js"))
        fragment.initialize_js("NengliStudio")
        return fragment

    def _styled(self, name: str, context: dict[str, Any]) -> Fragment:
        fragment = Fragment(self.page(name, context))
        fragment.add_css_url(self.runtime.local_resource_url(self, "public/card.css"))
        return fragment

    def words(self, code: str, **params: object) -> str:
        """A sentence in the reader's language."""
        return sentence(self.runtime.service(self, "i18n"), code, **params)

    def _problem(self) -> str:
        """What the site's operators have to do before a block can open the tool; "" = nothing."""
        code = compat.problem()
        params: dict[str, dict[str, object]] = {
            "consumer_old": {"version": compat.consumer_version()},
            "tool_invalid": {"address": compat.tool_url()},
        }
        return self.words(code, **params.get(code, {})) if code else ""

    @XBlock.handler
    def choose(self, _request: Any, _suffix: str = "") -> Response:
        """The window in which an author chooses: on to the tool's own page, which asks who this is (Deep Linking)."""
        if not compat.is_studio():
            return self.said("studio_only", 403)
        viewer = self.viewer()
        if viewer is None:
            return self.said("no_account", 403)
        try:
            account = self.named(viewer)
            if not compat.may_write(self, account):  # the tool takes whoever chooses for a trainer
                return self.said("no_right", 403)
            return Response(status=302, location=compat.picker_url(self, account))
        except Exception:  # the window says so, the form stays
            compat.warn("nothing to choose from", self.scope_ids.usage_id)
            return self.said("picker_broken", 503)

    @XBlock.json_handler
    def chosen(self, _data: Any, _suffix: str = "") -> dict[str, Any]:
        """What was chosen in that window, once it was: the form shows it, and saving keeps it."""
        self._studio_only()
        try:
            return {"chosen": compat.chosen(self)}
        except NotReady:
            return {"chosen": None}

    @XBlock.json_handler
    def submit_studio_edits(self, data: Any, _suffix: str = "") -> dict[str, Any]:
        """The form, saved. Refused (400, a sentence for each field): nothing is changed."""
        self._studio_only()
        given = data if isinstance(data, dict) else {}
        wrong = {}
        title = str(given.get("display_name") or "").strip()
        if len(title) > LONGEST_TITLE:
            wrong["display_name"] = self.words("title_long")
        weight = _number(given.get("weight"))
        if weight is None or not 0 <= weight <= MOST_WEIGHT:
            wrong["weight"] = self.words("weight_wrong")
        choice = _choice(given)
        if choice is None:
            wrong["choice"] = self.words("choice_wrong")
        if wrong or weight is None or choice is None:
            raise JsonHandlerError(400, wrong)
        self.display_name, self.weight = title or self.fields["display_name"].default, weight
        self.accept_grades_past_due = given.get("accept_grades_past_due") is True
        self.programme, self.view, self.point, self.chosen_title = choice
        return {"result": "success"}

    def _studio_only(self) -> None:
        if not compat.is_studio():
            raise JsonHandlerError(403, self.words("studio_only"))


def _number(value: object) -> float | None:
    try:
        found = float(str(value).strip())
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def _choice(given: dict[str, Any]) -> tuple[str, str, str, str] | None:
    """Programme, page, point and title of a choice; four empty words for none, None for what is no choice."""
    words = [str(given.get(name) or "").strip() for name in ("programme", "view", "point", "chosen_title")]
    programme, view, point, title = words
    if not programme:
        return ("", "", "", "")
    is_uuid = len(programme) == 32 and all(sign in "0123456789abcdef" for sign in programme)
    if not is_uuid or view not in VIEWS or (view == "point") != bool(point) or len(point) > 40:
        return None
    return programme, view, point, title[:500]
