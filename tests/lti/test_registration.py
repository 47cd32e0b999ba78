"""Dynamic registration where no loopback is allowed, as in production."""

import socket
import time

import pytest

import lti
from lms_plugin.errors import Refused
from lms_plugin.net import Http


@pytest.mark.parametrize(
    "url", ["http://lms.example/openid", "http://localhost:1/openid", "ftp://lms.example/", "https://", "x", ""]
)
def test_only_https_is_an_address_of_a_configuration(url: str) -> None:
    assert not lti.is_configuration_address(url, Http())
    with pytest.raises(Refused) as refused:
        lti.read_offer(Http(), url, "")
    assert refused.value.code == "register.address"


def test_this_machine_is_not_asked() -> None:
    with pytest.raises(Refused) as refused:
        lti.read_offer(Http(), "https://127.0.0.1:9/openid", "")
    assert refused.value.params["words"] == "net.address_refused"


def test_a_platform_that_does_not_answer_is_given_up_after_five_seconds() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        begun = time.monotonic()
        with pytest.raises(Refused) as refused:
            lti.read_offer(Http(allow_loopback=True), f"http://127.0.0.1:{listening.getsockname()[1]}/openid", "")
        assert refused.value.params["words"] == "net.timeout"
        assert time.monotonic() - begun < 7.5  # others: eight


def test_what_a_platform_does_not_say_is_asked_for() -> None:
    offer = lti.RegistrationOffer(*(["https://lms.example"] * 5), "", "", None, None, None)
    tool = lti.RegistrationTool("https://tool.example:8443", "", {"": "考核", "en": "Points"}, "")
    body = lti.registration_request(offer, tool)
    assert len(body["scope"].split()) == 4
    about = body["https://purl.imsglobal.org/spec/lti-tool-configuration"]
    assert about["domain"] == "tool.example:8443"
    assert len(about["messages"]) == 2
    assert "placements" not in about["messages"][0]


def test_what_few_platforms_know_is_asked_for_only_where_it_is_offered() -> None:
    notices, privacy = "https://purl.imsglobal.org/spec/lti/scope/noticehandlers", "DataPrivacyLaunchRequest"
    scopes, messages = frozenset({notices}), {"LtiResourceLinkRequest": (), privacy: ()}
    offer = lti.RegistrationOffer(*(["https://lms.example"] * 5), "", "", scopes, None, messages)
    body = lti.registration_request(offer, lti.RegistrationTool("https://tool.example", "", {"": "考核"}, ""))
    assert body["scope"] == notices
    about = body["https://purl.imsglobal.org/spec/lti-tool-configuration"]
    assert [one["type"] for one in about["messages"]] == ["LtiResourceLinkRequest", privacy]
