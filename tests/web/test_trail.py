"""评审留痕 on its page: every step in words, also of a file whose name was erased."""

from collections.abc import Callable

import competencies
import rubrics
from lms_plugin.db import pk
from tests import people as cast
from tests.factories import Browser, World
from tests.flow.handed_in import hand_in, version_of

KINDS = ("passed_clear", "undone", "claimed", "recounted", "calibrated", rubrics.REOPENED, "flagged", "handed_on")


def test_every_step_is_said_in_words(world: World, browse: Callable[[cast.Cast | None], Browser]) -> None:
    work = hand_in(world, cast.CHEN, "A3", world.now)
    row, trainer = version_of(world, work), pk(world.person(cast.TRAINER))
    version = pk(row)
    row.manifest = competencies.manifests.without_names(
        {"items": [{"pieces": [{"file": "0" * 32, "name": "陈老师的课.pptx"}]}]}
    )
    for kind in KINDS:
        rubrics.record_event(world.session, version, trainer, kind, world.now)
    rubrics.record_event(world.session, version, trainer, "viewed", world.now, detail="0" * 32)
    said = "rules 3 0123456789ab · reviews 11:1 12:2 · A3.x 1.40 ± 0.20"
    rubrics.record_event(world.session, version, trainer, "passed_clear", world.now, detail=said)
    rubrics.record_event(world.session, version, trainer, "recounted", world.now, detail="criteria 0>1")
    world.session.commit()
    page = browse(cast.AUDITOR).get(f"/audit/works/{work.uuid}").text
    assert [kind for kind in KINDS if kind in page] == []
    assert "照项目规定自动通过" in page
    assert "撤销了等级" in page
    assert "规则第 3 版（校验值 0123456789ab），2 份评审都判合格" in page
    assert "能力点由不合格改为合格" in page
    assert "criteria 0" not in page
    assert "看了一份材料（文件名已清除）" in page
