"""The pages around our own block: a unit of the course, Studio's pages, the handlers, and what came of it."""

import gettext
import json
import threading
import time
from datetime import datetime
from importlib.resources import files
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

import workbench
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.db import connection, transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseForbidden, JsonResponse
from django.middleware.csrf import get_token
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import path, re_path
from django.utils import translation
from django.views.decorators.clickjacking import xframe_options_exempt
from edx import (
    COURSE,
    DELETED,
    FIELDS,
    GATED,
    PUBLISHED,
    ROLES,
    ROOT,
    STAFF,
    Accounts,
    block_at,
    block_named,
    external_id,
    may_load,
)
from lxml import etree
from nengli_xblock import compat
from opaque_keys.edx.keys import UsageKey
from webob import Request
from xblock.scorable import Score

STUDIO = threading.Lock()  # the settings are one for all threads
PAGE = """<!doctype html><html lang="{language}"><meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>{head}<body style="font-family: sans-serif; margin: 1rem"><main><h2>{title}</h2>
<div id="block" data-usage="{usage}">{body}</div></main><script>
$.ajaxSetup({{ headers: {{ "X-CSRFToken": "{token}" }} }});
const block = document.getElementById("block");
const runtime = {{
  handlerUrl: (_, name) => "{root}/{handlers}/{usage}/" + name + "/",
  notify: (name, data) => {{ document.body.dataset[name] = JSON.stringify(data); }},
}};
{init}
</script></html>"""


class Sentences:
    """Translates as edx-platform does: by the block's own catalogue of the active language."""

    def gettext(self, words: str) -> str:
        locale = translation.to_locale(translation.get_language() or "en")
        folder = files("nengli_xblock") / "translations"
        return gettext.translation("text", folder, [locale], fallback=True).gettext(words)

    ugettext = gettext  # XBlock's own scoring asks for this name


def ours(name: str, account: Any = None) -> Any:
    """A block of ours in the one course."""
    return spoken(block_at(COURSE.make_usage_key("nengli", name), account))


def spoken(block: Any) -> Any:
    """With the service that translates."""
    block.runtime._services["i18n"] = Sentences()
    return block


def looked_at(request: HttpRequest) -> Any:
    """Whose page this is: `setup_masquerade` (lms/djangoapps/courseware/masquerade.py) hands blocks the learner as whom
    the course team looks at the course, or the team's own account with a note on it ("a learner")."""
    who = request.session.get("view as")
    if who is None:
        return request.user
    account = get_user_model().objects.get(username=who) if who else request.user
    account.masquerade_settings = {COURSE: SimpleNamespace(role="student", user_name=who or None)}
    if who:
        account.real_user = request.user
    return account


def view_as(request: HttpRequest, who: str = "") -> HttpResponse:
    """The course team looks at the course as that learner; as any learner ("") or as itself again ("-")."""
    request.session["view as"] = None if who == "-" else who
    return JsonResponse({})


def shown(request: HttpRequest, name: str, view: str) -> HttpResponse:
    """A view of the block on a page as bare as can be."""
    account = looked_at(request)
    block = ours(name, account)
    if not may_load(account, block):  # `display_access_messages` of block_render.py: the page stands without the block
        return HttpResponse("<!doctype html><p>Locked</p>")
    with translation.override(request.GET.get("lang", "zh-cn")):
        fragment = getattr(block, view)({})
    head = f'<script src="{ROOT}/jquery.js"></script>'
    for resource in fragment.resources:
        is_script = "javascript" in resource.mimetype
        head += (
            f'<script src="{resource.data}"></script>'
            if is_script
            else f'<link rel="stylesheet" href="{resource.data}">'
        )
    init = f"{fragment.js_init_fn}(runtime, block);" if fragment.js_init_fn else ""
    page = PAGE.format(
        language=request.GET.get("lang", "zh-cn"),
        title=name,
        head=head,
        usage=block.scope_ids.usage_id,
        body=fragment.content,
        token=get_token(request),
        root=ROOT,
        handlers="studio" if view == "studio_view" else "handler",
        init=init,
    )
    return HttpResponse(page)


def unit(request: HttpRequest, name: str) -> HttpResponse:
    """The course page."""
    return shown(request, name, "student_view")


def component(request: HttpRequest, name: str) -> HttpResponse:
    """The course page of a stock component: what learners see of it. Of its script only what fills the frame."""
    with translation.override("zh-cn"):
        fragment = block_named(name, request.user).student_view({})
    style = "".join(f"<style>{one.data}</style>" for one in fragment.resources if one.mimetype == "text/css")
    fill = 'const at = block.querySelector("[data-target]"); at.querySelector("iframe").src = at.dataset.target;'
    kind = "xblock-student_view xblock-student_view-lti_consumer"  # as `wrap_xblock` of edx-platform names it
    body = f'<div class="{kind}"><div class="lti_consumer">{fragment.content}</div></div>'
    blank = {"language": "en", "title": name, "head": style, "usage": "", "token": "", "root": ROOT, "handlers": ""}
    return HttpResponse(PAGE.replace("$.ajaxSetup", "void").format(body=body, init=fill, **blank))


