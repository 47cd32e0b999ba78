"""A reference framework as a CASE package, and one read from whatever CASE package holds no points of ours.

Of a package that this product wrote the very same framework comes back; of others' each item keeps what we have no
place for under "case".
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from competencies.exchange.case_fields import identifier, link_to, notes, rest_of
from competencies.exchange.case_graph import Graph, Node
from competencies.exchange.fields import PLAIN, Field, nearest, split
from competencies.pack import PackProblem
from competencies.reference_schema import SCHEMA, Reference, load_reference
from lms_plugin.errors import Refused

_OURS = frozenset(
    {"identifier", "uri", "lastChangeDateTime", "language", "notes", "CFItemType", "creator", "adoptionStatus"}
    | {"CFPackageURI", "title", "publisher", "officialSourceURL", "version", "licenseURI", "humanCodingScheme"}
    | {"alternativeLabel", "fullStatement"}
)
_PACKAGE = frozenset({"CFDocument", "CFItems", "CFAssociations"})
_UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_URL = re.compile(r"https?://\S{1,490}")


def _fields(language: str) -> tuple[dict[str, Field], dict[str, Field]]:
    """(of the document, of an item): the original's words stand where CASE has the words, a translation beside."""
    other = "en" if language == "zh" else "zh"
    document = {
        "title": Field((f"title_{language}",), PLAIN),
        "publisher": Field(("publisher",), PLAIN),
        "officialSourceURL": Field(("url",), PLAIN),
        "version": Field(("number",), PLAIN),
    }
    item = {
        "humanCodingScheme": Field(("code",), PLAIN),
        "fullStatement": Field((language,), PLAIN),
        "alternativeLabel": Field((other,), PLAIN),
        "CFItemType": Field(("kind",), PLAIN),
    }
    return document, item


def reference_package(reference: Reference, changed_at: datetime) -> dict[str, Any]:
    """The package. `changed_at` becomes every lastChangeDateTime."""
    whole, changed = reference.as_dict(), changed_at.isoformat()
    framework, items = whole.pop("framework"), whole.pop("items")
    name, language = str(framework["id"]), str(framework["language"])
    document_fields, item_fields = _fields(language)

    def head(made: str) -> dict[str, str]:
        return {"identifier": made, "uri": f"urn:uuid:{made}", "lastChangeDateTime": changed}

    told, rest = split(framework, document_fields)
    document: dict[str, Any] = {
        **head(identifier(name, "CFDocument")),
        "creator": framework.get("publisher") or framework["short"],
        **told,
        "language": language,
        "adoptionStatus": "Adopted",
    }
    licences = []
    if framework.get("licence") or framework.get("credit"):
        text = "\n".join(framework[key] for key in ("licence", "licence_url", "credit") if framework.get(key))
        licences = [{**head(identifier(name, "CFLicense")), "title": framework["short"], "licenseText": text}]
        document["licenseURI"] = link_to(licences[0], framework["short"])
    document["notes"] = notes({"file": whole, "reference": rest})
    home = link_to(document, str(told["title"]))
    made: list[dict[str, Any]] = []
    associations: list[dict[str, Any]] = []
    links: dict[str, dict[str, str]] = {}
    for one in items:
        words, inner = split({key: value for key, value in one.items() if key != "parent"}, item_fields)
        if one.get("parent", "") is None:
            inner["parent"] = None
        item = {**head(item_identifier(name, one)), **words, "language": language, "notes": notes({"rest": inner})}
        made.append(item)
        links[one["code"]] = link_to(item, words["fullStatement"])
    for number, one in enumerate(items, start=1):
        origin, target = links[one["code"]], links[one["parent"]] if one.get("parent") else home
        associations.append(
            {
                **head(identifier(name, "CFAssociation", "isChildOf", origin["identifier"], target["identifier"])),
                "associationType": "isChildOf",
                "originNodeURI": {**origin},
                "destinationNodeURI": {**target},
                "sequenceNumber": number,
            }
        )
    empty: dict[str, Any] = {"CFConcepts": [], "CFSubjects": [], "CFItemTypes": [], "CFAssociationGroupings": []}
    return {
        "CFDocument": {**document, "CFPackageURI": {**home}},
        "CFItems": made,
        "CFAssociations": associations,
        "CFDefinitions": {**empty, "CFLicenses": licences},
        "CFRubrics": [],
    }


def item_identifier(name: str, item: Mapping[str, Any]) -> str:
    """The CASE identifier of an item: its own where it came with one, else made of its code."""
    kept = item.get("case")
    own = kept.get("identifier") if isinstance(kept, Mapping) else None
    return own if isinstance(own, str) and _UUID.fullmatch(own) else identifier(name, "CFItem", item["code"])


