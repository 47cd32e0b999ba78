"""Rules of the house that no linter knows: each failure names the file, the line and the cure."""

import ast
import configparser
import importlib
import re
import string
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import errors_page
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from lms_plugin.db import Model, Owned

HOUSE = Path(__file__).resolve().parent.parent
PARTS = ("lms_plugin", "competencies", "rubrics", "lti")
MODELS = (
    "lms_plugin.people",
    "lms_plugin.outbox",
    "lms_plugin.leaving",
    "lms_plugin.erasures",
    "lms_plugin.platform_events",
    "competencies.batches",
    "competencies.bundles",
    "competencies.choice_changes",
    "competencies.models",
    "competencies.certificate_models",
    "competencies.draws",
    "competencies.succession",
    "competencies.training_files",
    "competencies.training_models",
    "competencies.transfer_models",
    "competencies.asked",
    "competencies.workloads",
    "rubrics.models",
    "lti.models",
)
LONGEST_FILE = 450  # lines; the aim is 400

# Selects of a root that neither name the tenant nor start from a row that has been found, and why that is right.
ACROSS_TENANTS = {
    ("lms_plugin/outbox.py", "Job"): "the queue serves every district; handlers get ids of one job",
    ("lti/", "Platform"): "a launch names issuer and client id; which tenant that is, is what is being asked",
    (
        "competencies/certificates.py",
        "Certificate",
    ): "whoever verifies knows a code alone; of which district it is, is asked",
    (
        "competencies/transfers.py",
        "Arrival",
    ): "a package is addressed to a code alone, and is taken in once on the installation",
    (
        "competencies/transfers.py",
        "Transfer",
    ): "the other side of an arrival: a package names it",
    ("competencies/workloads.py", "WorkStatement"): "whoever verifies knows a code alone, as of certificates",
    ("lms_plugin/flow/sign_in.py", "Training"): "a phone knows no district; the code of this moment is the permission",
    ("lms_plugin/flow/clearing.py", "StoredFile"): "the worker clears the disk, which holds every district's files",
    (
        "lms_plugin/flow/archive_making.py",
        "TenantArchive",
    ): "the worker clears the disk, which holds every district's archives",
}

