"""The exact path of the draw: works and people in classes of equal keys, and a maximal flow between the classes.

How many reviews people of one class give works of another is a small table, whatever the size of the pool. Its
maximum is found by shortest augmenting paths (Edmonds and Karp); then the places and slips of each class are dealt by
lot as before. What single people must not review is no part of the table; `draw.py` keeps it.
"""

from dataclasses import replace

import numpy as np

from rubrics.draw import Bools, Drawn, Ground, Ints, Lots, deal_again, to_give

MOST_CELLS = 4_000_000


def of_keys(ground: Ground) -> tuple[Ints, Ints]:
    """The class of each work and of each person: those of one class have the same keys wherever rules look."""
    pairs = [*ground.differ, *(pair for rule in ground.must for pair in rule)]
    return _class([pair[0] for pair in pairs], ground.need.size), _class([pair[1] for pair in pairs], ground.load.size)


def _class(columns: list[Ints], size: int) -> Ints:
    found = np.zeros(size, np.int64)
    for column in columns:
        _values, keys = np.unique(column, return_inverse=True)
        _values, found = np.unique(found * (int(keys.max(initial=0)) + 1) + keys, return_inverse=True)
    return found


def allowed(ground: Ground, of_work: Ints, of_person: Ints) -> Bools:
    """By class of work and class of people: whether the keys allow it."""
    works, people = _first(of_work), _first(of_person)
    found: Bools = ~ground.breaks_keys(works[:, None], people[None, :])
    return found


def _first(classes: Ints) -> Ints:
    _values, first = np.unique(classes, return_index=True)
    return first


def fill(ground: Ground, drawn: Drawn, lots: Lots) -> Drawn:
    """A plan that places as many reviews as the classes allow, every work its first before any its second, with loads
    as even as that allows; `drawn` where that places no more, or where there are more than MOST_CELLS cells."""
    of_work, of_person = of_keys(ground)
    works, people = int(of_work.max(initial=-1)) + 1, int(of_person.max(initial=-1)) + 1
    if not works or not people or works * people > MOST_CELLS:
        return drawn
    cells = np.outer(np.bincount(of_work), np.bincount(of_person)) * allowed(ground, of_work, of_person)
    # Nobody takes their own work: as many pairs less where authors are among those who may.
    own = np.flatnonzero(ground.author >= 0)
    np.subtract.at(cells, (of_work[own], of_person[ground.author[own]]), 1)
    table = _Table(np.maximum(cells, 0))
    room = np.maximum(ground.limit - ground.load, 0)
    granted = _granted(ground, of_work, table, np.bincount(of_person, room).astype(np.int64))
    given = _given(ground, of_person, _Table(table.cells), granted.sum(axis=0), room)
    slips = np.zeros_like(room)
    for one in np.flatnonzero(given):
        who = np.flatnonzero(of_person == one)
        part = replace(ground, load=ground.load[who], duty=ground.duty[who], limit=ground.limit[who])
        slips[who] = to_give(part, int(given[one]), lots)
    again = deal_again(ground, granted, of_work, slips, lots)
    better = again.work.size > drawn.work.size or (again.work.size == drawn.work.size and again.open < drawn.open)
    return again if better else drawn


def _granted(ground: Ground, of_work: Ints, table: "_Table", room: Ints) -> Ints:
    """How many places can be filled by how many reviews the work still misses (row) and class of work: those of works
    that miss most first, which are every work's first reviewers before second ones."""
    width, classes = int(ground.need.max(initial=0)), table.cells.shape[0]
    found = np.zeros((width + 1, classes), np.int64)
    sinks = room.copy()
    for missing in range(width, 0, -1):
        asked = np.bincount(of_work[ground.need >= missing], minlength=classes)
        found[missing] = table.push(asked, sinks)
    return found


def _given(ground: Ground, of_person: Ints, table: "_Table", sources: Ints, room: Ints) -> Ints:
    """How many reviews each class of people gives when that many are to be filled: level by level of what people give
    beyond their duty, each as full as it gets before anybody goes further. Such flows only grow, so the end is the most
    even one."""
    beyond = ground.load - ground.duty
    sources, total = sources.copy(), np.zeros(table.cells.shape[1], np.int64)
    for level in range(int(beyond.min()) + 1, int((ground.limit - ground.duty).max(initial=0)) + 1):
        upto = np.bincount(of_person, np.clip(level - beyond, 0, room)).astype(np.int64)
        sinks = upto - total
        sources -= table.push(sources, sinks)
        total = upto - sinks
        if not sources.any():
            break
    return total


class _Table:
    """A flow between classes. `cells`: the most that each pair of classes allows."""

    def __init__(self, cells: Ints) -> None:
        self.cells = cells
        self.flow = np.zeros_like(cells)

    def push(self, sources: Ints, sinks: Ints) -> Ints:
        """Send as much as possible of `sources` to `sinks`, which lessen by what they take. Returns what was sent of
        each. What lies already stays sent, perhaps elsewhere."""
        left = sources.copy()
        # At first straight on, beginning with those that may go to the fewest.
        for source in np.argsort((self.cells > 0).sum(axis=1), kind="stable"):
            if left[source]:
                room = np.minimum(self.cells[source] - self.flow[source], sinks)
                upto = np.minimum(np.cumsum(room), left[source])
                taken = np.diff(upto, prepend=0)
                self.flow[source] += taken
                sinks -= taken
                left[source] -= taken.sum()
        closed = np.zeros(self.cells.shape[1], np.bool_)  # columns from which no path leads on
        for source in np.flatnonzero(left):
            while left[source] and (sent := self._along_a_path(int(source), int(left[source]), sinks, closed)):
                left[source] -= sent
        return sources - left

    def _along_a_path(self, source: int, most: int, sinks: Ints, closed: Bools) -> int:
        rows, columns = self.cells.shape
        row_from, column_from = np.full(rows, -1), np.full(columns, -1)
        seen_row, seen = np.zeros(rows, np.bool_), closed.copy()
        layer = [source]
        seen_row[source] = True
        end = -1
        while layer and end < 0:
            fresh_columns: list[int] = []
            for row in layer:
                fresh = np.flatnonzero((self.cells[row] > self.flow[row]) & ~seen)
                seen[fresh] = True
                column_from[fresh] = row
                fresh_columns += fresh.tolist()
            ends = [column for column in fresh_columns if sinks[column] > 0]
            if ends:
                end = max(ends, key=lambda column: int(sinks[column]))
                break
            layer = []
            for column in fresh_columns:
                fresh = np.flatnonzero((self.flow[:, column] > 0) & ~seen_row)
                seen_row[fresh] = True
                row_from[fresh] = column
                layer += fresh.tolist()
        if end < 0:
            closed |= seen
            return 0
        path: list[tuple[int, int, int]] = []  # row, column, +1 or -1
        column, sent = end, min(most, int(sinks[end]))
        while True:
            row = int(column_from[column])
            path.append((row, column, 1))
            sent = min(sent, int(self.cells[row, column] - self.flow[row, column]))
            if row == source:
                break
            column = int(row_from[row])
            path.append((row, column, -1))
            sent = min(sent, int(self.flow[row, column]))
        for row, column, sign in path:
            self.flow[row, column] += sign * sent
        sinks[end] -= sent
        return sent
