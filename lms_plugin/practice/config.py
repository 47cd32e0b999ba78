"""What a practice LMS is made of: its addresses, its invented people and its courses."""

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

MEMBERSHIP = "http://purl.imsglobal.org/vocab/lis/v2/membership#"
INSTITUTION = "http://purl.imsglobal.org/vocab/lis/v2/institution/person#"
SYSTEM = "http://purl.imsglobal.org/vocab/lis/v2/system/person#"

LOCALES = ("zh_cn", "en")
"""Languages a launch can ask for, written as Moodle writes them (lower case, underscore)."""


def is_local(host: str | None) -> bool:
    """Whether `host` (no port) can only be this machine: loopback address, `localhost` or `*.localhost` (RFC 6761)."""
    if not host:
        return False
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class PracticePerson:
    """One invented person. `shares_identity` False is a host with privacy on: no name and no e-mail leave it."""

    key: str
    sub: str
    family_name: str
    given_name: str
    role: Literal["teacher", "trainer", "administrator"]
    school: str = ""
    staff_number: str = ""
    locale: str = "zh_cn"
    shares_identity: bool = True

    @property
    def name(self) -> str:
        """Full name in Chinese order."""
        return self.family_name + self.given_name

    @property
    def email(self) -> str:
        """An address under a domain reserved for examples (RFC 2606)."""
        return f"{self.key}@school.example"

    @property
    def is_learner(self) -> bool:
        """Only learners have a row in the gradebook, as Moodle's gradebook roles have it."""
        return self.role == "teacher"

    @property
    def is_enrolled(self) -> bool:
        """Administrators open a course without being a member of it, as in Moodle."""
        return self.role != "administrator"

    @property
    def launch_roles(self) -> list[str]:
        """Roles of a launch, the vocabulary Moodle sends for the same person."""
        if self.role == "teacher":
            return [MEMBERSHIP + "Learner"]
        if self.role == "trainer":
            return [MEMBERSHIP + "Instructor"]
        return [INSTITUTION + "Administrator", MEMBERSHIP + "Instructor", SYSTEM + "Administrator"]

    @property
    def member_role(self) -> str:
        """Short role in a membership list."""
        return "Learner" if self.is_learner else "Instructor"


@dataclass(frozen=True)
class PracticeLink:
    """An activity in a course: one LTI resource link. `custom` values are strings."""

    id: str
    title: str
    title_en: str
    custom: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PracticeCourse:
    """A course; everyone who is enrolled anywhere is enrolled in each of them."""

    id: str
    label: str
    title: str
    title_en: str
    links: tuple[PracticeLink, ...]

    def link(self, link_id: str) -> PracticeLink | None:
        """The activity with this id, or None."""
        return next((link for link in self.links if link.id == link_id), None)


HOPE, PEACE = "希望小学", "平安中学"

PEOPLE: tuple[PracticePerson, ...] = (
    PracticePerson("wang-xiulan", "11", "王", "秀兰", "teacher", HOPE, "HX001"),
    PracticePerson("li-jianguo", "12", "李", "建国", "teacher", HOPE, "HX002"),
    PracticePerson("zhao-chunmei", "13", "赵", "春梅", "teacher", HOPE, "HX003"),
    PracticePerson("chen-zhiqiang", "14", "陈", "志强", "teacher", HOPE, "HX004", shares_identity=False),
    PracticePerson("liu-haiyan", "15", "刘", "海燕", "teacher", PEACE, "PZ001"),
    PracticePerson("sun-lixin", "16", "孙", "立新", "teacher", PEACE, "PZ002"),
    PracticePerson("zhou-meiling", "17", "周", "美玲", "teacher", PEACE, "PZ003"),
    PracticePerson("wu-dayong", "18", "吴", "大勇", "teacher", PEACE, "PZ004", shares_identity=False),
    PracticePerson("zheng-wenhua", "21", "郑", "文华", "trainer"),
    PracticePerson("he-jing", "22", "何", "静", "trainer"),
    PracticePerson("lin-an", "31", "林", "安", "administrator"),
)

COURSES: tuple[PracticeCourse, ...] = (
    PracticeCourse(
        "1",
        "LX-2026",
        "信息技术应用能力提升工程2.0（练习）",
        "IT ability 2.0 training (practice)",
        (PracticeLink("101", "教师能力点考核", "Competency points"),),
    ),
    PracticeCourse(
        "2",
        "LX-2026-B",
        "第二期培训（练习）",
        "Second round of training (practice)",
        (PracticeLink("201", "教师能力点考核", "Competency points"),),
    ),
)


@dataclass(frozen=True)
class PracticeConfig:
    """Addresses and contents of one practice LMS.

    `base_url` is what browsers visit and the issuer of tokens; `loopback_url` is the same server as other servers
    call it, since not every resolver knows `*.localhost`. `tool_url` and `tool_loopback_url` are the same pair for
    the tool. All four must stay on this machine: the host signs anybody in without a password, so one that could be
    reached from outside would hand out forged people. Raises ValueError where one of them does not.
    """

    base_url: str
    loopback_url: str
    tool_url: str
    tool_loopback_url: str
    data_dir: Path
    client_id: str = "nengli-practice"
    deployment_id: str = "1"
    people: tuple[PracticePerson, ...] = PEOPLE
    courses: tuple[PracticeCourse, ...] = COURSES

    def __post_init__(self) -> None:
        for name in ("base_url", "loopback_url", "tool_url", "tool_loopback_url"):
            value = getattr(self, name)
            parts = urlsplit(value)
            if parts.scheme not in ("http", "https") or not is_local(parts.hostname):
                raise ValueError(f"practice LMS: {name} must be a loopback or *.localhost address, not {value!r}")
            object.__setattr__(self, name, value.rstrip("/"))

    @property
    def tool_login_url(self) -> str:
        """Where a launch begins in the tool."""
        return self.tool_url + "/lti/login"

    @property
    def tool_launch_url(self) -> str:
        """The only redirect_uri that is registered."""
        return self.tool_url + "/lti/launch"

    @property
    def tool_keyset_url(self) -> str:
        """The only address this host ever fetches."""
        return self.tool_loopback_url + "/.well-known/jwks.json"

    def person(self, key: str | None) -> PracticePerson | None:
        """The person with this sign-in key, or None."""
        return next((person for person in self.people if person.key == key), None)

    def learner(self, sub: str) -> PracticePerson | None:
        """The learner with this LTI user id, or None for everyone who cannot be graded."""
        return next((person for person in self.people if person.sub == sub and person.is_learner), None)

    def course(self, course_id: str) -> PracticeCourse | None:
        """The course with this id, or None."""
        return next((course for course in self.courses if course.id == course_id), None)
