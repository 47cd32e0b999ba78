"""工作量证明 on paper: the page of HTML that `media.on_paper` makes a PDF of. In Chinese, with English below."""

import base64

from markupsafe import Markup

import competencies
from lms_plugin import media
from lms_plugin.flow.certificate_paper import template

KINDS = {
    "reviews": ("评审作品", "Works reviewed", "件"),
    "decisions": ("评定作品", "Works decided", "件"),
    "samples": ("抽查作品", "Samples checked", "件"),
    "trainings": ("主持培训", "Trainings held", "次"),
    "attendees": ("培训到场", "Attendances at these", "人次"),
    "plans_led": ("牵头的学校方案（已通过）", "School plans led, accepted", "份"),
    "plans_seen": ("审阅学校方案", "School plans looked at", "份"),
}


def page(
    said: competencies.workloads.WorkStatement,
    number: str,
    timezone: str,
    verify_url: str,
    verify_page: str,
    seal: bytes = b"",
) -> str:
    """The whole page. `verify_url`: what the QR code leads to; `verify_page`: where the code can be typed; `seal`: the
    picture of the seal that was put on it (PNG)."""
    minutes = sum(said.minutes.values())
    return template("workload/paper.html").render(
        number=number,
        said=said,
        code=competencies.certificates.code_as_printed(said.code),
        qr=Markup(media.qr_svg(verify_url)),  # noqa: S704 - drawn by us of our own address
        verify_page=verify_page,
        issued_on=competencies.local_day(said.issued_at, timezone),
        kinds=KINDS,
        minutes=minutes,
        seal=base64.b64encode(seal).decode(),
        hundredths=competencies.trainings.worth(minutes, said.minutes_per_hour),
    )
