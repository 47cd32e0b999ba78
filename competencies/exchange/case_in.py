"""A framework read from a CASE 1.0 or 1.1 CFPackage.

Of a package that this product wrote the very same pack comes back. Of anybody else's, whatever CASE does not say has a
default, the draft's notice says so, and keys that we do not know are kept under "case".
"""

import re
from collections.abc import Mapping
from typing import Any

from competencies.exchange.case_fields import CRITERION, DOCUMENT, ITEMS, qualities, rest_of
from competencies.exchange.case_graph import Graph, Node
from competencies.exchange.case_rubrics import Graded, rubrics_of
from competencies.exchange.fields import Field, nearest, put
from competencies.pack import SCHEMA, Pack, PackProblem, load_pack
from lms_plugin.errors import Refused

_OURS = frozenset(
    {"identifier", "uri", "lastChangeDateTime", "language", "notes", "CFItemType", "creator", "adoptionStatus"}
    | {"CFPackageURI", "title", "humanCodingScheme", "abbreviatedStatement", "alternativeLabel", "fullStatement"}
)
_PACKAGE = frozenset({"CFDocument", "CFItems", "CFAssociations", "CFDefinitions", "CFRubrics"})
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,31}")
_KEY = re.compile(r"[a-z][a-z0-9_]{0,63}")
_LEVELS = (("excellent", "优秀", 2), ("pass", "合格", 1), ("fail", "不合格", 0))
_DEFAULT_ENDINGS = ("docx", "doc", "pdf", "wps", "pptx", "xlsx", "jpg", "jpeg", "png")
_NOTICE = {
    "notice_zh": "从 CASE 文件导入。原文件没有写的，用了默认值，请逐条核对："
    "给教师的问题、材料的形式和文件类型、大小、是否必交、怎样算有效。",
    "notice_en": "Imported from CASE. What the file does not say has a default; please check every line: the question "
    "for teachers, form, file types and size of evidence, whether it is required, and when it is valid.",
}
_VALIDITY = {"zh": "材料与题目相符、能正常打开（默认值）", "en": "It fits its title and opens normally (default)."}


def read_case(package: Mapping[str, Any]) -> Pack:
    """The pack of a CFPackage that has been parsed.

    Raises Refused `pack.too_many_items` (more than 100 000 items, associations or rubrics), and otherwise
    `pack.invalid` with all faults as PackProblem, `where` being the JSON path in the package.
    """
    return _Reading(package).pack()


