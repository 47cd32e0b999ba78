"""What fuzzed tests share: how many examples, and JSON and text of every kind, size and nesting.

The gate makes a modest number, always the same ones. For a long run with new ones:

    python -m pytest --hypothesis-profile=long -k fuzz tests/lti tests/web
"""

import os
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests.lti.desk import CLAIM, CLAIMS

TEXT = st.text(st.characters(), max_size=40)
ODD = st.sampled_from(
    [
        "", " ", "x" * 5000, "\ud800", "\x00", "a\x00b", "\u202e\u2066", "😀" * 300, "<script>alert(1)</script>", "$x",
        "$ResourceLink.id", "https://[", "https://a:99999", "javascript:x", "//", "../../etc", "%00", "{0}", "%(a)s",
        "LtiResourceLinkRequest", "LtiDeepLinkingRequest", "LtiSubmissionReviewRequest", "1.3.0", "Learner",
        "http://purl.imsglobal.org/vocab/lis/v2/membership#Instructor", "http://localhost/lti/launch",
    ]
)  # fmt: skip
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([10**400, -(2**63), 1e308])
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT | ODD,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


def nested(depth: int, leaf: Any) -> Any:
    """A leaf so deep in lists and objects."""
    for level in range(depth):
        leaf = [leaf] if level % 2 else {"a": leaf}
    return leaf


DEEP = st.builds(nested, st.integers(1, 150), JSON)
LONG_LISTS = st.builds(lambda count, one: [one] * count, st.integers(100, 1000), TEXT)
_MEMBERS = (  # noqa: SIM905 - words read better
    "id title label type user_id locale return_url document_target lineitems lineitem scope context_memberships_url "
    "deep_link_return_url accept_types accept_multiple accept_lineitem accept_presentation_document_targets data url "
    "nengli_programme nengli_view nengli_point product_family_code guid version"
).split()
INNER = st.dictionaries(st.sampled_from(_MEMBERS), JSON, max_size=8)
NAMES = st.sampled_from(
    [
        *CLAIMS,
        "iat", "exp", "nbf", "azp", "nonce", "jti", "name", "given_name", "family_name", "email", "locale",
        *(CLAIM + n for n in ("custom", "launch_presentation", "tool_platform", "lis", "ext", "for_user", "lti1p1")),
        "https://purl.imsglobal.org/spec/lti-dl/claim/deep_linking_settings",
        "https://purl.imsglobal.org/spec/lti-ags/claim/endpoint",
        "https://purl.imsglobal.org/spec/lti-nrps/claim/namesroleservice",
        "https://purl.imsglobal.org/spec/lti-gs/claim/groupsservice",
    ]
)  # fmt: skip
CLAIM_CHANGES = st.dictionaries(NAMES, JSON | INNER | DEEP | LONG_LISTS, max_size=5)


def times(count: int) -> int:
    """So many examples, of which PostgreSQL, where the same properties come a second time, has the first two fifths."""
    return max(3, round(count * 0.4)) if os.environ.get("NENGLI_TEST_DATABASE_URL") else count


def examples(share: float = 1.0) -> settings:
    """Settings for a share of the profile's examples: of 100 in the gate (40 on PostgreSQL), of 5000 in a long run."""
    whole = settings.default
    assert whole is not None
    count = max(1, round(whole.max_examples * share))
    return settings(
        max_examples=count, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
    )
