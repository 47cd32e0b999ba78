"""Rows X: asset processing is not this product. Whoever tries it is told by name, and nothing is kept of it."""

import pytest
import requests

from tests.hosts.noticing import batch, notice
from tests.lti.conformance.bench import CLAIM, Platform
from tests.lti.conformance.test_deep_linking import asks, settings


def test_X01_no_processor_to_place(platform: Platform) -> None:
    """A host that asks for nothing but an asset processor: refused with a page that says what to do instead."""
    assert platform.bad(**asks(settings(accept_types=["ltiAssetProcessor"]))) == "launch.link_type"


def test_X02_a_submission_is_not_ours(platform: Platform) -> None:
    """The notice of a submission is taken, so that the host does not send it again; no file is fetched."""
    bench, before = platform.bench, platform.bench.counts()
    kind = "LtiAssetProcessorSubmissionNotice"
    assets = {CLAIM + "assetservice": {"assets": [{"url": bench.keys.url + "/asset"}]}}
    token = notice(platform.issuer, platform.client_id, platform.deployment, kind, bench.now, **assets)
    answer = requests.post(bench.url + "/lti/notices", data=batch(token), timeout=20)
    assert answer.json() == {"taken": 1, "again": 0, "refused": 0}
    grown = {name for name, number in bench.counts().items() if number != before[name]}
    assert grown <= {"lti_launch_log", "lti_platform_notice", "lti_notice_service", "lti_key_set"}
    assert bench.keys.asked <= 1  # for its keys


@pytest.mark.parametrize("message", ["LtiReportReviewRequest", "LtiAssetProcessorSettingsRequest", "LtiEulaRequest"])
def test_X05_X06_X07_refused_by_name(platform: Platform, message: str) -> None:
    """Launches of a processor: refused, and the page says which."""
    assert platform.bad(**{CLAIM + "message_type": message}) == "launch.message_unsupported"