def author(request: HttpRequest, name: str) -> HttpResponse:
    """Studio's page of the unit."""
    return shown(request, name, "author_view")


def editor(request: HttpRequest, name: str) -> HttpResponse:
    """Studio's editor. Its link to the picker is a handler there."""
    answer = shown(request, name, "studio_view")
    answer.content = answer.content.replace(f"{ROOT}/handler/".encode(), f"{ROOT}/studio/".encode())
    return answer


@xframe_options_exempt
@transaction.non_atomic_requests
def handler(request: HttpRequest, usage: str, name: str, suffix: str | None = "") -> HttpResponse:
    """A handler of the LMS: `handle_xblock_callback` (lms/djangoapps/courseware/block_render.py). A change needs an
    account and the page's token; who may not see the block is told that there is none; visitors may read."""
    if request.method != "GET" and not request.user.is_authenticated:
        return HttpResponseForbidden("Unauthenticated")
    account = looked_at(request)
    block = spoken(block_at(UsageKey.from_string(usage), account))
    if account.is_authenticated and not may_load(account, block):
        raise Http404
    return handled(request, block, name, suffix)


def handled(request: HttpRequest, block: Any, name: str, suffix: str | None) -> HttpResponse:
    """The answer of a block's handler."""
    asked = Request.blank("/", method=request.method)
    asked.body = request.body
    answer = block.runtime.handle(block, name, asked, suffix or "")
    return HttpResponse(
        answer.body,
        status=answer.status_code,
        headers={key: value for key, value in answer.headerlist if key != "Content-Length"},
    )


def studio(request: HttpRequest, usage: str, name: str, suffix: str | None = "") -> HttpResponse:
    """A handler of Studio: `component_handler` (cms/djangoapps/contentstore/views/component.py). Whoever is signed in
    calls it; the block is bound to nobody, and the service that says who asks knows no role
    (`load_services_for_studio`). What it wrote is kept for authors of the course alone."""
    block = spoken(block_at(UsageKey.from_string(usage)))
    block.runtime._services["user"] = Accounts(request.user)
    before = dict(FIELDS.db_dict)
    with STUDIO, override_settings(SERVICE_VARIANT="cms"):
        answer = handled(request, block, name, suffix)
    if ROLES.get(request.user.username) not in STAFF:
        FIELDS.db_dict.clear()
        FIELDS.db_dict.update(before)
    return answer


def resource(_request: HttpRequest, name: str) -> HttpResponse:
    """A public file of the block."""
    kind = "text/javascript" if name.endswith(".js") else "text/css"
    return HttpResponse((files("nengli_xblock") / "public" / name).read_bytes(), content_type=kind)


def jquery(_request: HttpRequest) -> HttpResponse:
    """The library that every page of Open edX has."""
    found = files(workbench) / "static" / "workbench" / "js" / "vendor" / "jquery.min.js"
    return HttpResponse(found.read_bytes(), content_type="text/javascript")


def site(_request: HttpRequest) -> HttpResponse:
    """The site's registration, as the author's page prints it."""
    return JsonResponse(vars(compat.registration()))


def begin(request: HttpRequest, name: str) -> HttpResponse:
    """The frame's address."""
    return handler(request, str(COURSE.make_usage_key("nengli", name)), "launch")


def pick(request: HttpRequest, name: str) -> HttpResponse:
    """Studio's window to choose in."""
    return studio(request, str(COURSE.make_usage_key("nengli", name)), "choose")


def kept(_request: HttpRequest, name: str, who: str) -> HttpResponse:
    """What the block keeps of a learner, and what it has published."""
    block = ours(name, get_user_model().objects.get(username=who))
    fields = ("module_score", "points_given", "points_maximum", "hours_given", "hours_maximum", "next_step")
    state = {field: getattr(block, field) for field in fields}
    events = [event for event in PUBLISHED if event["block"] == name]
    return JsonResponse({"state": state, "events": events, "target": block.target(), "weight": block.weight})


def fields(request: HttpRequest, name: str) -> HttpResponse:
    """What an author sets without the editor."""
    block = ours(name)
    for field, value in json.loads(request.GET["set"]).items():
        setattr(block, field, datetime.fromisoformat(value) if field == "due" else value)
    block.save()
    return JsonResponse({})


