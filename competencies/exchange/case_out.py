"""A framework as a CASE 1.0 CFPackage."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from competencies.exchange.case_fields import (
    CRITERION,
    DOCUMENT,
    GROUPINGS,
    ITEM_TYPES,
    ITEMS,
    RANKS,
    grouping,
    identifier,
    link_to,
    notes,
    qualities,
)
from competencies.exchange.fields import split
from competencies.pack import Pack

RULE = "level = lowest level of the graded evidence; no sum; a criterion without 合格 asks nothing for a pass"


class OutLink(NamedTuple):
    """A point's link to an item of a reference framework. `kind`: its CASE association type; `state`: of GROUPINGS;
    `item`: CASE identifier of the other end; `title`: how a reader names it."""

    point: str
    item: str
    title: str
    kind: str
    state: str


def case_package(
    pack: Pack, creator: str, changed_at: datetime, *, is_draft: bool, links: Iterable[OutLink] = ()
) -> dict[str, Any]:
    """The package. `creator`: whose framework it is; `changed_at` becomes every lastChangeDateTime; `links` stand as
    associations of their own groupings, and are no part of the pack that `read_case` gives.

    A point is child of its environment and part of its dimension, an item of evidence child of its point; criteria and
    levels stand in one rubric for each point. Read by `read_case` it is the same pack.
    """
    writing = _Writing(pack, changed_at.isoformat())
    package = writing.package(creator or "nengli", "Draft" if is_draft else "Adopted")
    writing.link_up(links)
    return package


class _Writing:
    """One package on its way."""

    def __init__(self, pack: Pack, changed: str) -> None:
        self.whole, self.changed = pack.as_dict(), changed
        self.framework, self.points = self.whole.pop("framework"), self.whole.pop("points")
        self.name = str(self.framework["id"])
        self.qualities = qualities(self.framework["levels"])
        self.items: list[dict[str, Any]] = []
        self.associations: list[dict[str, Any]] = []
        self.rubrics: list[dict[str, Any]] = []
        self.groupings: list[dict[str, Any]] = []
        self.point_links: dict[str, dict[str, str]] = {}

    def link_up(self, links: Iterable[OutLink]) -> None:
        """Writes the links of those points that are in the package."""
        known: set[str] = set()
        for one in links:
            if one.point not in self.point_links:
                continue
            head = {"title": GROUPINGS[one.state], "identifier": grouping(one.state)}
            group = {**head, "uri": f"urn:uuid:{head['identifier']}"}
            if one.state not in known:
                self.groupings.append({**group, "lastChangeDateTime": self.changed})
                known.add(one.state)
            target = {"title": one.title, "identifier": one.item, "uri": f"urn:uuid:{one.item}"}
            self._associate(one.kind, self.point_links[one.point], target, None)
            self.associations[-1]["CFAssociationGroupingURI"] = group

    def package(self, creator: str, status: str) -> dict[str, Any]:
        title = str(self.framework["title_zh"])
        document = {
            **self._head("CFDocument"),
            "creator": creator,
            "title": title,
            "language": "zh",
            "adoptionStatus": status,
        }
        licence = self.framework.get("licence") or self.framework.get("licence_note")
        self.home = link_to(document, title)
        groups = {
            kind: {one["code"]: self._item(kind, one) for one in self.framework.pop(f"{kind}s")}
            for kind in ("environment", "dimension")
        }
        for kind in groups.values():
            for number, link in enumerate(kind.values(), start=1):
                self._associate("isChildOf", link, self.home, number)
        for number, point in enumerate(self.points, start=1):
            self._point(number, point, groups)
        told, rest = split(self.framework, DOCUMENT)
        document.update(told)
        document["notes"] = notes({"file": self.whole, "framework": rest})
        return {
            "CFDocument": {**document, "CFPackageURI": {**self.home}},
            "CFItems": self.items,
            "CFAssociations": self.associations,
            "CFDefinitions": self._definitions(licence if isinstance(licence, str) else ""),
            "CFRubrics": self.rubrics,
        }

    def _head(self, *names: str) -> dict[str, Any]:
        made = identifier(self.name, *names)
        return {"identifier": made, "uri": f"urn:uuid:{made}", "lastChangeDateTime": self.changed}

    def _item(
        self, kind: str, one: Mapping[str, Any], above: str = "", inner: Mapping[str, Any] | None = None
    ) -> dict[str, str]:
        """Writes an item and gives the link to it. `inner`: what its notes say of what hangs on it."""
        told, rest = split(one, ITEMS[kind])
        code = told["humanCodingScheme"]
        if above:
            told["humanCodingScheme"] = f"{above}.{code}"
        if kind == "point":
            told.setdefault("fullStatement", told["abbreviatedStatement"])
            if one.get("summary_zh") == told["abbreviatedStatement"]:
                rest["summary_zh"] = one["summary_zh"]  # otherwise read as a point without a summary
        item = {**self._head("CFItem", kind, above, code), **told, "CFItemType": kind, "language": "zh"}
        item["notes"] = notes({"rest": rest, **(inner or {})})
        self.items.append(item)
        return link_to(item, told.get("abbreviatedStatement", told["fullStatement"]))

    def _point(self, number: int, point: dict[str, Any], groups: Mapping[str, Mapping[str, dict[str, str]]]) -> None:
        evidence = point.pop("evidence")
        environment, dimension = point.pop("environment"), point.pop("dimension")
        link = self.point_links[point["code"]] = self._item("point", point)
        self._associate("isChildOf", link, groups["environment"][environment], number)
        self._associate("isPartOf", link, groups["dimension"][dimension], number)
        rubric = {**self._head("CFRubric", point["code"]), "title": point["name_zh"], "description": RULE}
        criteria: list[dict[str, Any]] = []
        for place, item in enumerate(evidence, start=1):
            graded = item.pop("criteria") if item.get("criteria") else []
            rests = {one["key"]: split(one, CRITERION)[1] for one in graded}
            item_link = self._item("evidence", item, point["code"], {"criteria": rests} if rests else {})
            self._associate("isChildOf", item_link, link, place)
            for one in graded:
                criteria.append(self._criterion(one, item_link, rubric["identifier"], len(criteria) + 1, item["key"]))
        if criteria:
            self.rubrics.append({**rubric, "CFRubricCriteria": criteria})

    def _criterion(
        self, one: Mapping[str, Any], item: Mapping[str, str], rubric: str, position: int, item_key: str
    ) -> dict[str, Any]:
        told, _rest = split(one, CRITERION)
        head = self._head("CFRubricCriterion", rubric, item_key, told["key"])
        levels = [
            {
                **self._head("CFRubricCriterionLevel", head["identifier"], level),
                "quality": self.qualities[level],
                "description": told[level],
                "score": RANKS[level],
                "position": RANKS[level],
                "rubricCriterionId": head["identifier"],
            }
            for level in ("pass", "excellent")
            if level in told
        ]
        return {
            **head,
            "category": item["title"],
            "description": told["key"],
            "CFItemURI": {**item},
            "position": position,
            "rubricId": rubric,
            "CFRubricCriterionLevels": levels,
        }

    def _associate(self, kind: str, origin: Mapping[str, str], target: Mapping[str, str], number: int | None) -> None:
        self.associations.append(
            {
                **self._head("CFAssociation", kind, origin["identifier"], target["identifier"]),
                "associationType": kind,
                "originNodeURI": {**origin},
                "destinationNodeURI": {**target},
                **({} if number is None else {"sequenceNumber": number}),
            }
        )

    def _definitions(self, licence: str) -> dict[str, Any]:
        """The kinds of items, and the licence where the framework names one."""
        types = [
            {**self._head("CFItemType", kind), "title": kind, "hierarchyCode": str(number)}
            for number, kind in enumerate(ITEM_TYPES, start=1)
        ]
        licences = [{**self._head("CFLicense"), "title": "licence", "licenseText": licence}] if licence else []
        return {
            "CFConcepts": [],
            "CFSubjects": [],
            "CFLicenses": licences,
            "CFItemTypes": types,
            "CFAssociationGroupings": self.groupings,
        }
