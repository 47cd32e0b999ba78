"""What follows from what somebody types of a platform."""

import pytest

import lti
from lms_plugin.errors import Invalid


def of(product: str, **given: str) -> tuple[str, str, str, str, str, str]:
    made = lti.registration_of(product, given)
    return made.issuer, made.auth_url, made.token_url, made.jwks_url, made.token_audience, made.deployment


@pytest.mark.parametrize(
    "site",
    [
        "https://moodle.example/lms",
        "https://Moodle.example:443/lms/",
        "moodle.example/lms/mod/lti/auth.php",
        "https://moodle.example/lms/course/view.php?id=3#section-2",
        "https://moodle.example/lms/my/",
        "https://moodle.example/lms/index.php",
        "https://moodle.example/lms/admin/settings.php?section=modsettinglti",
        "https://moodle.example/lms/pluginfile.php/1/course/x",
    ],
)
def test_moodle_follows_from_its_address(site: str) -> None:
    root = "https://moodle.example/lms"
    assert of("moodle", site=site, client_id="abc", deployment="7") == (
        root,
        f"{root}/mod/lti/auth.php",
        f"{root}/mod/lti/token.php",
        f"{root}/mod/lti/certs.php",
        "",
        "7",
    )


def test_a_moodle_in_a_folder_of_any_name() -> None:
    for root in ("https://edu.example/course", "https://edu.example", "https://edu.example/a/b"):
        assert of("moodle", site=root, client_id="c", deployment="1")[0] == root


def test_open_edx_is_where_its_keys_are() -> None:
    """Learners read courses at the address of another service; the keyset's names the LMS."""
    keyset = "https://lms.example/api/lti_consumer/v1/public_keysets/0a1b"
    made = of("openedx", site="https://apps.lms.example/learning/course/c", client_id="c", keyset=keyset)
    assert made[0] == "https://lms.example"
    assert of("openedx", site="https://lms.example/courses/x/about", client_id="c", keyset="0a1b")[0] == made[0]


@pytest.mark.parametrize("keyset", ["0a1b", "https://lms.example/api/lti_consumer/v1/public_keysets/0a1b"])
def test_open_edx_follows_from_its_root_and_one_id(keyset: str) -> None:
    base = "https://lms.example/api/lti_consumer/v1"
    assert of("openedx", site="lms.example", client_id="c", keyset=keyset) == (
        "https://lms.example",
        f"{base}/launch/",
        f"{base}/token/0a1b",
        f"{base}/public_keysets/0a1b",
        "",
        "1",
    )


def test_T02_brightspace_names_another_audience() -> None:
    made = of("brightspace", site="https://school.brightspace.com/d2l/home", client_id="c", deployment="d")
    assert made[0] == "https://school.brightspace.com"
    assert made[2] == "https://auth.brightspace.com/core/connect/token"
    assert made[4] == "https://api.brightspace.com/auth/token"


@pytest.mark.parametrize(
    ("site", "issuer", "token"),
    [
        (
            "https://school.instructure.com/courses/1",
            "https://canvas.instructure.com",
            "https://sso.canvaslms.com/login/oauth2/token",
        ),
        (
            "school.beta.instructure.com",
            "https://canvas.beta.instructure.com",
            "https://sso.beta.canvaslms.com/login/oauth2/token",
        ),
        (
            "https://canvas.school.example",
            "https://canvas.instructure.com",
            "https://canvas.school.example/login/oauth2/token",
        ),
    ],
)
def test_canvas_is_one_issuer_for_all(site: str, issuer: str, token: str) -> None:
    made = of("canvas", site=site, client_id="10000000000001", deployment="1:abc")
    assert (made[0], made[2]) == (issuer, token)


def test_blackboard_follows_from_its_application() -> None:
    made = of("blackboard", client_id="fe3e", deployment="ea4e")
    assert made[0] == "https://blackboard.com"
    assert made[3] == "https://developer.blackboard.com/api/v1/management/applications/fe3e/jwks.json"
    strange = of("blackboard", client_id="../x?y", deployment="1")
    assert strange[3].endswith("/applications/..%2Fx%3Fy/jwks.json")


@pytest.mark.parametrize("product", sorted(lti.PLATFORM_FIELDS))
def test_what_is_missing_is_said_field_by_field(product: str) -> None:
    with pytest.raises(Invalid) as refused:
        of(product)
    assert set(refused.value.fields) == set(lti.PLATFORM_FIELDS[product]) - {"audience"}


@pytest.mark.parametrize("site", ["javascript:alert(1)", "https://", "ftp://x.example", "https://a@b.example", "[::"])
def test_what_is_no_address_is_refused(site: str) -> None:
    with pytest.raises(Invalid) as refused:
        of("moodle", site=site, client_id="c", deployment="1")
    assert refused.value.fields == {"site": "platform.site_invalid"}
