"""Row P07 in Debian's Firefox: as it is installed, and with all third-party cookies blocked."""

import json
import subprocess
from pathlib import Path
from typing import Any

import firefox
import pytest

from tests.lti.conformance.browsers import Scene

pytestmark = [pytest.mark.browser, pytest.mark.firefox]
STORY = Path(firefox.PINS) / "story.mjs"
BLOCKED = {"network.cookie.cookieBehavior": 1}


def visit(course: str, downloads: Path, prefs: dict[str, Any]) -> dict[str, Any]:
    """An officer's visit: opens the course, goes to a page, reloads, opens a tab, takes a sheet away."""
    told = {
        "driver": str(firefox.driver()),
        "firefox": firefox.browser(),
        "course": course,
        "downloads": str(downloads),
        "prefs": prefs,
    }
    command = [str(firefox.node()), str(STORY), json.dumps(told)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert not said.get("error"), said["error"]
    return dict(said)


@pytest.mark.parametrize(
    ("prefs", "target", "asked", "borne"),
    [
        pytest.param({}, "", False, False, id="as installed"),
        pytest.param(BLOCKED, "", True, True, id="cookieBehavior 1"),
        pytest.param(BLOCKED, "_parent", False, True, id="cookieBehavior 1, storage"),
    ],
)
def test_P07_firefox(
    scene: Scene, tmp_path: Path, prefs: dict[str, Any], target: str, asked: bool, borne: bool
) -> None:
    """Firefox as installed: in at once. All third-party cookies blocked: by the host's storage, else one question;
    a reload and Back stay in, also once a cut line is mended, a tab of its own and a download come through, and what is
    clicked last counts."""
    said = visit(scene.host.course(sub="officer", target=target), tmp_path, prefs)
    assert (said["asked"], said["borne"]) == (asked, borne)
    assert said["who"] == said["tab"] == "褚员"
    assert said["reloaded"] == "名单"
    assert said["sheet"].endswith(".xlsx")
    assert (said["back"], said["last"]) == ("名单", "项目")
    if borne:  # else it is Firefox itself that says so
        assert "没有连上" in said["cut"]
        assert said["mended"] == "名单"
    assert said["tabsLeft"] == 0  # what was taken away left none behind
