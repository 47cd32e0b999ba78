"""The few pages that the tests open: what a learner's course page and Studio's author page would link to."""

from importlib.util import find_spec
from typing import Any

from django.contrib.auth import get_user_model, login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import include, path, re_path
from edx import PUBLISHED, block_named, external_id
from lti_consumer.api import get_lti_1p3_content_url, get_lti_1p3_launch_info, get_lti_1p3_launch_start_url
from lti_consumer.models import LtiAgsLineItem, LtiDlContentItem


def sign_in(request: HttpRequest, who: str) -> HttpResponse:
    """An account is signed in without a password."""
    account = get_user_model().objects.get(username=who)
    login(request, account, backend="django.contrib.auth.backends.ModelBackend")
    return HttpResponse(status=204)


def account(_request: HttpRequest, who: str) -> HttpResponse:
    """The numbers of an account: the host's own, and the one that tools see."""
    found = get_user_model().objects.get(username=who)
    return JsonResponse({"id": found.id, "subject": external_id(found)})


def launch(request: HttpRequest, name: str) -> HttpResponse:
    """What the iframe of the block on the course page points to."""
    data = block_named(name, request.user).get_lti_1p3_launch_data()
    return HttpResponseRedirect(get_lti_1p3_content_url(data))


def choose(request: HttpRequest, name: str) -> HttpResponse:
    """Studio's link to the tool's picker."""
    data = block_named(name, request.user).get_lti_1p3_launch_data()
    return HttpResponseRedirect(get_lti_1p3_launch_start_url(data, deep_link_launch=True))


def registration(_request: HttpRequest, name: str) -> HttpResponse:
    """What Studio prints under the block for whoever sets up the tool."""
    author = get_user_model().objects.get(username="admin")
    return JsonResponse(get_lti_1p3_launch_info(block_named(name, author).get_lti_1p3_launch_data()))


def gradebook(_request: HttpRequest, name: str) -> HttpResponse:
    """The columns of a block with the scores in them, what was published to the gradebook, and what was chosen."""
    block = block_named(name)
    columns: list[dict[str, Any]] = [
        {
            "tag": item.tag,
            "resource_id": item.resource_id,
            "label": item.label,
            "maximum": item.score_maximum,
            "is_of_the_block": item.resource_link_id == block.scope_ids.usage_id,
            "scores": {
                score.user_id: [score.score_given, score.score_maximum, score.comment] for score in item.scores.all()
            },
        }
        for item in LtiAgsLineItem.objects.filter(lti_configuration__location=block.scope_ids.usage_id).order_by("id")
    ]
    chosen = LtiDlContentItem.objects.filter(lti_configuration__location=block.scope_ids.usage_id).order_by("id")
    return JsonResponse(
        {
            "columns": columns,
            "published": [event for event in PUBLISHED if event["block"] == name],
            "chosen": [item.attributes for item in chosen],
        }
    )


urlpatterns = [
    path("sign-in/<who>", sign_in),
    path("account/<who>", account),
    path("launch/<name>", launch),
    path("choose/<name>", choose),
    path("registration/<name>", registration),
    path("gradebook/<name>", gradebook),
    re_path(r"^api/", include("lti_consumer.plugin.urls", namespace="lti_consumer")),
]

if find_spec("nengli_xblock"):
    import ours

    urlpatterns += ours.urlpatterns
