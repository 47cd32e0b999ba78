"""Files unpacked to the last byte, so that no name hides behind a packing."""

import gzip
import io
import zipfile
import zlib
from collections.abc import Collection, Iterator

import pikepdf

ENCODINGS = ("utf-8", "utf-16-le", "utf-16-be", "gb18030")


def everything(data: bytes) -> Iterator[bytes]:
    """The bytes, and all that is packed in them: parts of zips with their names, gzips, a PDF's objects, decoded."""
    yield data
    if data.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for entry in archive.infolist():
                yield entry.filename.encode() + entry.extra + entry.comment
                yield from everything(archive.read(entry))
    elif data.startswith(b"\x1f\x8b"):
        yield from everything(gzip.decompress(data))
    elif data.startswith(b"%PDF"):
        with pikepdf.open(io.BytesIO(data)) as document:
            yield repr(document.trailer).encode()
            for thing in document.objects:
                yield repr(thing).encode("utf-8", "replace")
                if isinstance(thing, pikepdf.Stream):
                    for layer in layers(thing):
                        yield from everything(layer)


def layers(stream: pikepdf.Stream) -> Iterator[bytes]:
    """The stream as it stands, then with one wrapping after the other taken off."""
    data = stream.read_raw_bytes()
    yield data
    given = stream.get("/Filter", [])
    for name in map(str, given if isinstance(given, pikepdf.Array) else [given]):
        if name == "/FlateDecode":
            data = zlib.decompress(data)
        elif name == "/ASCIIHexDecode":
            data = bytes.fromhex(data.rstrip(b">").decode("ascii"))
        else:
            return
        yield data


def named_in(data: bytes, needles: Collection[str]) -> set[str]:
    """Those of the needles that stand anywhere in a file, in whatever encoding."""
    whole = list(everything(data))
    return {one for one in needles for encoding in ENCODINGS for piece in whole if one.encode(encoding) in piece}
