"""Every page of the tool in a real browser, for the person it belongs to: readable, reachable, one next step.

The table names every route that answers GET; one that is missing fails `test_no_page_is_left_out`.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from babel.support import Translations
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, Page, expect

import lms_plugin
from lms_plugin.web import messages
from tests import people as cast
from tests.web.pages_world import Pages, served

pytestmark = pytest.mark.browser

AXE = (Path(__file__).resolve().parents[1] / "vendor/axe.min.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]
LOCALES = ("zh-Hans", "en")  # each may be another worker's (tests/conftest.py)
LEFTOVERS = re.compile(r"\bNone\b|\bundefined\b|\bNaN\b|[{}]|%\(|\[object|&[a-z]+;")
SIDEWAYS = """() => document.documentElement.scrollWidth <= innerWidth ? []
    : [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1)
        .map(e => e.outerHTML.slice(0, 160)).slice(0, 3)"""
CODE = re.compile(r"(?<![\w./-])[a-z]+\.[a-z_]+(?![\w.-])")


WORDS = Path(lms_plugin.__file__).parent / "translations"


def own_words() -> set[str]:
    """Words of ours that have an English form, so that an English page must not show them."""
    known = Translations.load(WORDS, ["en"])
    said_by_people = {"", *(who.subject for who in cast.TEACHERS)}  # a subject stays as the roster writes it
    return {key for key in getattr(known, "_catalog", {}) if isinstance(key, str)} - said_by_people


OWN_WORDS = own_words()


@dataclass(frozen=True)
class One:
    """A page: its endpoint, who opens it, its address in the district of the test, and what it must say."""

    endpoint: str
    who: str
    path: Callable[[Pages], str]
    note: str = ""
    status: int = 200

    def __str__(self) -> str:
        return f"{self.endpoint}{'-' + self.note if self.note else ''}"


def at(template: str) -> Callable[[Pages], str]:
    """An address with {P} = the round, {U} = the county, {S} = a school, {chen} = that person, {x} = a uuid by name."""

    def made(pages: Pages) -> str:
        world = pages.world
        known = {"P": pages.programme, "U": world.county.uuid, "S": world.schools["希望小学"].uuid}
        known["B"] = world.schools["平安小学"].uuid
        known["C"] = world.course.uuid
        known |= {key: person.uuid for key, person in world.persons.items()} | {"F": world.framework.uuid}
        known |= {key.replace(".", "_"): value for key, value in pages.uuids.items()}
        return template.format(**known)

    return made


PAGES = (
    One("help.page", "chen", at("/help")),
    One("help.page", "", at("/help"), "stranger"),
    One("people.home", "it", at("/"), "it"),
    One("people.home", "new", at("/"), "introduce"),
    One("people.home", "", at("/"), "stranger", 401),
    One("people.introduce", "new", at("/people/introduce")),
    One("people.introduce", "chen", at("/people/introduce"), "again"),
    One("people.bind", "other_trainer", at("/courses/{course}/programme")),
    One("people.bind", "officer", at("/courses/{C}/programme"), "another"),
    One("people.bind", "officer", at("/courses/{C}/programme?done=1"), "changed"),
    One("people.bind", "trainer", at("/courses/{C}/programme"), "bound"),
    One("submit.mine", "other_trainer", at("/points"), "unbound"),
    One("courses.home", "officer", at("/courses")),
    One("courses.home", "it", at("/courses"), "it"),
    One("courses.check", "trainer", at("/courses/{C}/check")),
    One("courses.check", "it", at("/courses/{bad}/check?asked=1"), "it"),
    One("courses.check", "officer", at("/courses/{space}/check"), "space"),
    One("courses.check", "other_trainer", at("/courses/{course}/check"), "unbound"),
    One("courses.people", "trainer", at("/courses/{C}/people")),
    One("courses.people", "officer", at("/courses/{C}/people?state=wrong_side"), "narrowed"),
    One("courses.people", "officer", at("/courses/{bad}/people"), "refused"),
    One("courses.people", "trainer", at("/courses/{C}/people?state=gone"), "gone"),
    One("people.list_people", "officer", at("/people")),
    One("people.list_people", "lead", at("/people?waiting=1"), "lead"),
    One("people.merge", "officer", at("/people/merge?first={chen}&second={wang}")),
    One("people.merge", "officer", at("/people/merge?q=陈晓芳"), "found"),
    One("people.merge", "officer", at("/people/merge?first={chen}&q=王秀兰"), "second"),
    One("people.merge", "officer", at("/people/merge"), "empty"),
    One("submit.home", "edx_twin", at("/programmes/{P}"), "twin"),
    One("people.person_roles", "officer", at("/people/{trainer}/roles")),
    One("people.person_roles", "officer", at("/people/{officer}/roles"), "own"),
    One("people.invitations", "officer", at("/invitations")),
    One("people.invitation", "wang", at("/invitation/{code}")),
    One("people.invitation", "", at("/invitation/{code}"), "stranger"),
    One("people.invitation", "wang", at("/invitation/ABCDE-ABCDE"), "unusable", 422),
    One("people.enter_code", "chen", at("/me/invitation")),
    One("proofs.page", "edx", at("/me/proof?next=/cases")),
    One("proofs.page", "edx_word", at("/me/proof"), "word"),
    One("proofs.page", "edx_proved", at("/me/proof"), "proved"),
    One("proofs.page", "trainer", at("/me/proof"), "not_needed"),
    One("cases.page", "edx", at("/cases/{waiting}"), "unproved"),
    One("proofs.code", "officer", at("/people/{trainer}/code")),
    One("people.taken", "officer", at("/me/roles/officer")),
    One("look.page", "", at("/look/{look}")),
    One("look.page", "", at("/look/{look_nothing}"), "nothing"),
    One("look.page", "", at("/look/over"), "over", 401),
    One("lti.not_posted", "", at("/lti/launch"), "", 400),
    One("linking.page", "trainer", at("/links/{link}")),
    One("linking.page", "trainer", at("/links/{link_one}"), "one"),
    One("linking.page", "trainer", at("/links/{link_outside}"), "outside"),
    One("submit.mine", "it", at("/points"), "nothing"),
    One("submit.home", "wang", at("/programmes/{P}")),
    One("submit.home", "chen", at("/programmes/{P}"), "passed"),
    One("submit.home", "li", at("/programmes/{P}"), "waiting"),
    One("submit.home", "zhao", at("/programmes/{P}"), "failed"),
    One("submit.home", "wang", at("/programmes/{draft}"), "for_others"),
    One("submit.choose", "wang", at("/programmes/{P}/points")),
    One("submit.choose", "wang", at("/programmes/{draft}/points"), "for_others"),
    One("submit.choose", "zhou", at("/programmes/{P}/points?pick=A3&pick=A5"), "picked"),
    One("submit.point", "wang", at("/submissions/{A6}"), "draft"),
    One("submit.point", "wang", at("/submissions/{A5}"), "refused"),
    One("submit.point", "wang", at("/submissions/{returned}"), "returned"),
    One("submit.point", "li", at("/submissions/{waiting}"), "submitted"),
    One("submit.point", "zhao", at("/submissions/{late}"), "late"),
    One("submit.point", "chen", at("/submissions/{earned}"), "earned"),
    One("submit.point", "zhao", at("/submissions/{taken_back}"), "taken_back"),
    One("submit.point", "sun", at("/submissions/{again}"), "again"),
    One("submit.point", "sun", at("/submissions/{failed}"), "failed"),
    One("submit.result", "wang", at("/submissions/{returned}/result")),
    One("submit.result", "chen", at("/submissions/{earned}/result"), "earned"),
    One("submit.text", "wang", at("/submissions/{A6}/reflection/text")),
    One("submit.link", "wang", at("/submissions/{A6}/clip/link")),
    One("submit.photos", "wang", at("/submissions/{A6}/reflection/photos")),
    One("submit.reuse", "wang", at("/submissions/{A6}/clip/reuse")),
    One("evidence.preview", "wang", at("/evidence/{file_docx}"), "document"),
    One("evidence.preview", "wang", at("/evidence/{file_mp4}"), "film"),
    One("evidence.preview", "wang", at("/evidence/{file_jpg}"), "photo"),
    One("review.mine", "wang", at("/reviews")),
    One("review.page", "{review_open_by}", at("/reviews/{review_open}")),
    One("review.page", "{review_submitted_by}", at("/reviews/{review_submitted}"), "submitted"),
    One("review.page", "{review_allotted_by}", at("/reviews/{review_allotted}"), "allotted"),
    One("claims.decline", "{review_open_by}", at("/reviews/{review_open}/decline")),
    One("claims.declined", "officer", at("/reviews/declined/{P}")),
    One("quotas.home", "officer", at("/reviews/quotas/{P}")),
    One("quotas.checked", "officer", at("/reviews/quotas/{P}/checked/{quotas}")),
    One("review.apart", "officer", at("/reviews/conflicts")),
    One("review.allocation", "officer", at("/reviews/allocation/{P}")),
    One("uncertain.page", "trainer", at("/cases/uncertain/{P}")),
    One("reliability.programme", "officer", at("/reliability/{P}")),
    One("reliability.schools", "trainer", at("/reliability/{P}/schools")),
    One("reliability.point", "auditor", at("/reliability/{P}/points/A3")),
    One("reliability.own", "{review_submitted_by}", at("/reviews/own-marks")),
    One("cases.queue", "trainer", at("/cases")),
    One("cases.queue", "trainer", at("/cases?programme={P}&state=agreed"), "agreed"),
    One("cases.page", "trainer", at("/cases/{waiting}")),
    One("cases.page", "trainer", at("/cases/{late}"), "late"),
    One("cases.page", "trainer", at("/cases/{decided}"), "decided"),
    One("cases.page", "trainer", at("/cases/{earned}"), "released"),
    One("cases.agreed", "trainer", at("/cases/agreed/{P}")),
    One("cases.phrases", "trainer", at("/cases/phrases")),
    One("flags.home", "trainer", at("/cases/flags")),
    One("flags.settle", "trainer", at("/flags/{flag}")),
    One("flags.by_author", "chen", at("/submissions/{earned}/flag")),
    One("flags.by_reviewer", "{review_open_by}", at("/reviews/{review_open}/flag")),
    One("release.page", "officer", at("/release/{P}")),
    One("passport.page", "chen", at("/record/{P}")),
    One("passport.page", "zhao", at("/record/{P}"), "taken_back"),
    One("passport.of_person", "officer", at("/record/{P}/{chen}")),
    One("passport.whole", "chen", at("/record/whole")),
    One("passport.whole_of", "officer", at("/record/whole/{li}")),
    One("person_data.mine", "chen", at("/data")),
    One("person_data.of_person", "officer", at("/data/{chen}")),
    One("passport.reverse", "officer", at("/record/{P}/{chen}/hours/{credit}/reverse"), "hours"),
    One("passport.reverse", "officer", at("/record/{P}/{chen}/awards/{award}/reverse"), "award"),
    One("passport.reverse", "officer", at("/record/{P}/{zhao}/awards/{revoked}/reverse"), "done"),
    One("passport.retake", "officer", at("/record/{P}/{sun}/retake/{failed}")),
    One("passport.mine", "it", at("/record"), "nothing"),
    One("certificates.home", "officer", at("/certificates/{P}")),
    One("certificates.school", "officer", at("/certificates/{P}/{S}")),
    One("certificates.school", "lead", at("/certificates/{P}/{S}"), "lead"),
    One("certificates.issue", "officer", at("/record/{P}/{chen}/certificate")),
    One("certificates.issue", "officer", at("/record/{P}/{sun}/certificate"), "nothing"),
    One("certificates.one", "chen", at("/certificate/{certificate}")),
    One("certificates.one", "officer", at("/certificate/{certificate_ended}"), "ended"),
    One("certificates.one", "chen", at("/certificate/{certificate_cycle}"), "cycle"),
    One("verify.page", "", at("/v/{cycle_code}"), "cycle"),
    One("cycle_certificates.home", "officer", at("/cycle-certificates")),
    One("cycle_certificates.unit", "officer", at("/cycle-certificates/2026-2030/{S}")),
    One("cycle_certificates.today", "lead", at("/cycle-certificates?unit={S}"), "school"),
    One("cycle_certificates.issue", "officer", at("/record/whole/{li}/certificate/2026-2030")),
    One("cycle_certificates.issue", "sun", at("/record/whole/{sun}/certificate/2026-2030"), "nothing"),
    One("bundles.cycles", "officer", at("/cycle-certificates/2026-2030/{S}/bundle")),
    One("bundles.page", "officer", at("/certificates/{P}/{U}/bundle"), "making"),
    One("bundles.page", "officer", at("/certificates/{P}/{S}/bundle"), "ready"),
    One("bundles.page", "officer", at("/certificates/{P}/{B}/bundle"), "nothing"),
    One("bundles.statements", "officer", at("/workload/{P}/{U}/bundle")),
    One("workloads.home", "officer", at("/workload/{P}")),
    One("workloads.home", "officer", at("/workload/{P}?made=3"), "made"),
    One("workloads.one", "lead", at("/work-statement/{statement}")),
    One("workloads.one", "officer", at("/work-statement/{statement_ended}"), "ended"),
    One("workloads.mine", "lead", at("/workload")),
    One("workloads.mine", "sun", at("/workload"), "none"),
    One("verify.page", "", at("/v/{work_code}"), "work"),
    One("certificates.revoke", "officer", at("/certificate/{certificate}/revoke")),
    One("seals.home", "school_keeper", at("/seals")),
    One("seals.one", "keeper", at("/seals/{U}")),
    One("verify.page", "", at("/v")),
    One("verify.page", "", at("/v/{paper_code}"), "valid"),
    One("verify.page", "", at("/v/0000-0000-0000"), "unknown", 404),
    One("deliveries.home", "officer", at("/scores")),
    One("deliveries.home", "other_trainer", at("/scores"), "nothing"),
    One("deliveries.page", "officer", at("/courses/{scores}/scores")),
    One("deliveries.page", "it", at("/courses/{scores}/scores?standing=all"), "all"),
    One("deliveries.page", "officer", at("/courses/{scores}/scores?standing=none"), "nobody"),
    One("oversee.home", "officer", at("/progress")),
    One("oversee.unit", "officer", at("/progress/{P}/{U}")),
    One("oversee.unit", "officer", at("/progress/{draft}/{U}"), "categories"),
    One("oversee.unit", "lead", at("/progress/{P}/{S}"), "school"),
    One("oversee.people", "officer", at("/progress/{P}/{U}/people?state=due")),
    One("oversee.people", "lead", at("/progress/{P}/{S}/people?state=exempt"), "exempt"),
    One("oversee.unfinished", "officer", at("/progress/{P}/{U}/unfinished")),
    One("asks.mine", "chen", at("/record/{P}/asks")),
    One("asks.inbox", "officer", at("/hours-asked")),
    One("asks.one", "officer", at("/hours-asked/{ask_open}")),
    One("asks.one", "officer", at("/hours-asked/{ask_done}"), "answered"),
    One("archives.home", "officer", at("/archive")),
    One("intakes.page", "", at("/arriving/{intake_checking}")),
    One("intakes.page", "", at("/arriving/{intake_files}"), "files"),
    One("intakes.page", "", at("/arriving/{intake_failed}"), "failed"),
    One("intakes.page", "", at("/arriving/{intake_done}"), "done"),
    One("cycle.page", "officer", at("/hours-cycle?done=1")),
    One("holidays.page", "officer", at("/holidays?year=2026")),
    One("layouts.home", "officer", at("/exports?saved=1")),
    One("layouts.home", "officer", at("/exports?programme={P}"), "programme"),
    One("layouts.edit", "officer", at("/exports/people")),
    One("audit.home", "auditor", at("/audit")),
    One("audit.one", "auditor", at("/audit/draws/{draw}?again=1")),
    One("audit.one", "auditor", at("/audit/draws/{draw_done}"), "done"),
    One("audit.entry", "auditor", at("/audit/draws/{draw}/{draw_place}")),
    One("audit.trail", "auditor", at("/audit/works/{earned}")),
    One("audit.allotments", "auditor", at("/audit/allotments/{P}")),
    One("roster.home", "officer", at("/roster")),
    One("roster.checked", "officer", at("/roster/checked/{sheet}")),
    One("roster.checked", "officer", at("/roster/checked/{sheet_wrong}"), "wrong"),
    One("roster.entry", "officer", at("/roster/entry/{entry}")),
    One("roster.entry", "officer", at("/roster/entry/{exempt}"), "exempt"),
    One("roster.entry", "officer", at("/roster/entry/{gone}"), "removed"),
    One("plans.home", "officer", at("/progress/{P}/{U}/plans")),
    One("plans.one", "lead", at("/progress/{P}/{S}/plan")),
    One("plans.one", "officer", at("/progress/{P}/{S}/plan"), "county"),
    One("plans.one", "officer", at("/progress/{P}/{B}/plan"), "begun"),
    One("trainings.home", "officer", at("/trainings")),
    One("trainings.home", "lead", at("/trainings"), "lead"),
    One("trainings.terms", "officer", at("/trainings/terms")),
    One("trainings.new", "lead", at("/trainings/new")),
    One("trainings.page", "lead", at("/trainings/{training_open}"), "open"),
    One("trainings.page", "lead", at("/trainings/{training_over}?booked=0&own=1"), "over"),
    One("trainings.page", "officer", at("/trainings/{training_closed}?booked=3"), "closed"),
    One("trainings.page", "auditor", at("/trainings/{training_cancelled}"), "cancelled"),
    One("trainings.page", "officer", at("/trainings/{training_county}"), "county"),
    One("trainings.edit", "lead", at("/trainings/{training_open}/edit")),
    One("trainings.people", "lead", at("/trainings/{training_over}/people")),
    One("trainings.people", "officer", at("/trainings/{training_closed}/people?changed=2"), "closed"),
    One("trainings.people", "auditor", at("/trainings/{training_open}/people?show=here"), "read"),
    One("trainings.person", "lead", at("/trainings/{training_closed}/people/{attendance}")),
    One("trainings.screen", "lead", at("/trainings/{training_open}/screen")),
    One("trainings.screen", "lead", at("/trainings/{training_over}/screen"), "over"),
    One("trainings.bring_in", "lead", at("/trainings/{training_over}/import")),
    One("trainings.checked", "lead", at("/trainings/{training_open}/import/{training_list}")),
    One("trainings.checked", "lead", at("/trainings/{training_open}/import/{training_list_wrong}"), "wrong"),
    One("trainings.mine", "chen", at("/trainings/mine")),
    One("trainings.mine", "zhao", at("/trainings/mine?signed=1"), "without"),
    One("sign_in.page", "", at("/sign-in/{training_open}/{code_now}"), "stranger"),
    One("sign_in.page", "", at("/sign-in/{training_open}/000000"), "over", 404),
    One("history.home", "officer", at("/history")),
    One("history.home", "lead", at("/history?q=王秀兰"), "lead"),
    One("history.checked", "officer", at("/history/checked/{old}")),
    One("history.checked", "officer", at("/history/checked/{old_wrong}"), "wrong"),
    One("history.mine", "wang", at("/me/history")),
    One("history.mine", "new", at("/me/history"), "unconfirmed"),
    One("transfers.mine", "chen", at("/transfer"), "asked"),
    One("transfers.mine", "li", at("/transfer"), "handed"),
    One("transfers.mine", "zhou", at("/transfer"), "came"),
    One("transfers.mine", "wang", at("/transfer"), "nothing"),
    One("transfers.home", "officer", at("/transfers")),
    One("transfers.leaving", "officer", at("/transfers/leaving/{transfer_asked}"), "asked"),
    One("transfers.leaving", "officer", at("/transfers/leaving/{transfer_handed}"), "handed"),
    One("transfers.arriving", "officer", at("/transfers/arriving/{arrival_waiting}"), "waiting"),
    One("transfers.arriving", "officer", at("/transfers/arriving/{arrival_taken}"), "taken"),
    One("transfers.works", "officer", at("/transfers/arriving/{arrival_waiting}/works")),
    One("schools.home", "officer", at("/schools")),
    One("schools.one", "officer", at("/schools/{S}")),
    One("platforms.home", "it", at("/platforms")),
    One("platforms.home", "officer", at("/platforms"), "officer"),
    *(
        One("platforms.new", "it", at(f"/platforms/new/{product}"), product)
        for product in ("moodle", "openedx", "canvas", "brightspace", "blackboard", "other")
    ),
    One("platforms.one", "it", at("/platforms/{platform}")),
    One("platforms.one", "it", at("/platforms/{platform_off}"), "disabled"),
    One("platforms.one", "it", at("/platforms/{platform_knocked}"), "knocked"),
    One("doctor.home", "it", at("/doctor")),
    One("launches.home", "it", at("/launches")),
    One("launches.home", "officer", at("/launches?refused=1&platform={platform_knocked}"), "narrowed"),
    One("launches.home", "it", at("/launches?reference=AAAA-AAAA"), "unknown", 422),
    One("launches.home", "it", at("/launches?course={C}"), "empty"),
    One("launches.one", "it", at("/launches/TEST-AAAA"), "launched"),
    One("launches.one", "it", at("/launches/TEST-BBBB"), "refused"),
    One("launches.one", "it", at("/launches/TEST-CCCC"), "login"),
    One("launches.one", "it", at("/launches/TEST-DDDD"), "register"),
    One("register.page", "", at("/lti/register?openid_configuration=https://lms.example/openid"), "stranger"),
    One("register.page", "", at("/lti/register"), "alone", 422),
    One("roster.hours", "officer", at("/hours/{P}")),
    One("roster.hours_sheet", "officer", at("/hours/{P}/sheets/{hours_sheet}")),
    One("roster.hours_checked", "officer", at("/hours/{P}/checked/{hours}")),
    One("curate.home", "officer", at("/curate")),
    One("curate.framework", "officer", at("/curate/frameworks/{F}"), "published"),
    One("curate.framework", "officer", at("/curate/frameworks/{version}"), "draft"),
    One("curate.changes", "officer", at("/curate/frameworks/{standard_2}/changes")),
    One("curate.changes", "officer", at("/curate/frameworks/{F}/changes"), "alone"),
    One("editing.begin", "officer", at("/curate/begin")),
    One("editing.discard", "officer", at("/curate/frameworks/{version}/discard")),
    One("editing.head", "officer", at("/curate/frameworks/{version}/head")),
    One("editing.new_point", "officer", at("/curate/frameworks/{version}/new-point")),
    One("editing.point", "officer", at("/curate/frameworks/{version}/points/A1")),
    One("editing.new_item", "officer", at("/curate/frameworks/{version}/points/A1/new-item")),
    One("editing.item", "officer", at("/curate/frameworks/{version}/points/A1/items/plan")),
    One("languages.home", "officer", at("/curate/frameworks/{spoken}/languages")),
    One("languages.overview", "officer", at("/curate/frameworks/{spoken}/languages/ug")),
    One("languages.head", "officer", at("/curate/frameworks/{spoken}/languages/ug/head")),
    One("languages.point", "officer", at("/curate/frameworks/{spoken}/languages/ug/points/A1")),
    One("succession.page", "officer", at("/curate/frameworks/{next}/succession")),
    One("succession.page", "officer", at("/curate/frameworks/{F}/succession"), "alone"),
    One("succession.move", "officer", at("/curate/programmes/{P}/move")),
    One("remarking.page", "officer", at("/curate/frameworks/{next}/touches")),
    One("calibration.training", "chen", at("/reviews/training")),
    One("calibration.training", "wang", at("/reviews/training"), "done"),
    One("calibration.training", "li", at("/reviews/training?first=1"), "first"),
    One("calibration.feedback", "wang", at("/reviews/{example}/feedback")),
    One("calibration.desk", "officer", at("/calibration/{practice}")),
    One("calibration.desk", "trainer", at("/calibration/{P}"), "off"),
    One("calibration.new", "officer", at("/calibration/{practice}/new/{to_agree}")),
    One("remarking.page", "officer", at("/curate/frameworks/{F}/touches"), "alone"),
    One("remarking.remark", "officer", at("/curate/programmes/{over}/remark")),
    One("remarking.remark", "officer", at("/curate/programmes/{remarked}/remark?done=1"), "done"),
    One("review.page", "wang", at("/reviews/{comes_back}"), "comes_back"),
    One("cases.page", "trainer", at("/cases/{case_before}"), "marks_before"),
    One("succession.move", "officer", at("/curate/programmes/{draft}/move?to={next}"), "way"),
    One("exchange.home", "officer", at("/curate/import")),
    One("exchange.checked", "officer", at("/curate/import/{standard}")),
    One("exchange.checked", "officer", at("/curate/import/{standard_wrong}"), "wrong"),
    One("exchange.checked", "officer", at("/curate/import/{foreign}"), "reference"),
    One("references.home", "officer", at("/curate/references")),
    One("references.page", "officer", at("/curate/references/{jyt}")),
    One("references.crosswalk", "officer", at("/curate/frameworks/{F}/crosswalk?point=A1")),
    One("references.crosswalk", "auditor", at("/curate/frameworks/{F}/crosswalk?point=A1"), "read"),
    One("references.mine", "wang", at("/programmes/{P}/standards?point=A6")),
    One("curate.programme", "officer", at("/curate/programmes/{P}")),
    One("curate.programme", "officer", at("/curate/programmes/{draft}"), "draft"),
    One("curate.programme", "officer", at("/curate/programmes/{closed}"), "closed"),
    One("choice.page", "officer", at("/choices/{P}/{li}")),
    One("choice.confirming", "lead", at("/chosen/{draft}/{S}"), "off"),
    One("choice.confirming", "lead", at("/chosen/{Q}/{S}")),
    One("choice.page", "officer", at("/choices/{P}/{chen}"), "passed"),
    One("chain.home", "officer", at("/chain")),
    One("chain.programmes", "officer", at("/chain/programmes")),
    One("chain.county", "officer", at("/chain/{Q}")),
    One("upper.home", "officer", at("/upper-checks/{Q}")),
    One("upper.one", "officer", at("/upper-check/{upper}")),
    One("upper.one", "auditor", at("/upper-check/{upper}"), "read"),
    One("chain.school", "lead", at("/chain/{Q}/{S}")),
    One("chain.school", "officer", at("/chain/{Q}/{T}"), "checking"),
    One("chain.name_panel", "lead", at("/panel/{S}")),
    One("chain.name_panel", "officer", at("/panel/{T}"), "named"),
    One("chain.batch", "officer", at("/batches/{checking}"), "check"),
    One("chain.batch", "officer", at("/batches/{shown}"), "objections"),
    One("chain.batch", "lead", at("/batches/{shown}"), "lead"),
    One("chain.publicities", "wang", at("/publicity")),
    One("chain.publicity", "wang", at("/publicity/{shown}")),
    One("chain.publicity", "officer", at("/publicity/{shown}"), "officer"),
    One("submit.home", "wang", at("/programmes/{Q}"), "in_notice"),
    One("submit.point", "chen", at("/submissions/{in_notice}"), "in_notice"),
    One("submit.point", "li", at("/submissions/{held}"), "held"),
    One("passport.page", "wang", at("/record/{Q}"), "in_notice"),
    One("curate.programme", "officer", at("/curate/programmes/{Q}"), "chain"),
    One("inbox.home", "wang", at("/messages")),
    One("inbox.home", "new", at("/messages"), "none"),
    One("inbox.mail", "wang", at("/messages/mail")),
    One("inbox.off", "", at("/mail/off/{off}")),
    One("appeals.ask", "li", at("/submissions/{may_appeal}/appeal")),
    One("appeals.one", "wang", at("/appeals/{short}")),
    One("appeals.one", "zhao", at("/appeals/{settled}"), "settled"),
    One("appeals.one", "officer", at("/appeals/{short}"), "short"),
    One("appeals.one", "auditor", at("/appeals/{settled}"), "trail"),
    One("appeals.inbox", "officer", at("/appeals")),
    One("appeals.inbox", "auditor", at("/appeals?of=settled"), "settled"),
    One("appeals.review", "li", at("/appeals/panel/{appeal_part}")),
    One("submit.result", "li", at("/submissions/{may_appeal}/result"), "may_appeal"),
    One("rounds.make_up", "officer", at("/curate/programmes/{closed}/make-up")),
    One("rounds.extended", "officer", at("/curate/programmes/{P}/extensions")),
    One("rounds.called", "officer", at("/curate/programmes/{draft}/cohorts")),
    One("rounds.called", "officer", at("/curate/programmes/{P}/cohorts"), "none"),
    One("rounds.extended", "officer", at("/curate/programmes/{closed}/extensions"), "none"),
    One("curate.new", "officer", at("/curate/programmes/new")),
    One("curate.new", "officer", at("/curate/programmes/new?like={P}"), "like"),
    One("curate.new", "officer", at("/curate/programmes/new?settings=henan"), "settings"),
    One("curate.edit", "officer", at("/curate/programmes/{P}/edit")),
    One("kit.page", "", at("/kit")),
)

# GET routes that answer no page: bytes, sheets, JSON, redirects of a launch.
NO_PAGES = {
    "calendar_file.due",
    "person_data.file",
    "person_data.my_file",
    "transfers.file",
    "transfers.came",
    "transfers.keys",
    "static",
    "health.live",
    "health.ready",
    "lti.login",
    "lti.jwks",
    "doctor.cookie",
    "lti.download",
    "certificates.pdf",
    "bundles.file",
    "archives.file",
    "workloads.pdf",
    "seals.picture",
    "evidence.file",
    "evidence.page",
    "evidence.picture",
    "roster.template",
    "roster.hours_template",
    "history.template",
    "trainings.template",
    "listings.people_sheet",
    "listings.scores_sheet",
    "layouts.file",
    "exchange.download",
    "references.download",
}


@pytest.fixture(scope="module")
def pages(module_district_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    with served(module_district_url, tmp_path_factory.mktemp("pages")) as found:
        yield found


class Windows:
    """One context for each person and language, kept for the whole module."""

    def __init__(self, browser: Browser, pages: Pages) -> None:
        self.browser, self.pages = browser, pages
        self.windows: dict[tuple[str, str], Page] = {}
        self.said: list[str] = []

    def of(self, who: str, locale: str) -> Page:
        """A window of that person ("" = a stranger); what the browser complains about lands in `said`."""
        who = at(who)(self.pages)
        self.said.clear()
        if (who, locale) not in self.windows:
            context = self.browser.new_context(locale="zh-CN" if locale == "zh-Hans" else "en-GB")
            context.set_default_timeout(15_000)
            context.add_init_script(AXE)
            if who:
                self.sign_in(context, who, locale)
            window = context.new_page()
            window.on("console", lambda line: self.said.append(line.text) if line.type == "error" else None)
            window.on("pageerror", lambda error: self.said.append(str(error)))
            self.windows[who, locale] = window
        return self.windows[who, locale]

    def sign_in(self, context: BrowserContext, who: str, locale: str) -> None:
        """Gives a context the cookie of a launch."""
        context.add_cookies(
            [
                {
                    "name": "__Host-nengli",
                    "value": self.pages.cookies[who, locale],
                    "url": self.pages.url.replace("http:", "https:"),
                    "secure": True,
                    "httpOnly": True,
                }
            ]
        )


@pytest.fixture(scope="module")
def windows(browser: Browser, pages: Pages) -> Windows:
    return Windows(browser, pages)


def test_no_page_is_left_out(tool: Flask) -> None:
    """Default deny: a route that answers GET stands in the table or among those that answer no page."""
    answers = {rule.endpoint for rule in tool.url_map.iter_rules() if "GET" in (rule.methods or ())}
    shown = {one.endpoint for one in PAGES}
    assert answers - shown - NO_PAGES == set()
    assert (shown | NO_PAGES) - answers == set()
    assert shown & NO_PAGES == set()


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("one", PAGES, ids=str)
def test_page(windows: Windows, pages: Pages, one: One, locale: str) -> None:
    window = windows.of(one.who, locale)
    window.set_viewport_size({"width": 1000, "height": 640})
    answer = window.goto(pages.url + one.path(pages))
    assert answer is not None
    assert answer.status == one.status
    window.wait_for_load_state("load")
    assert window.locator("html").get_attribute("lang") == locale
    assert window.locator("h1").count() == 1
    assert window.locator(".btn.primary").count() <= 1
    # what is missing is said beside its field in the page's language, not by the browser in its own
    assert window.locator("form[method=post]:not([novalidate]) [required]").count() == 0
    no_leftovers(one.endpoint, window.locator("body").inner_text(), window.title(), locale)
    wide = readable(window)
    window.set_viewport_size({"width": 320, "height": 640})
    narrow = readable(window)
    window.evaluate("document.documentElement.classList.add('size-larger')")
    large = sideways(window)
    refused = [line for line in windows.said if f"status of {one.status}" not in line or one.status == 200]
    assert [*wide, *narrow, *large, *refused] == []


def no_leftovers(kind: str, text: str, title: str, locale: str) -> None:
    """Nothing that only programs say: None, placeholders, codes of refusals, a page of the other language."""
    said = f"{title}\n{text}"
    assert LEFTOVERS.findall(said) == []
    codes = set(messages.catalogue())
    assert [word for word in CODE.findall(said) if word in codes] == []
    # The kit shows components, not sentences; a translator sees the official Chinese in every language of the pages.
    if locale == "en" and kind not in {"kit.page", "languages.head"}:
        assert {line.strip() for line in said.splitlines()} & OWN_WORDS == set()


def sideways(window: Page) -> list[str]:
    """What sticks out at the right, if the page scrolls sideways."""
    found: list[str] = window.evaluate(SIDEWAYS)
    return found


def readable(window: Page) -> list[object]:
    """What axe finds, and what sticks out at the right. The foot lies still: what it covers can be scrolled free."""
    window.evaluate("document.querySelectorAll('.actionbar').forEach(foot => foot.style.position = 'static')")
    found = window.evaluate(
        f"axe.run(document, {{runOnly: {RULES}, resultTypes: ['violations']}}).then(r => r.violations)"
    )
    broken = [(one["id"], node["html"][:200], node["any"][:1]) for one in found for node in one["nodes"][:2]]
    return [*broken, *sideways(window)]


@pytest.mark.parametrize("locale", ["zh-Hans", "en"])
def test_a_registration_that_was_tried_out(windows: Windows, pages: Pages, locale: str) -> None:
    """The answer to the button, with lines that went wrong: this platform's name leads nowhere."""
    window = windows.of("it", locale)
    window.goto(f"{pages.url}/platforms/{pages.uuids['platform']}")
    window.locator("button[form=test]").click()
    expect(window.locator("li .state.stop")).to_have_count(2)
    no_leftovers("platforms.test", window.locator("body").inner_text(), window.title(), locale)
    for width in (1000, 320):
        window.set_viewport_size({"width": width, "height": 640})
        assert readable(window) == []