def leave(_request: HttpRequest, who: str) -> HttpResponse:
    """An account is no longer in the course."""
    ROLES.pop(who, None)
    return JsonResponse({})


def gate(_request: HttpRequest, name: str) -> HttpResponse:
    """A block is behind a gate from now on; asked once more, it is open again."""
    GATED.symmetric_difference_update({name})
    return JsonResponse({})


def rescore(request: HttpRequest, name: str, who: str) -> HttpResponse:
    """What staff does in the LMS: scores a learner's block anew, or says a score that counts instead
    (`rescore_problem_module_state`, `override_score_module_state` of
    lms/djangoapps/instructor_task/tasks_helper/module_state.py)."""
    block = ours(name, get_user_model().objects.get(username=who))
    if "score" in request.GET:
        block.set_score(Score(float(request.GET["score"]) / block.weight, block.max_score() / block.weight))
        block.publish_grade()
    elif block.has_submitted_answer():
        block.rescore(only_if_higher=False)
    block.save()
    return JsonResponse({})


def carried(_request: HttpRequest, name: str) -> HttpResponse:
    """What leaves with an exported course, what its search is told, and how phones are served."""
    block, node = ours(name), etree.Element("unknown")
    block.add_xml_to_node(node)
    text, found = etree.tostring(node, encoding="unicode"), block.index_dictionary()
    return JsonResponse({"olx": text, "index": found, "supports": sorted(block.student_view._supports)})


def delete(request: HttpRequest, name: str) -> HttpResponse:
    """A block is gone from the course; with "told", whoever listens for that hears of it, as in Studio: consumers do
    from 11 on."""
    DELETED.add(name)
    if "told" in request.GET and find_spec("openedx_events"):
        from openedx_events.content_authoring.data import XBlockData  # noqa: PLC0415 - consumer 9 does not bring it
        from openedx_events.content_authoring.signals import XBLOCK_DELETED  # noqa: PLC0415 - as above

        usage = COURSE.make_usage_key("nengli", name)
        XBLOCK_DELETED.send_event(xblock_info=XBlockData(usage_key=usage, block_type="nengli"))
    return JsonResponse({})


def timed(request: HttpRequest, name: str) -> HttpResponse:
    """Processor time of the learner's view in milliseconds, each of many, and the queries that it made."""
    times = []
    assert request.user.is_authenticated  # the page's own two queries are asked before
    with CaptureQueriesContext(connection) as queries:
        for _ in range(int(request.GET.get("times", "200"))):
            block = ours(name, request.user)
            began = time.thread_time()
            block.student_view({})
            times.append(1000 * (time.thread_time() - began))
    return JsonResponse({"times": times, "queries": len(queries)})


def crowd(_request: HttpRequest, count: int) -> HttpResponse:
    """That many learners more; how tools know them."""
    known = get_user_model().objects
    first = known.filter(username__startswith="crowd").count()
    names = [f"crowd{number}" for number in range(first, first + count)]
    made = known.bulk_create([get_user_model()(username=name) for name in names])
    ROLES.update({one.username: "student" for one in made})
    return JsonResponse({"subjects": [external_id(one) for one in made], "numbers": [one.pk for one in made]})


def tally(_request: HttpRequest, name: str) -> HttpResponse:
    """How often each account's grade was published by a block."""
    grades = [event for event in PUBLISHED if event["block"] == name and event["kind"] == "grade"]
    return JsonResponse({"grades": [[event["user_id"], event["value"]] for event in grades]})


def stranger(_request: HttpRequest, name: str) -> HttpResponse:
    """The block as a visitor who has not signed in is shown it."""
    return HttpResponse(ours(name, AnonymousUser()).student_view({}).content)


urlpatterns = [
    path("unit/<name>", unit),
    path("component/<name>", component),
    path("author/<name>", author),
    path("editor/<name>", editor),
    path("stranger/<name>", stranger),
    re_path(r"^handler/(?P<usage>[^/]+)/(?P<name>\w+)(?:/(?P<suffix>.*))?$", handler),
    re_path(r"^studio/(?P<usage>[^/]+)/(?P<name>\w+)(?:/(?P<suffix>.*))?$", studio),
    path("resource/public/<name>", resource),
    path("jquery.js", jquery),
    path("site", site),
    path("begin/<name>", begin),
    path("pick/<name>", pick),
    path("kept/<name>/<who>", kept),
    path("fields/<name>", fields),
    path("leave/<who>", leave),
    path("view-as/<who>", view_as),
    path("view-as/", view_as),
    path("delete/<name>", delete),
    path("gate/<name>", gate),
    path("rescore/<name>/<who>", rescore),
    path("carried/<name>", carried),
    path("timed/<name>", timed),
    path("crowd/<int:count>", crowd),
    path("tally/<name>", tally),
]