class _Reading:
    """One package on its way to a pack."""

    def __init__(self, package: Mapping[str, Any]) -> None:
        self.package = package
        self.graph = Graph(package, translates=True)
        self.rubrics = rubrics_of(package, self.graph, _called(package))
        self.places: dict[str, tuple[str, Mapping[str, Field]]] = {}
        self.codes: dict[str, str] = {}  # identifier of an environment or dimension: its code
        self.languages: list[str] = []  # of items that others translate, in their order

    def pack(self) -> Pack:
        whole = self._whole()
        if not self.graph.faults:
            try:
                return load_pack(whole)
            except Refused as refused:
                if refused.code != "pack.invalid":
                    raise
                self.graph.faults = [self._located(one) for one in refused.params["problems"]]
        found = tuple(dict.fromkeys(self.graph.faults))
        raise Refused("pack.invalid", where=found[0].where, count=len(found), problems=found)

    def _whole(self) -> dict[str, Any]:
        given = self.package.get("CFDocument")
        document: dict[str, Any] = given if isinstance(given, dict) else {}
        title = self.graph.text("CFDocument", given, "title") or ""
        rest = rest_of(document.get("notes"))
        framework: dict[str, Any] = {}
        whole: dict[str, Any] = {}
        if rest is not None:
            framework, whole = _dict(rest, "framework"), _dict(rest, "file")
        else:
            framework = {
                "id": f"case-{document.get('identifier')}",
                "status": "reference",
                **_NOTICE,
                "levels": [{"code": code, "zh": zh, "rank": rank} for code, zh, rank in _LEVELS],
            }
            whole = {"schema": SCHEMA}
        framework["title_zh"] = title
        _keep(framework, document, is_ours=rest is not None)
        self.places["framework"] = ("CFDocument", DOCUMENT)
        self.places[""] = ("CFDocument", {})
        kinds = {kind: self._of_type(kind) for kind in ("environment", "dimension", "point")}
        if not kinds["point"] and not self.graph.faults:
            self.graph.fault("CFItems", "pack.case_without_points", self._types())
        for kind in ("environment", "dimension"):
            framework[f"{kind}s"] = [
                self._group(kind, number, node) for number, node in enumerate(kinds[kind], start=1)
            ]
        whole["framework"] = framework
        whole["points"] = [self._point(number, node) for number, node in enumerate(kinds["point"], start=1)]
        if self.languages and isinstance(framework.setdefault("languages", []), list):
            listed = framework["languages"]
            framework["languages"] = [*listed, *(tag for tag in self.languages if tag not in listed)]
        self._keep_others(whole, is_ours=rest is not None)
        return whole

    def _types(self) -> str:
        return " ".join(sorted({str(node.item.get("CFItemType", "–")) for node in self.graph.nodes.values()}))

    def _of_type(self, kind: str) -> list[Node]:
        """Items of a type by their sequence numbers, then as the file has them."""
        number = {child: order for members in self.graph.children.values() for order, child in members}
        found = [(number.get(key, 0), node) for key, node in self.graph.nodes.items() if _type(node) == kind]
        return [node for _number, node in sorted(found, key=lambda one: one[0])]

    def _group(self, kind: str, number: int, node: Node) -> dict[str, Any]:
        """An environment or a dimension."""
        thing, is_ours = self._thing(kind, node)
        if not is_ours:
            code = str(thing.get("code", "")).lower()
            thing["code"] = code if _KEY.fullmatch(code) else f"{kind}_{number}"
        self._translate(node, thing, ("name",), "en")
        self.codes[node.item["identifier"]] = thing["code"]
        self.places[f"framework.{kind}s[{thing['code']}]"] = (node.path, ITEMS[kind])
        return thing

    def _point(self, number: int, node: Node) -> dict[str, Any]:
        thing, is_ours = self._thing("point", node)
        if is_ours:
            inner = _dict(rest_of(node.item["notes"]) or {}, "rest")
            if thing.get("summary_zh") == thing.get("name_zh"):  # a point without a summary says its name there
                thing.pop("summary_zh", None)
                thing.update({name: inner[name] for name in ("summary_zh",) if name in inner})
        else:
            code = str(thing.get("code", ""))
            thing["code"] = code if _CODE.fullmatch(code) else f"P{number}"
            thing.setdefault("name_zh", thing["summary_zh"])
            thing.update(order=number, question_zh=thing["name_zh"])
        self._translate(node, thing, ("name",) if is_ours else ("name", "question"), "name_en")
        identifier = node.item["identifier"]
        above = [parent for _association, parent in self.graph.parents.get(identifier, [])]
        for kind, links in (("environment", above), ("dimension", self.graph.wholes.get(identifier, []))):
            codes = [self.codes[one] for one in [*links, *above] if one in self.codes and self._is(one, kind)]
            if codes:
                thing[kind] = codes[0]
            else:
                self.graph.fault(node.path, f"pack.case_no_{kind}", thing["code"])
        place = f"points[{thing['code']}]"
        self.places[place] = (node.path, ITEMS["point"])
        children = [self.graph.nodes[one] for one in self.graph.under(identifier)]
        thing["evidence"] = [
            self._evidence(place, place_in, one)
            for place_in, one in enumerate((one for one in children if _type(one) == "evidence"), start=1)
        ]
        return thing

    def _is(self, identifier: str, kind: str) -> bool:
        return _type(self.graph.nodes[identifier]) == kind

    def _evidence(self, point: str, number: int, node: Node) -> dict[str, Any]:
        thing, is_ours = self._thing("evidence", node)
        graded = self.rubrics.criteria.get(node.item["identifier"], [])
        if is_ours:
            thing["key"] = str(thing.get("key", "")).rpartition(".")[2]
        else:
            key = str(thing.get("key", "")).rpartition(".")[2]
            thing["key"] = key if _KEY.fullmatch(key) else f"item_{number}"
            thing.update(
                kind="document",
                alt_kinds=["image"],
                accept=[*_DEFAULT_ENDINGS],
                required=True,
                core=bool(graded),
                limits={"max_mb": 50},
                proposed=True,
                source=f"CASE: {node.item.get('uri') or node.item['identifier']}"[:500],
            )
            if not graded:
                thing["validity"] = dict(_VALIDITY)
        self._translate(node, thing, ("title",), "title_en")
        place = f"{point}.evidence[{thing['key']}]"
        self.places[place] = (node.path, ITEMS["evidence"])
        rests = _dict(rest_of(node.item.get("notes")) or {}, "criteria")
        if graded:
            thing["criteria"] = [self._criterion(place, one, rests, is_ours) for one in graded]
        return thing

    def _criterion(self, item: str, graded: Graded, rests: Mapping[str, Any], is_ours: bool) -> dict[str, Any]:
        thing: dict[str, Any] = dict(rests.get(graded.key, {})) if isinstance(rests.get(graded.key), dict) else {}
        if graded.key not in rests:
            thing = {"proposed": True, "levels": {"pass": None}}
            if graded.passes is None:
                thing["excellent_only"] = True
        thing["key"] = graded.key
        for path, text in ((CRITERION["pass"].path, graded.passes), (CRITERION["excellent"].path, graded.excels)):
            if text is not None:
                put(thing, path, text)
        if graded.kept:
            thing["case"] = {**_dict(thing, "case"), **graded.kept}
        self.places[f"{item}.criteria[{graded.key}]"] = (graded.path, {})
        return thing

    def _thing(self, kind: str, node: Node) -> tuple[dict[str, Any], bool]:
        """(the fields and the rest of an item, whether this product wrote it)."""
        inner = rest_of(node.item.get("notes"))
        thing = _dict(inner or {}, "rest")
        for name, field in ITEMS[kind].items():
            text = node.item.get(name)
            if isinstance(text, str) and text:
                put(thing, field.path, text)
            elif text is not None and text != "":
                self.graph.fault(f"{node.path}.{name}", "pack.wrong_type", text)
        _keep(thing, node.item, is_ours=inner is not None)
        name = ITEMS[kind]["humanCodingScheme"].path[0]
        if inner is not None and not isinstance(thing.get(name), str):
            self.graph.text(node.path, node.item, "humanCodingScheme")
            thing[name] = ""
        return thing, inner is not None

    def _translate(self, node: Node, thing: dict[str, Any], fields: tuple[str, ...], english: str) -> None:
        """What items that translate this one say, in these fields; the first of a language counts."""
        for tag, other in self.graph.translations.get(node.item["identifier"], []):
            short = other.item.get("abbreviatedStatement")
            text = short if isinstance(short, str) and short else other.item["fullStatement"]
            if tag == "en":
                thing.setdefault(english, text)
                continue
            if tag not in self.languages:
                self.languages.append(tag)
            said = thing["translations"] = {**_dict(thing, "translations")}
            said[tag] = {**dict.fromkeys(fields, text), **_dict(said, tag)}

    def _keep_others(self, whole: dict[str, Any], *, is_ours: bool) -> None:
        """What no place in a pack is for: other keys, associations and items of the package."""
        kept: dict[str, Any] = {name: value for name, value in self.package.items() if name not in _PACKAGE}
        if not is_ours and self.package.get("CFDefinitions"):
            kept["CFDefinitions"] = self.package["CFDefinitions"]
        if self.graph.other_associations:
            kept["CFAssociations"] = self.graph.other_associations
        if self.rubrics.kept:
            kept["CFRubrics"] = self.rubrics.kept
        others = [node.item for node in self.graph.nodes.values() if _type(node) not in ITEMS]
        if others:
            kept["CFItems"] = others
        if kept:
            whole["case"] = {**_dict(whole, "case"), **kept}

    def _located(self, problem: PackProblem) -> PackProblem:
        """A fault of the pack with its JSON path in the package."""
        place, inner = nearest(self.places, problem.where)
        if place not in self.places:
            return problem
        path, fields = self.places[place]
        named = [name for name, field in fields.items() if inner and ".".join(field.path) == inner]
        return problem._replace(where=f"{path}.{named[0]}" if named else f"{path}.{inner}" if inner else path)


def _called(package: Mapping[str, Any]) -> dict[str, str] | None:
    """What a framework that this product wrote calls its levels: word, code; None of any other package."""
    document = package.get("CFDocument")
    rest = rest_of(document.get("notes")) if isinstance(document, dict) else None
    if rest is None:
        return None
    levels = _dict(rest, "framework").get("levels")
    return {word: code for code, word in qualities(levels if isinstance(levels, list) else ()).items()}


def _type(node: Node) -> str:
    return str(node.item.get("CFItemType", "")).strip().casefold()


def _dict(whole: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = whole.get(name)
    return dict(found) if isinstance(found, dict) else {}


def _keep(thing: dict[str, Any], source: Mapping[str, Any], *, is_ours: bool) -> None:
    """Keys of CASE that a pack has no place for. Of our own packages only what others have added."""
    told = _OURS if is_ours else {"title", "fullStatement", "abbreviatedStatement"}
    kept = {name: value for name, value in source.items() if name not in told}
    if kept:
        thing["case"] = {**_dict(thing, "case"), **kept}