# --- going back ---


def alive(window: Page) -> None:
    """A page of ours with its one heading, not the browser's own "send again?"."""
    assert window.locator("h1").count() == 1
    assert window.evaluate("document.contentType") == "text/html"


def test_back_never_meets_a_form_again_and_refresh_does_no_harm(browser: Browser, pages: Pages) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 740}, locale="zh-CN")
    Windows(browser, pages).sign_in(context, "wang", "zh-Hans")
    window = context.new_page()
    posts: list[str] = []
    window.on("request", lambda asked: posts.append(asked.url) if asked.method == "POST" else None)
    window.goto(f"{pages.url}/programmes/{pages.programme}")
    window.goto(f"{pages.url}/submissions/{pages.uuids['A5']}")
    window.get_by_role("button", name="提交", exact=True).click()  # something is missing: said on the page
    expect(window.locator("main")).to_contain_text("还差")
    alive(window)
    window.reload()
    alive(window)
    handed = [url for url in posts if url.endswith("/submit")]
    assert len(handed) == 1
    window.goto(f"{pages.url}/me/invitation")
    window.get_by_label("邀请码").fill("错的")
    window.get_by_role("button", name="接受邀请").click()
    expect(window.locator(".error")).to_be_visible()
    window.goto(f"{pages.url}/reviews")
    for _step in range(3):
        window.go_back()
        alive(window)
    assert window.url == f"{pages.url}/submissions/{pages.uuids['A5']}"
    assert [url for url in posts if url.endswith("/submit")] == handed
    assert len([url for url in posts if url.endswith("/me/invitation")]) == 1
    context.close()


def test_dark_ground_is_readable(windows: Windows, pages: Pages) -> None:
    window = windows.of("chen", "zh-Hans")
    for path in ("/programmes/{P}", "/record/{P}", "/submissions/{earned}"):
        window.goto(pages.url + at(path)(pages))
        window.evaluate("document.documentElement.classList.add('theme-dark')")
        assert readable(window) == []


def test_text_size_and_ground_stay(browser: Browser, pages: Pages) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 740}, locale="zh-CN")
    Windows(browser, pages).sign_in(context, "neighbour", "zh-Hans")
    window = context.new_page()
    window.goto(f"{pages.url}/help")
    for button in ("特大", "深色底"):
        window.locator(".topbar summary").click()
        window.get_by_role("button", name=button, exact=True).click()
        assert window.url == f"{pages.url}/help"
    expect(window.locator("html")).to_have_class(re.compile("size-larger theme-dark"))
    expect(window.locator(".foot")).to_contain_text("帮助")
    window.locator(".topbar summary").click()
    window.get_by_role("button", name=re.compile("深色底")).click()  # its name begins with a tick now
    expect(window.locator("html")).not_to_have_class(re.compile("theme-dark"))
    context.close()
