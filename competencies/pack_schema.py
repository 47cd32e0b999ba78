"""The shape of a framework pack file: strict types, unknown keys kept. Rules between fields are in `pack.py`."""

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from competencies.choosing import Effort, PointFacts
from competencies.languages import MOST_LANGUAGES

Code = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]{0,31}$")]
Key = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Line = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=4000)]
Ending = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]{1,10}$")]
Kind = Literal["document", "text", "image", "video", "audio", "link"]
MOST_MEMBERS = 500
"""Of any list of a pack; a list that is longer is one fault, whatever its members are."""
T = TypeVar("T")
Members = Annotated[list[T], Field(max_length=MOST_MEMBERS)]
Told = Annotated[dict[str, T], Field(max_length=MOST_LANGUAGES)]
Number = Annotated[int | float, Field(gt=0)]


class _Part(BaseModel):
    """Types are strict (no "3" for 3), unknown keys are kept, values do not change."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True)


class Words(_Part):
    """One text in both languages; `en` may be missing in a province's pack and is then shown in Chinese."""

    zh: Text
    en: Text | None = None

    def as_dict(self) -> dict[str, str]:
        """{"zh": …} and, where given, {"en": …}."""
        return {"zh": self.zh} if self.en is None else {"zh": self.zh, "en": self.en}


class NameIn(_Part):
    """What something is called in a further language; see `competencies.languages`."""

    name: Line | None = None


class TitleIn(_Part):
    """A framework's own words in a further language."""

    title: Line | None = None
    notice: Text | None = None


class PointIn(_Part):
    """A point's own words in a further language."""

    name: Line | None = None
    question: Line | None = None
    summary: Text | None = None


class EvidenceIn(_Part):
    """An item's own words in a further language."""

    title: Line | None = None
    validity: Text | None = None


class CheckIn(_Part):
    """A check in a further language."""

    name: Text | None = None


class CriterionIn(_Part):
    """What a criterion asks for each level, in a further language."""

    pass_: Text | None = Field(default=None, alias="pass")
    excellent: Text | None = None


class LevelDef(_Part):
    """A level and its rank (2 excellent, 1 pass, 0 fail)."""

    code: Literal["excellent", "pass", "fail"]
    zh: Line
    rank: int
    translations: Told[NameIn] = Field(default_factory=dict)


class EnvironmentDef(_Part):
    """A teaching environment; their order in the pack is the order of "up to"."""

    code: Key
    zh: Line
    en: Line | None = None
    translations: Told[NameIn] = Field(default_factory=dict)


class DimensionDef(_Part):
    """A dimension of the framework."""

    code: Key
    zh: Line
    en: Line | None = None
    translations: Told[NameIn] = Field(default_factory=dict)


class SelectionDefaults(_Part):
    """What a programme's choice rule starts from."""

    points_per_teacher: Annotated[int, Field(ge=1, le=30)] = 3
    min_dimensions: Annotated[int, Field(ge=1, le=30)] = 2
    environment_rule: Literal["exact", "up_to", "free"] = "up_to"
    suggested_sets: list[Members[Code]] = Field(default_factory=list, max_length=MOST_MEMBERS)


class ScoringDef(_Part):
    """How the criteria of an item make its level: the lowest decides (as the norm of project 2.0 wants it), or their
    weights do. What else a pack says of its scoring is for people to read."""

    rule: Literal["minimum", "weighted"] = "minimum"


class CountsDef(_Part):
    """What the pack says of itself; checked against what it holds."""

    points: int
    evidence_items: int
    graded_items: int
    criteria: int


class FrameworkDef(_Part):
    """Everything about a framework but its points."""

    id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]{0,99}$")]
    title_zh: Line
    title_en: Line | None = None
    status: Literal["reference", "official"]
    notice_zh: Text | None = None
    notice_en: Text | None = None
    levels: Annotated[list[LevelDef], Field(min_length=3, max_length=3)]
    environments: Annotated[list[EnvironmentDef], Field(min_length=1, max_length=MOST_MEMBERS)]
    dimensions: Annotated[list[DimensionDef], Field(min_length=1, max_length=MOST_MEMBERS)]
    selection_defaults: SelectionDefaults = Field(default_factory=SelectionDefaults)
    scoring: ScoringDef = Field(default_factory=ScoringDef)
    counts: CountsDef | None = None
    languages: Annotated[list[Line], Field(max_length=MOST_LANGUAGES)] = Field(default_factory=list)
    translations: Told[TitleIn] = Field(default_factory=dict)