# Public flow functions that nobody is yet signed in for, or that the machine calls by itself, and why.
NEEDS_NO_PERMISSION = {
    "enter.enter": "the verified launch is the permission",
    "look.look": "what a course asks of anybody; the signed address is the permission, and the registration allows it",
    "enter.enrol": "a consequence of a launch or of an officer's act that has been checked",
    "enter.raise_notice": "tells officers something; gives nothing away",
    "messages_mail.end_by_link": "the signed link in a letter is the permission, for that one act",
    "notices.officers_above": "asked for the signed-in person's own school",
    "courses.course_scope": "reads what `require` has to know of a course; only flow calls it",
    "courses.may_bind": "asks whether the signed-in person may",
    "notices.open_notices": "empty for who may not see to them; the page is everybody's",
    "waiting.*": "counts what waits for the reader, within the reach of their own roles",
    "waiting_school.led_by": "reads the reader's own roles",
    "waiting_school.to_decide": "counts the reader's own desk; none for who is in no 考核小组",
    "sessions.open_session": "called with a person whom a launch, ticket or invitation has proved",
    "sessions.open_for": "the same, by ids",
    "sessions.visitor_of": "asks who somebody is, before anything can be permitted",
    "sessions.person_of": "asks who a session belongs to, before anything can be permitted",
    "sessions.issue_ticket": "passes on the session that asks, and nothing more",
    "sessions.ticket_person": "the unused ticket is the permission",
    "sessions.redeem_ticket": "the unused ticket is the permission",
    "sessions.say_yes": "the bearer of the launch is the permission",
    "sessions.is_proved": "reads a session that is in hand",
    "sessions.carry_proof": "the token of the proved session is the permission; only the launch calls it",
    "tries.*": "counts wrong codes; only flow calls it, after `require`",
    "sessions.again": "the consumed login of the same browser is the permission",
    "sessions.is_form_of": "asks whether a form is of the person who sends it",
    "landing.landing_of": "every signed-in person has a way in; it shows their own",
    "invitations.invitation_of": "the unused code is the permission",
    "register.*": "the unused invitation code is the permission",
    "people.school_of": "asked for the signed-in person's own school",
    "helpers.helpers_of": "everybody may know whom to ask: names of those in charge, for the signed-in person alone",
    "people.schools": "every person of the district picks their school from this list",
    "humans.*": "puts together the rows of one human being; only flow calls it, after `require`",
    "scopes.*": "reads what `require` has to know of a thing; only flow calls it",
    "reach.*": "conditions of queries that keep lists within the actor's reach",
    "leavers.*": "asks who has gone, and frees what they had; only flow calls it, after `require`",
    "review_needs.*": "counts what works lack and until when reviews are due; only flow calls it, after `require`",
    "review_pool.*": "reads who takes part in reviews; only flow calls it, after `require`",
    "booking.*": "hours follow passes and rules; only flow and the worker call it, after `require`",
    "evidence_views.*": "turns rows that have been found into what pages show",
    "doctor.proxy_line": "compares two addresses; nothing is read or written",
    "review.to_allot": "the worker's sweep: no person acts",
    "review.allocate_due": "the worker's sweep: no person acts",
    "award.decided": "reads what waits for release; only flow calls it, after `require`",
    "award.to_release": "the worker's sweep: no person acts",
    "award.release_due": "the worker's sweep: no person acts",
    "award.release_rows": "releases what its callers have looked at; only flow calls it, after `require`",
    "batches.due": "the worker's sweep: no person acts",
    "batches.release_due": "the worker's sweep: no person acts",
    "batches.of_unit": "a condition of queries",
    "batches.school_scope": "reads what `require` has to know of a school",
    "batches.county_scope": "reads what `require` has to know of a programme",
    "batches.hands_on": "reads who has had a hand in works; only flow calls it, after `require`",
    "batches.reopen": "a consequence of an answer that has been checked",
    "publicity.public_page": "what the district shows to everybody, where its programme says so",
    "review_views.item_views": "turns a sheet that has been found into what pages show",
    "review_views.field_of": "names a form field",
    "cases.judgements": "reads what reviewers agree on; only flow calls it, after `require`",
    "cases.agreements": "reads what reviewers agree on; only flow calls it, after `require`",
    "arrivals.deliver": "a consequence of a release that has been checked",
    "arrivals.call_back": "a consequence of a withdrawal that has been checked",
    "arrivals.package_of": "reads what has come; only flow calls it, after `require`",
    "arrivals.is_of_sender": "compares two keys; only flow calls it, after `require`",
    "arrivals.programmes_of": "reads where hours may go; only flow calls it, after `require`",
    "arrivals.free_points": "reads what may still be held; only flow calls it, after `require`",
    "transfers.release_code": "computes a code of a package; only who may see it is shown it",
    "transfer_package.*": "puts together what would leave and reads what has come; only flow calls it, after `require`",
    "transfer_record.*": "the same",
    "transfer_hours.*": "what both sides share; only flow calls it, after `require`",
    "transfer_notices.*": "tells officers that something waits; gives nothing away",
    "transfer_views.public_keys": "public halves of keys, published for anybody",
    "stuck.*": "reads where scores stand; only flow and the worker call it, after `require`",
    "digest.*": "the worker's sweep: no person acts; what is shown is kept within the reader's reach",
    "course_deliveries.send_again": "only flow calls it, after `require`",
    "verification.*": "whoever holds the paper has its code, which is the permission; nothing is written",
    "certificate_views.in_record": "only the record calls it, after `require`; asks what of it may be seen",
    "sign_in.scanned": "the code of this moment is the permission",
    "sign_in.entry_pass": "given to whoever scanned a code in time",
    "sign_in.on_phone": "the personal code is the permission",
    "marking.*": "reads what is judged; only flow calls it, after `require`",
    "intakes.*": "the code that the operator's command printed is the permission",
}