def read_reference_case(package: Mapping[str, Any]) -> Reference:
    """The reference framework of a parsed CFPackage. Raises Refused as `read_case`, with JSON paths."""
    graph = Graph(package)
    given = package.get("CFDocument")
    document: dict[str, Any] = given if isinstance(given, dict) else {}
    title = graph.text("CFDocument", given, "title") or ""
    ours = rest_of(document.get("notes"))
    if not graph.nodes and not graph.faults:
        graph.fault("CFItems", "pack.missing")
    places: dict[str, str] = {"framework": "CFDocument", "": "CFDocument"}
    whole = _file(package, document, title, ours)
    language = whole["framework"]["language"]
    whole["items"] = []
    codes = _codes(graph)
    for key in graph.nodes if ours is not None else _in_order(graph):
        node = graph.nodes[key]
        item = _item(node, graph, codes, language, is_ours=ours is not None)
        places.setdefault(f"items[{item['code'][:60]}]", node.path)
        places[f"items[{len(whole['items'])}]"] = node.path
        whole["items"].append(item)
    if graph.other_associations:
        whole["case"] = {**(whole.get("case") or {}), "CFAssociations": graph.other_associations}
    if not graph.faults:
        try:
            return load_reference(whole)
        except Refused as refused:
            if refused.code != "pack.invalid":
                raise
            graph.faults = [_located(one, places, language) for one in refused.params["problems"]]
    found = tuple(dict.fromkeys(graph.faults))
    raise Refused("pack.invalid", where=found[0].where, count=len(found), problems=found)


def _file(
    package: Mapping[str, Any], document: Mapping[str, Any], title: str, ours: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Everything but the items."""
    rest = ours.get("reference") if ours is not None else None
    if isinstance(rest, dict):
        file = ours.get("file") if ours is not None else None
        framework, whole = dict(rest), dict(file) if isinstance(file, dict) else {}
    else:
        is_chinese = str(document.get("language") or "").casefold().startswith("zh")
        language = "zh" if is_chinese or re.search(r"[\u4e00-\u9fff]", title) else "en"
        framework = {"id": f"case-{document.get('identifier')}", "language": language, "short": title[:60]}
        licence = document.get("licenseURI")
        if isinstance(licence, dict) and isinstance(licence.get("title"), str) and licence["title"]:
            framework["licence"] = licence["title"][:500]
        creator = document.get("creator")
        if isinstance(creator, str) and creator:
            framework["credit"] = creator[:500]
        whole = {"schema": SCHEMA}
        kept = {name: value for name, value in document.items() if name not in _OURS - {"identifier", "notes"}}
        framework["case"] = kept
        others = {name: value for name, value in package.items() if name not in _PACKAGE and value}
        if others:
            whole["case"] = others
    for name, field in _fields(str(framework.get("language")))[0].items():
        text = document.get(name)
        if isinstance(text, str) and text and (name != "officialSourceURL" or _URL.fullmatch(text)):
            framework[field.path[0]] = text
    whole["framework"] = framework
    return whole


def _codes(graph: Graph) -> dict[str, str]:
    """Identifier of an item: its code, or a number where it has none."""
    found = {}
    for number, (key, node) in enumerate(graph.nodes.items(), start=1):
        code = node.item.get("humanCodingScheme")
        found[key] = code.strip() if isinstance(code, str) and code.strip() else f"#{number}"
    return found


def _in_order(graph: Graph) -> list[str]:
    """Items as one reads them, each below its first parent."""
    found: dict[str, None] = {}
    above = {key: _parent(graph, key) for key in graph.nodes}
    below: dict[str, list[str]] = {}
    for parent in [*graph.children]:
        below[parent] = [child for child in graph.under(parent) if above.get(child, parent) == parent]
    tops = [child for parent, children in below.items() if parent not in graph.nodes for child in children]
    waiting = [*reversed([*tops, *(key for key in graph.nodes if not above[key] and key not in set(tops))])]
    while waiting:
        key = waiting.pop()
        if key not in found:
            found[key] = None
            waiting += [child for child in reversed(below.get(key, [])) if above[child] == key]
    return [*found, *(key for key in graph.nodes if key not in found)]


def _parent(graph: Graph, key: str) -> str:
    """The first item above, "" where the document itself is."""
    return next((one for _number, one in sorted(graph.parents.get(key, [])) if one in graph.nodes), "")


def _item(node: Node, graph: Graph, codes: Mapping[str, str], language: str, *, is_ours: bool) -> dict[str, Any]:
    inner = rest_of(node.item.get("notes"))
    rest = inner.get("rest") if inner is not None else None
    thing: dict[str, Any] = dict(rest) if isinstance(rest, dict) else {}
    fields = _fields(language)[1]
    for name, field in fields.items():
        text = node.item.get(name)
        if name == "alternativeLabel" and not is_ours:
            continue  # of others it is another label, not a translation
        if isinstance(text, str) and text:
            thing[field.path[0]] = text
        elif text is not None and text != "":
            graph.fault(f"{node.path}.{name}", "pack.wrong_type", text)
    key = node.item["identifier"]
    thing["code"] = codes[key]
    parent = _parent(graph, key)
    if parent:
        thing["parent"] = codes[parent]
    told = _OURS if is_ours else {"fullStatement", "humanCodingScheme", "CFItemType"}
    kept = {name: value for name, value in node.item.items() if name not in told}
    if kept:
        before = thing.get("case")
        thing["case"] = {**(before if isinstance(before, dict) else {}), **kept}
    return thing


def _located(problem: PackProblem, places: Mapping[str, str], language: str) -> PackProblem:
    """A fault with its JSON path in the package."""
    place, inner = nearest(places, problem.where)
    fields = _fields(language)[1 if place.startswith("items") else 0]
    named = [name for name, field in fields.items() if inner and ".".join(field.path) == inner]
    path = places.get(place, "")
    if problem.code == "pack.twice" and place.startswith("items"):
        return problem._replace(where=f"{path}.humanCodingScheme")
    return problem._replace(where=f"{path}.{named[0]}" if named else f"{path}.{inner}" if inner else path)
