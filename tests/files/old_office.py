"""Writes the binary office files of the years before 2007, as small as they can be, for `make.py`."""

import struct


def property_set(author: str, title: str, company: str = "") -> bytes:
    """A SummaryInformation (or, with a company, DocumentSummaryInformation) stream in code page 936."""
    strings = {15: company} if company else {2: title, 4: author, 8: author}
    body, places = struct.pack("<IHH", 2, 936, 0), [(1, 0)]
    for key, value in strings.items():
        raw = value.encode("gb18030") + b"\0"
        places.append((key, len(body)))
        body += struct.pack("<II", 0x1E, len(raw)) + raw.ljust(-(-len(raw) // 4) * 4, b"\0")
    start = 8 + 8 * len(places)
    table = b"".join(struct.pack("<II", key, start + at) for key, at in places)
    group = bytes.fromhex("02d5cdd59c2e1b10939708002b2cf9ae" if company else "e0859ff2f94f6810ab9108002b27b3d9")
    head = struct.pack("<HHI16sI", 0xFFFE, 0, 0x00020006, bytes(16), 1) + group + struct.pack("<I", 48)
    return head + struct.pack("<II", start + len(body), len(places)) + table + body


def compound(streams: dict[str, bytes], owner: str) -> bytes:
    """A compound file of 512-byte sectors: streams under 4096 bytes share the mini stream, as every writer does it.

    A free sector and a free mini sector carry leftovers of an earlier version, as they do in files of long lives.
    """
    leftovers = f"上一版作者{owner}".encode("utf-16-le")
    fat, minis, places, body = [0xFFFFFFFD], [], {}, b""

    def chained(data: bytes) -> int:
        nonlocal body
        count = -(-len(data) // 512)
        start = len(fat)
        fat.extend([*range(start + 1, start + count), 0xFFFFFFFE])
        body += data.ljust(count * 512, b"\0")
        return start

    mini = b""
    for name, data in streams.items():
        if len(data) < 4096:
            places[name] = len(minis)
            count = -(-len(data) // 64)
            minis += [*range(len(minis) + 1, len(minis) + count), 0xFFFFFFFE]
            mini += data.ljust(count * 64, b"\0")
        else:
            places[name] = chained(data)
    minis.append(0xFFFFFFFF)
    mini += leftovers.ljust(64, b"\0")
    root = chained(mini)
    mini_fat = chained(b"".join(struct.pack("<I", n) for n in minis).ljust(512, b"\xff"))

    def entry(name: str, kind: int, right: int, child: int, start: int, size: int) -> bytes:
        raw = name.encode("utf-16-le") + b"\0\0"
        links = struct.pack("<3I", 0xFFFFFFFF, right, child)
        times = struct.pack("<QQ", 133_000_000_000_000_000, 133_000_000_000_000_000)
        head = raw.ljust(64, b"\0") + struct.pack("<HBB", len(raw), kind, 1)
        return head + links + bytes(20) + times + struct.pack("<IQ", start, size)

    names = sorted(streams, key=lambda n: (len(n), n.upper()))
    directory = entry("Root Entry", 5, 0xFFFFFFFF, 1, root, len(mini))
    for number, name in enumerate(names, start=1):
        right = number + 1 if number < len(names) else 0xFFFFFFFF
        directory += entry(name, 2, right, 0xFFFFFFFF, places[name], len(streams[name]))
    first = chained(directory)
    if len(fat) > 127:
        raise ValueError("one FAT sector is all that this writer knows")
    fat.append(0xFFFFFFFF)
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    head += struct.pack("<9I", 0, 1, first, 0, 4096, mini_fat, 1, 0xFFFFFFFE, 0) + struct.pack("<I", 0) + b"\xff" * 432
    table = b"".join(struct.pack("<I", n) for n in fat).ljust(512, b"\xff")
    return head + table + body + leftovers.ljust(512, b"\0")


def sttb(*strings: str) -> bytes:
    rows = b"".join(struct.pack("<H", len(s)) + s.encode("utf-16-le") for s in strings)
    return struct.pack("<HHH", 0xFFFF, len(strings), 0) + rows


def doc(lines: list[str], name: str, school: str) -> bytes:
    """A Word 97 document of one piece: FIB, text, piece table, and the tables in which Word keeps names."""
    text = "\r".join([*lines, "环节\x07时间\x07\x07", ""])
    clx = b"\x02" + struct.pack("<I", 16) + struct.pack("<II", 0, len(text)) + struct.pack("<HIH", 0, 1024, 0)
    tables = {33: clx, 32: sttb("", "", "教学设计", "", "", "", name, name), 51: sttb("Unknown", name)}
    tables |= {
        71: sttb(name, f"C:\\Users\\{name}\\教案.doc"),
        36: struct.pack("<H", len(name)) + name.encode("utf-16-le"),
    }
    fib = bytearray(1024)
    struct.pack_into("<HHHHHH", fib, 0, 0xA5EC, 0x00C1, 0, 0x0804, 0, 0x0200)
    struct.pack_into("<H", fib, 32, 14)
    struct.pack_into("<H", fib, 62, 22)
    struct.pack_into("<I", fib, 64, 1024 + 2 * len(text))
    struct.pack_into("<I", fib, 76, len(text))
    struct.pack_into("<H", fib, 152, 93)
    table = b""
    for index, data in tables.items():
        struct.pack_into("<II", fib, 154 + 8 * index, len(table), len(data))
        table += data
    return compound(
        {
            "WordDocument": bytes(fib) + text.encode("utf-16-le"),
            "1Table": table,
            "\x05SummaryInformation": property_set(name, "教学设计"),
            "\x05DocumentSummaryInformation": property_set("", "", school),
        },
        name,
    )


def ppt(name: str) -> bytes:
    """A PowerPoint 97 document: two text atoms in a slide list."""

    def atom(text: str) -> bytes:
        raw = text.encode("utf-16-le")
        return struct.pack("<HHI", 0, 0x0FA0, len(raw)) + raw

    inner = atom("认识小数") + atom("读出价签\r写出小数")
    return compound(
        {
            "PowerPoint Document": struct.pack("<HHI", 0x0F, 1000, len(inner)) + inner,
            "Current User": name.encode("utf-16-le"),
            "\x05SummaryInformation": property_set(name, "认识小数"),
        },
        name,
    )


def xls(name: str) -> bytes:
    """An Excel 97 workbook of one sheet with labels and a number, in BIFF8 records."""

    def record(kind: int, data: bytes) -> bytes:
        return struct.pack("<HH", kind, len(data)) + data

    def label(row: int, column: int, text: str) -> bytes:
        return record(0x0204, struct.pack("<HHHHB", row, column, 0, len(text), 1) + text.encode("utf-16-le"))

    def begin(kind: int) -> bytes:
        return record(0x0809, struct.pack("<HHHHII", 0x0600, kind, 0x0DBB, 0x07CC, 0, 6))

    end = record(0x000A, b"")
    title = "前测"
    writer = record(0x005C, struct.pack("<HB", len(name), 1) + name.encode("utf-16-le").ljust(109, b" "))

    def globals_of(place: int) -> bytes:
        sheet = struct.pack("<IBBBB", place, 0, 0, len(title), 1) + title.encode("utf-16-le")
        return begin(0x0005) + writer + record(0x0085, sheet) + end

    top = globals_of(len(globals_of(0)))
    rows = label(0, 0, "学号") + label(0, 1, "得分") + label(1, 0, "01")
    number = record(0x0203, struct.pack("<HHHd", 1, 1, 0, 92.0))
    book = (top + begin(0x0010) + rows + number + end).ljust(4096, b"\0")
    return compound({"Workbook": book, "\x05SummaryInformation": property_set(name, "前测成绩", "")}, name)