CLOCKS = {"now", "utcnow", "today"}
EDGES = (
    "lms_plugin/web/",
    "lms_plugin/cli",
    "lms_plugin/demo",
    "lms_plugin/worker",
    "lms_plugin/practice/",
    "lms_plugin/xblock/",
)
RAISERS = {"Refused", "NotFound", "Forbidden", "Conflict", "Unavailable"}
CODE = re.compile(r"^[a-z][a-z_]*(\.[a-z0-9_]+)+$")


def sources() -> list[Path]:
    """Every Python file of the product."""
    return sorted(path for part in PARTS for path in (HOUSE / part).rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(HOUSE).as_posix()


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def calls(node: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Every call below the node with the last word of what is called."""
    for found in ast.walk(node):
        if isinstance(found, ast.Call):
            yield last_word(found.func), found


def last_word(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def tracked() -> list[Path]:
    """Every file that git keeps."""
    listed = subprocess.run(
        ["git", "-c", f"safe.directory={HOUSE}", "ls-files", "-z"], cwd=HOUSE, capture_output=True, check=True
    )
    return [HOUSE / name for name in listed.stdout.decode().split("\0") if name and (HOUSE / name).is_file()]


# --- (a) size ---


def test_no_file_is_too_long_to_read() -> None:
    lengths = {name_of(path): path.read_bytes().count(b"\n") for path in sources()}
    long = {name: lines for name, lines in lengths.items() if lines > LONGEST_FILE}
    assert not long, f"split by what changes together (at most {LONGEST_FILE} lines): {long}"


# --- (b) tenants ---


def roots() -> set[str]:
    """The names of the tables that belong to a tenant."""
    found = set()
    for module in MODELS:
        for value in vars(importlib.import_module(module)).values():
            if isinstance(value, type) and issubclass(value, Owned) and hasattr(value, "__table__"):
                found.add(value.__name__)
    return found


def unwalled(source: ast.Module, names: set[str]) -> list[tuple[int, str]]:
    """Reads of a root whose statement neither names `tenant_id` nor leads there from a row in hand.

    A row in hand shows as an id column (`.programme_id`, `.id`): ids never come from a request, uuids do. So a
    statement that narrows by `uuid` must name `tenant_id` too, whatever else it says.
    """
    found = []
    for statement in statements(source):
        words = {node.attr for node in ast.walk(statement) if isinstance(node, ast.Attribute)}
        words |= {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
        in_hand = any(word == "id" or (word.endswith("_id") and word != "tenant_id") for word in words)
        if "tenant_id" in words or "owned" in words or (in_hand and "uuid" not in words):
            continue
        for called, call in calls(statement):
            if called == "select" or (
                called == "get" and last_word(getattr(call.func, "value", ast.Constant(0))) == "session"
            ):
                read = {
                    last_word(node)
                    for argument in call.args
                    for node in ast.walk(argument)
                    if isinstance(node, ast.expr)
                }
                found += [(call.lineno, root) for root in sorted(read & names)]
    return found


def statements(source: ast.Module) -> Iterator[ast.stmt]:
    """The innermost statements: a compound one stands for its head only."""
    for node in ast.walk(source):
        if isinstance(node, ast.stmt) and not hasattr(node, "body"):
            yield node


def test_roots_are_read_inside_their_tenant() -> None:
    names, problems = roots(), []
    assert {"Person", "Submission"} <= names
    for path in sources():
        name = name_of(path)
        if name == "lms_plugin/db.py":
            continue
        for line, root in unwalled(tree(path), names):
            if not any(name.startswith(place) and root == kind for place, kind in ACROSS_TENANTS):
                problems.append(f"{name}:{line} reads {root}: begin with owned({root}, tenant_id) or find(…)")
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize(
    ("source", "is_flagged"),
    [
        ("rows = session.exec(select(Person)).all()", True),
        ("row = session.exec(select(Person).where(Person.uuid == uuid)).one()", True),
        ("row = session.exec(select(Person).where(Person.uuid == uuid, Person.merged_into_id == k)).one()", True),
        ("row = session.get(Person, key)", True),
        ("row = session.exec(select(Person).where(Person.tenant_id == actor.tenant_id)).one()", False),
        ("rows = session.exec(select(Person).join(Role).where(Role.course_id == course.id)).all()", False),
        ("rows = session.exec(owned(Person, tenant).where(Person.uuid == uuid)).all()", False),
        ("rows = session.exec(select(Tenant)).all()", False),
    ],
)
def test_the_tenant_rule_knows_what_it_says(source: str, is_flagged: bool) -> None:
    assert bool(unwalled(ast.parse(source), {"Person"})) is is_flagged


# --- (c) environment, (d) clock, (g) outgoing HTTP ---


def test_only_config_reads_the_environment() -> None:
    problems = []
    for path in sources():
        if name_of(path) == "lms_plugin/config.py":
            continue
        for node in ast.walk(tree(path)):
            reads = isinstance(node, ast.Attribute) and node.attr in {"environ", "environb", "getenv"}
            if reads and last_word(node.value) == "os":  # not Flask's request.environ
                problems.append(f"{name_of(path)}:{node.lineno} reads the environment: make it a setting in config.py")
            if isinstance(node, ast.ImportFrom) and node.module == "os":
                problems += [
                    f"{name_of(path)}:{node.lineno} reads the environment: make it a setting in config.py"
                    for alias in node.names
                    if alias.name in {"environ", "getenv"}
                ]
    assert not problems, "\n".join(problems)


def test_only_the_edges_look_at_the_clock() -> None:
    problems = []
    for path in sources():
        if name_of(path).startswith(EDGES):
            continue
        for called, call in calls(tree(path)):
            owner = last_word(call.func.value) if isinstance(call.func, ast.Attribute) else ""
            if called in CLOCKS and owner in {"datetime", "date"}:
                problems.append(f"{name_of(path)}:{call.lineno} looks at the clock: take `now` as an argument")
    assert not problems, "\n".join(problems)


def test_only_net_speaks_http() -> None:
    outgoing = {"requests", "urllib3", "httpx", "http.client", "urllib.request"}
    problems = []
    for path in sources():
        name = name_of(path)
        if name == "lms_plugin/net.py" or name.startswith(("lms_plugin/practice/", "lms_plugin/xblock/")):
            continue
        for node in ast.walk(tree(path)):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                modules = [node.module]
            problems += [
                f"{name}:{node.lineno} imports {module}: go through lms_plugin.net"
                for module in modules
                if any(module == other or module.startswith(f"{other}.") for other in outgoing)
            ]
    assert not problems, "\n".join(problems)


# --- (e) the repository speaks of the product alone ---


def test_no_file_speaks_of_a_build_machine() -> None:
    homes = re.compile(rb"(?<![\w.:/-])/(?:root|work|home|Users)/[\w.]")
    # In halves, so that this file passes its own rule.
    indexes = ["pypi" + ".org", "python" + "hosted", "tuna." + "tsinghua", "mirrors." + "aliyun", "/opt/" + "pypi"]
    problems = []
    for path in tracked():
        content = path.read_bytes()
        for number, line in enumerate(content.splitlines(), 1):
            if homes.search(line) or any(index.encode() in line for index in indexes):
                problems.append(f"{name_of(path)}:{number} {line[:120]!r}")
    assert not problems, "paths of a build machine, or the name of a package index:\n" + "\n".join(problems)


# --- (f) every error has its sentences ---


def raised() -> Iterator[tuple[str, str, set[str] | None]]:
    """(where, code or "prefix*", names of its parameters or None when they are not all written out)."""
    for path in sources():
        for called, call in calls(tree(path)):
            where = f"{name_of(path)}:{call.lineno}"
            if called == "Invalid":
                yield from ((where, code, None) for code in field_codes(call))
            if called not in RAISERS or not call.args:
                continue
            names: set[str] | None = {keyword.arg for keyword in call.keywords if keyword.arg}
            if called == "Unavailable" or any(keyword.arg is None for keyword in call.keywords):
                names = None
            for code in codes(call.args[0]):
                yield where, code, names


def codes(node: ast.expr) -> list[str]:
    """The codes that an expression can be: written out, chosen by `if`, or with a fixed beginning ("prefix*")."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.IfExp):
        return codes(node.body) + codes(node.orelse)
    if isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
        return [f"{node.values[0].value}*"]
    return []


def field_codes(call: ast.Call) -> list[str]:
    """The codes in a dict of fields that is written out in the call."""
    found = []
    for argument in call.args:
        for value in argument.values if isinstance(argument, ast.Dict) else []:
            found += codes(value.elts[0] if isinstance(value, ast.Tuple) and value.elts else value)
    return found


def known(code: str, messages: dict[str, dict[str, str]]) -> bool:
    """Is there a sentence for the code, or for anything that begins like it?"""
    return any(name.startswith(code[:-1]) for name in messages) if code.endswith("*") else code in messages


def blanks(sentence: str) -> set[str]:
    """The names in braces of a sentence."""
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}


def test_every_error_has_a_sentence_in_both_languages() -> None:
    messages = errors_page.messages()
    missing = sorted({f"{code}  ({where})" for where, code, _ in raised() if not known(code, messages)})
    assert not missing, "no sentence in translations/messages:\n" + "\n".join(missing)


def test_sentences_are_whole_and_alike() -> None:
    problems = []
    for code, texts in errors_page.messages().items():
        if not CODE.match(code):
            problems.append(f"{code}: a code is part.reason")
        if set(texts) != {"zh", "en"} or not all(text.strip() for text in texts.values()):
            problems.append(f"{code}: needs zh and en")
        elif blanks(texts["zh"]) != blanks(texts["en"]):
            problems.append(f"{code}: zh and en name different parameters")
    assert not problems, "\n".join(problems)


def test_sentences_get_the_words_they_need() -> None:
    messages, problems = errors_page.messages(), []
    for where, code, names in raised():
        if names is not None and code in messages and blanks(messages[code]["en"]) - names:
            problems.append(f"{where} {code} does not give {sorted(blanks(messages[code]['en']) - names)}")
    assert not problems, "\n".join(problems)


def test_no_sentence_is_left_over() -> None:
    prefixes, used = set(), set()
    for path in sources():
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                used.add(node.value)
            if isinstance(node, ast.JoinedStr):
                prefixes |= {code[:-1] for code in codes(node) if "." in code}
    pages = "".join(
        path.read_text(encoding="utf-8")
        for folder in ("templates", "static")
        for path in (HOUSE / "lms_plugin" / folder).rglob("*")
        if path.suffix in {".html", ".js"}
    )
    left = [
        code
        for code in errors_page.messages()
        if code not in used and f'"{code}"' not in pages and f"'{code}'" not in pages
        if not any(code.startswith(prefix) for prefix in prefixes)
    ]
    assert not left, f"nothing says these any more: {left}"


def test_the_page_of_errors_is_current() -> None:
    page = HOUSE / "docs" / "errors.md"
    assert page.read_text(encoding="utf-8") == errors_page.page(errors_page.messages()), "run `make fix`"


# --- (h) flow: permission first ---


def flow_functions() -> dict[str, ast.FunctionDef]:
    """Every function of flow by "module.function"."""
    found = {}
    for path in sorted((HOUSE / "lms_plugin" / "flow").glob("*.py")):
        for node in tree(path).body:
            if isinstance(node, ast.FunctionDef):
                found[f"{path.stem}.{node.name}"] = node
    return found


def checks_first(function: ast.FunctionDef, guards: set[str]) -> bool:
    """Is a guard called at the top level of the body, before anything is written?"""
    for statement in function.body:
        called = [word for word, _ in calls(statement)]
        if guards & set(called) and not isinstance(statement, ast.If | ast.For | ast.While):
            return True
        if {"add", "add_all", "delete", "flush", "commit", "put"} & set(called):
            return False
    return False


def guarded(functions: dict[str, ast.FunctionDef]) -> set[str]:
    """The functions that check permission before they write: by `require`, or by calling one that does."""
    safe: set[str] = set()
    while True:
        guards = {"require"} | {name.split(".")[1] for name in safe}
        more = {name for name, node in functions.items() if name not in safe and checks_first(node, guards)}
        if not more:
            return safe
        safe |= more


def called_from_pages() -> set[str]:
    """The flow functions that `lms_plugin/web` uses, as "module.function", whatever it imports them as."""
    functions, used = flow_functions(), set()
    for path in sorted((HOUSE / "lms_plugin" / "web").rglob("*.py")):
        modules: dict[str, str] = {}
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ImportFrom) and node.module == "lms_plugin.flow":
                modules |= {alias.asname or alias.name: alias.name for alias in node.names}
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lms_plugin.flow."):
                used |= {f"{(node.module or '').split('.')[2]}.{alias.name}" for alias in node.names}
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
                used.add(f"{modules[node.value.id]}.{node.attr}")
    return used & set(functions)


