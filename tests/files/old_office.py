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
    """A compound file of 512-byte sectors; each stream is filled up to the size that needs no mini sectors."""
    filled = {name: data.ljust(max(4096, -(-len(data) // 512) * 512), b"\0") for name, data in streams.items()}
    entries = -(-(len(filled) + 1) // 4)
    fat: list[int] = [0xFFFFFFFD]
    fat += [*range(2, entries + 1), 0xFFFFFFFE]
    starts = {}
    for name, data in filled.items():
        count = len(data) // 512
        starts[name] = len(fat)
        fat += [*range(len(fat) + 1, len(fat) + count), 0xFFFFFFFE]
    if len(fat) > 127:
        raise ValueError("one FAT sector is all that this writer knows")
    fat.append(0xFFFFFFFF)  # a free sector with leftovers of an earlier version

    def entry(name: str, kind: int, right: int, child: int, start: int, size: int) -> bytes:
        raw = name.encode("utf-16-le") + b"\0\0"
        links = struct.pack("<3I", 0xFFFFFFFF, right, child)
        times = struct.pack("<QQ", 133_000_000_000_000_000, 133_000_000_000_000_000)
        return (
            raw.ljust(64, b"\0")
            + struct.pack("<HBB", len(raw), kind, 1)
            + links
            + bytes(20)
            + times
            + struct.pack("<IQ", start, size)
        )

    names = sorted(filled, key=lambda n: (len(n), n.upper()))
    directory = entry("Root Entry", 5, 0xFFFFFFFF, 1, 0xFFFFFFFE, 0)
    for number, name in enumerate(names, start=1):
        right = number + 1 if number < len(names) else 0xFFFFFFFF
        directory += entry(name, 2, right, 0xFFFFFFFF, starts[name], len(filled[name]))
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    head += struct.pack("<9I", 0, 1, 1, 0, 4096, 0xFFFFFFFE, 0, 0xFFFFFFFE, 0) + struct.pack("<I", 0) + b"\xff" * 432
    table = b"".join(struct.pack("<I", n) for n in fat).ljust(512, b"\xff")
    leftovers = f"上一版作者{owner}".encode("utf-16-le").ljust(512, b"\0")
    return head + table + directory.ljust(entries * 512, b"\0") + b"".join(filled.values()) + leftovers


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