class EffortDef(_Part):
    """What a point costs: required items by main kind, optional items, and whether students must be on camera."""

    video: Annotated[int, Field(ge=0)] = 0
    document: Annotated[int, Field(ge=0)] = 0
    image: Annotated[int, Field(ge=0)] = 0
    text: Annotated[int, Field(ge=0)] = 0
    data: Annotated[int, Field(ge=0)] = 0
    optional: Annotated[int, Field(ge=0)] = 0
    students_on_camera: bool = False


class VideoLimits(_Part):
    """Limits of a video handed in as another form of an item."""

    max_minutes: Number | None = None
    minutes_tolerance: Annotated[int | float, Field(ge=0)] = 0
    max_mb: Number | None = None


class Limits(_Part):
    """What an item may measure. An overrun up to `minutes_tolerance` minutes is a note to the reviewer alone."""

    max_mb: Number
    max_minutes: Number | None = None
    minutes_tolerance: Annotated[int | float, Field(ge=0)] = 0
    max_images: Annotated[int, Field(ge=1)] | None = None
    max_files: Annotated[int, Field(ge=1)] | None = None
    min_students: Annotated[int, Field(ge=1)] | None = None
    min_people: Annotated[int, Field(ge=1)] | None = None
    must_show: list[Key] = Field(default_factory=list, max_length=MOST_MEMBERS)
    video: VideoLimits | None = None


class Check(_Part):
    """Something tested by machine or confirmed by the teacher before submitting; never graded."""

    key: Key
    zh: Text
    en: Text | None = None
    translations: Told[CheckIn] = Field(default_factory=dict)


class CriterionLevels(_Part):
    """What a criterion asks for each level; excellent builds on pass. `pass` None: nothing is asked for a pass."""

    pass_: Words | None = Field(alias="pass")
    excellent: Words


class CriterionDef(_Part):
    """One criterion of a core item, and where it comes from."""

    key: Key
    levels: CriterionLevels
    proposed: bool
    source: Text | None = None
    excellent_only: bool = False
    weight: Annotated[int, Field(ge=1, le=100)] | None = None  # beside the others of its item; see ScoringDef
    translations: Told[CriterionIn] = Field(default_factory=dict)


class EvidenceDef(_Part):
    """One item to hand in. Core: graded by criteria. Not core: one validity statement, 有效 or 无效."""

    key: Key
    title_zh: Line
    title_en: Line | None = None
    kind: Kind
    alt_kinds: list[Kind] = Field(default_factory=list, max_length=MOST_MEMBERS)
    accept: Members[Ending]
    accept_if_school_allows: list[Ending] = Field(default_factory=list, max_length=MOST_MEMBERS)
    required: bool
    core: bool
    limits: Limits
    archetype: Key | None = None
    proposed: bool
    source: Text
    checks: list[Check] = Field(default_factory=list, max_length=MOST_MEMBERS)
    criteria: list[CriterionDef] = Field(default_factory=list, max_length=MOST_MEMBERS)
    validity: Words | None = None
    translations: Told[EvidenceIn] = Field(default_factory=dict)


class PointDef(_Part):
    """One competency point."""

    code: Code
    order: Annotated[int, Field(ge=1)]
    name_zh: Line
    name_en: Line | None = None
    environment: Key
    dimension: Key
    summary_zh: Text | None = None
    summary_en: Text | None = None
    question_zh: Line
    question_en: Line | None = None
    translations: Told[PointIn] = Field(default_factory=dict)
    effort: EffortDef = Field(default_factory=EffortDef)
    evidence: Annotated[list[EvidenceDef], Field(min_length=1, max_length=MOST_MEMBERS)]

    def facts(self) -> PointFacts:
        """What choosing needs to know of this point."""
        known = {name: getattr(self.effort, name) for name in EffortDef.model_fields}
        return PointFacts(self.code, self.dimension, self.environment, Effort(**known))


class Pack(_Part):
    """A whole pack. Immutable: what is changed is another pack with another hash."""

    schema_: Literal["competency-pack/0.2"] = Field(alias="schema")
    framework: FrameworkDef
    points: Annotated[list[PointDef], Field(min_length=1, max_length=500)]

    def as_dict(self) -> dict[str, Any]:
        """The pack as it was read, unknown keys included; `load_pack` of it gives the same pack."""
        return self.model_dump(by_alias=True, exclude_unset=True)

    def facts(self) -> tuple[PointFacts, ...]:
        """All points for choosing, in the order of the pack."""
        return tuple(point.facts() for point in sorted(self.points, key=lambda point: point.order))