def test_every_act_asks_for_permission_first() -> None:
    """Of what pages call. Other flow functions, workers and the operator's commands act for somebody already."""
    functions = flow_functions()
    assert "enter.enter" in called_from_pages()
    safe, problems = guarded(functions), []
    for name in sorted(called_from_pages()):
        arguments = [argument.arg for argument in functions[name].args.args]
        if {name, f"{name.split('.')[0]}.*"} & set(NEEDS_NO_PERMISSION) or "session" not in arguments:
            continue  # without a session it can neither read nor write
        if arguments[:1] != ["session"] or arguments[1:2] not in (["actor"], ["member"]):
            problems.append(f"{name}({', '.join(arguments)}): the first arguments are session and actor")
        elif name not in safe:
            problems.append(f"{name}: require(actor, …) comes before anything is written")
    assert not problems, "or say why not in NEEDS_NO_PERMISSION:\n" + "\n".join(problems)


def test_exceptions_still_exist() -> None:
    functions = flow_functions()
    gone = set(NEEDS_NO_PERMISSION) - set(functions) - {f"{name.split('.')[0]}.*" for name in functions}
    assert not gone, f"take these out of NEEDS_NO_PERMISSION: {sorted(gone)}"


# --- words ---


def test_every_table_stands_in_the_glossary() -> None:
    words = (HOUSE / "docs" / "glossary.md").read_text(encoding="utf-8")
    for module in MODELS:
        importlib.import_module(module)
    gone = [
        name for name in re.findall(r"\| `([a-z_]+)` \| [^|]+\|$", words, re.M) if name not in Model.metadata.tables
    ]
    missing = [name for name in Model.metadata.tables if f"| `{name}` |" not in words]
    assert not missing, f"one row a term: {missing}"
    assert not gone, f"these tables are no more: {gone}"


# --- two commands ---


def test_every_requirement_is_pinned() -> None:
    setup = configparser.ConfigParser(interpolation=None)
    setup.read(HOUSE / "setup.cfg", encoding="utf-8")
    asked = setup["options"]["install_requires"] + setup["options.extras_require"]["test"]
    names = {canonicalize_name(Requirement(line).name) for line in asked.split("\n") if line.strip()}
    pinned = set(re.findall(r"^([a-z0-9-]+)==\S+$", (HOUSE / "constraints.txt").read_text(encoding="utf-8"), re.M))
    assert not names - pinned, "run `make pins`"


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (HOUSE / "Makefile").read_text(encoding="utf-8"), re.M))
    for name in ("README.md", "CONTRIBUTING.md", "docs/errors.md", "docs/settings.md", "docs/licences.md"):
        named = re.findall(r"`make ([a-z-]+)[^`]*`", (HOUSE / name).read_text(encoding="utf-8"))
        assert set(named) <= targets, name
