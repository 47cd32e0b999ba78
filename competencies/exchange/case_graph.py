"""The items of a CASE package and how they hang together; every fault names its JSON path."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from competencies.exchange.case_fields import GROUPINGS, grouping
from competencies.languages import is_official, tag_of
from competencies.pack import PackProblem
from lms_plugin.errors import Refused

MOST_ITEMS = 100_000
"""Items, associations, or rubrics of one package."""
MOST_STEPS = 20
"""Of a way from an item back to itself that are named."""

_OF_TREE = frozenset(
    {"identifier", "uri", "associationType", "originNodeURI", "destinationNodeURI", "sequenceNumber"}
    | {"lastChangeDateTime", "CFDocumentURI"}
)
"""What an association of the tree says; one that says more is kept besides."""

_CROSSWALK = frozenset(map(grouping, GROUPINGS))


class Node(NamedTuple):
    """An item with its path in the file ("CFItems[3]")."""

    path: str
    item: dict[str, Any]


class Graph:
    """Items by identifier, their parents by isChildOf and wholes by isPartOf, in the order that the file says.

    `crosswalk`: links that this product wrote beside a framework (origin, target, kind); they are no part of it.
    `translations`, where they are asked for: by identifier of an item, those that say the same in English or a further
    language (its tag); they are no items of the framework.
    """

    def __init__(self, package: Mapping[str, Any], *, translates: bool = False) -> None:
        self.translates = translates
        self.faults: list[PackProblem] = []
        self.nodes: dict[str, Node] = {}
        self.parents: dict[str, list[tuple[int, str]]] = {}
        self.wholes: dict[str, list[str]] = {}
        self.children: dict[str, list[tuple[int, str]]] = {}
        self.translations: dict[str, list[tuple[str, Node]]] = {}
        self.other_associations: list[dict[str, Any]] = []
        self.crosswalk: list[tuple[str, str, str]] = []
        self.translated: set[str] = set()
        for name in ("CFItems", "CFAssociations", "CFRubrics"):
            if len(self._list(package, name)) > MOST_ITEMS:
                raise Refused("pack.too_many_items", where=name, most=MOST_ITEMS)
        for number, item in enumerate(self._list(package, "CFItems")):
            self._item(f"CFItems[{number}]", item)
        known = {*self.nodes, self.text("CFDocument", package.get("CFDocument"), "identifier") or ""}
        for number, association in enumerate(self._list(package, "CFAssociations")):
            self._association(f"CFAssociations[{number}]", association, known)
        for identifier in self.translated:
            self.nodes.pop(identifier)
        self._cycles()

    def under(self, identifier: str) -> list[str]:
        """The children of an item by their sequence numbers, then as the file has them."""
        found = sorted(self.children.get(identifier, []), key=lambda one: one[0])
        return [child for _number, child in found if child in self.nodes]

    def text(self, path: str, whole: Any, name: str) -> str | None:
        """A text that must be there; None (and a fault) where it is not."""
        found = whole.get(name) if isinstance(whole, dict) else None
        if isinstance(found, str) and found:
            return found
        self.fault(f"{path}.{name}", "pack.missing" if found is None or found == "" else "pack.wrong_type", found)
        return None

    def fault(self, where: str, code: str, found: Any = "") -> None:
        """Notes a fault; the package is read on, so that all are told at once."""
        shown = "" if isinstance(found, list | dict) or found is None else str(found)[:60]
        self.faults.append(PackProblem(where, code, shown))

    def _list(self, package: Mapping[str, Any], name: str) -> Sequence[Any]:
        found = package.get(name, [])
        if isinstance(found, list):
            return found
        self.fault(name, "pack.wrong_type", found)
        return []

    def _item(self, path: str, item: Any) -> None:
        identifier = self.text(path, item, "identifier")
        statement = self.text(path, item, "fullStatement")
        if identifier is None or statement is None:
            return
        if identifier in self.nodes:
            self.fault(f"{path}.identifier", "pack.twice", identifier)
            return
        self.nodes[identifier] = Node(path, item)

    def _association(self, path: str, association: Any, known: set[str]) -> None:
        kind = self.text(path, association, "associationType")
        ends = []
        for name in ("originNodeURI", "destinationNodeURI"):
            link = association.get(name) if isinstance(association, dict) else None
            ends.append(self.text(f"{path}.{name}", link, "identifier"))
        origin, target = ends
        if kind is None or origin is None or target is None:
            return
        group = association.get("CFAssociationGroupingURI")
        if isinstance(group, dict) and group.get("identifier") in _CROSSWALK:
            self.crosswalk.append((origin, target, kind))
            return
        if kind == "isTranslationOf" and self.translates and self._is_translation(origin, target):
            return
        if kind not in {"isChildOf", "isPartOf"} or target not in known or origin not in self.nodes:
            self.other_associations.append(association)
            return
        if not _OF_TREE.issuperset(association):
            self.other_associations.append(association)
        number = association.get("sequenceNumber")
        order = number if isinstance(number, int) and not isinstance(number, bool) else len(self.nodes)
        if kind == "isPartOf":
            self.wholes.setdefault(origin, []).append(target)
        else:
            self.parents.setdefault(origin, []).append((int(path[len("CFAssociations[") : -1]), target))
            self.children.setdefault(target, []).append((order, origin))

    def _is_translation(self, origin: str, target: str) -> bool:
        """Takes an item that says what another one says out of the tree. One in Chinese stays where it is."""
        if origin not in self.nodes or target not in self.nodes or origin == target or target in self.translated:
            return False
        node = self.nodes[origin]
        said = node.item.get("language")
        tag = tag_of(said) if isinstance(said, str) else ""
        if is_official(tag) and tag != "en":
            return False
        if tag:
            self.translations.setdefault(target, []).append((tag, node))
        else:
            self.fault(f"{node.path}.language", "pack.bad_language", said)
        self.translated.add(origin)
        return True

    def _cycles(self) -> None:
        """An item must not stand below itself, by whichever of its parents."""
        done: set[str] = set()
        for start in self.nodes:
            trail = {start: iter(self.parents.get(start, []))} if start not in done else {}
            while trail:
                here = next(reversed(trail))
                step = next(trail[here], None)
                if step is None:
                    done.add(here)
                    del trail[here]
                    continue
                association, above = step
                if above in trail:
                    self.fault(f"CFAssociations[{association}]", "pack.cycle", self._turn(trail, above))
                elif above in self.nodes and above not in done:
                    trail[above] = iter(self.parents.get(above, []))

    def _turn(self, trail: dict[str, Any], above: str) -> str:
        """The way from an item back to itself, in names; of a long one the last steps."""
        turn = [above]
        for one in itertools.islice(reversed(trail), MOST_STEPS):
            turn.append(one)
            if one == above:
                break
        return " → ".join(map(self._name, reversed(turn)))

    def _name(self, identifier: str) -> str:
        item = self.nodes[identifier].item
        return str(item.get("humanCodingScheme") or item["fullStatement"])[:20]
