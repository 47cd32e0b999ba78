"""Pictures: turned upright, made small enough, and freed of everything that is not a pixel."""

import io
import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pi_heif import register_heif_opener
from PIL import Image, ImageChops, ImageOps, UnidentifiedImageError

from lms_plugin.errors import Refused
from lms_plugin.media.faults import Bomb, Broken

PIXELS = 220_000_000  # phones make 200 megapixels; JPEG is decoded at a fraction of it
DECODED = 80_000_000  # of formats that must be decoded whole
PHOTOS = 9  # of a handwritten page, by the rule
_SIDE_OF_PHOTO = 2000
_SIDE_OF_SEAL, _SEAL_PIXELS, _WHITE = 800, 25_000_000, 230
_FORMATS = ("JPEG", "PNG", "HEIF", "WEBP", "GIF", "BMP", "TIFF", "MPO")

register_heif_opener(thumbnails=False)


@contextmanager
def opened(source: Path | io.BytesIO) -> Iterator[Image.Image]:
    """The picture, not yet decoded, once its size has been found modest. Raises Broken or Bomb."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            warnings.simplefilter("ignore", UserWarning)  # of damaged EXIF: what can be read of it is read
            with Image.open(source, formats=_FORMATS) as image:
                pixels = image.width * image.height
                if pixels > PIXELS or (pixels > DECODED and image.format not in {"JPEG", "MPO"}):
                    raise Bomb
                yield image
    except Image.DecompressionBombError as error:
        raise Bomb from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError, struct.error) as error:
        raise Broken from error
    except (RuntimeError, TypeError, KeyError, IndexError, OverflowError, ZeroDivisionError, MemoryError) as error:
        raise Broken from error  # what decoders let slip on hostile bytes


def details(path: Path) -> tuple[int, int, dict[str, str]]:
    """Width and height as seen upright, and the names and places in EXIF. Raises Broken or Bomb."""
    found: dict[str, str] = {}
    with opened(path) as image:
        width, height = image.size
        exif = image.getexif()
        turned = exif.get(0x0112) in {5, 6, 7, 8}
        for tag, key in _TAGS.items():
            value = exif.get(tag)
            if isinstance(value, bytes):
                value = value.decode("utf-16-le" if tag >= 0x9C9B else "utf-8", "replace")
            elif isinstance(value, str):
                value = _mended(value)
            if isinstance(value, str) and (value := value.strip("\0 ")):
                found[key] = value[:500]
        if exif.get_ifd(0x8825):
            found["location"] = "GPS"
        for name, words in image.info.items():
            if isinstance(words, str) and image.format == "PNG" and name != "XML:com.adobe.xmp":
                found[f"png:{name}"] = words[:500]
        _probe(image)
    return (height, width, found) if turned else (width, height, found)


_TAGS = {
    0x010E: "description",
    0x013B: "author",
    0x8298: "copyright",
    0x9C9B: "title",
    0x9C9D: "author_windows",
    0x9C9C: "comments",
}


def _mended(value: str) -> str:
    """EXIF text is ASCII by the rule and UTF-8 or GBK by habit; Pillow reads it as Latin-1."""
    try:
        raw = value.encode("latin-1")
    except UnicodeEncodeError:
        return value
    for encoding in ("utf-8", "gb18030"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return value


def _probe(image: Image.Image) -> None:
    """Decodes once, at a fraction where the format can, so that a cut file is found now and not by the reviewer."""
    image.draft("RGB", (400, 400))
    image.load()


def jpeg(path: Path, max_side: int, quality: int = 85) -> bytes:
    """The picture as JPEG, upright, no side above `max_side` pixels, without any metadata. Raises Broken or Bomb."""
    with opened(path) as image:
        return _jpeg(image, max_side, quality)


def _jpeg(image: Image.Image, max_side: int, quality: int) -> bytes:
    made = io.BytesIO()
    _pixels(image, max_side).save(made, "JPEG", quality=quality, optimize=True)
    return made.getvalue()


def _pixels(image: Image.Image, max_side: int, transparent: bool = False) -> Image.Image:
    """The bare pixels: a new picture, so that nothing written beside them comes along."""
    image.draft("RGB", (max_side, max_side))
    image.seek(0)
    upright = ImageOps.exif_transpose(image)
    upright.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
    if upright.mode == "P" or upright.has_transparency_data:
        upright = upright.convert("RGBA")
    if upright.mode == "RGBA" and not transparent:
        ground = Image.new("RGB", upright.size, "white")
        ground.paste(upright, mask=upright.getchannel("A"))
        upright = ground
    wanted = "RGBA" if upright.mode == "RGBA" else "RGB"
    upright = upright.convert(wanted)
    bare = Image.new(wanted, upright.size)
    bare.paste(upright)
    return bare


def for_page(data: bytes, max_side: int = 1600) -> tuple[bytes, str]:
    """A picture from inside a document, for a page: (bytes, mime), PNG stays PNG, all else becomes JPEG.

    Raises Refused("media.picture_unreadable") for drawings that no browser shows (EMF, WMF).
    """
    try:
        with opened(io.BytesIO(data)) as image:
            if image.format != "PNG":
                return _jpeg(image, max_side, 85), "image/jpeg"
            made = io.BytesIO()
            _pixels(image, max_side, transparent=True).save(made, "PNG", optimize=True)
            return made.getvalue(), "image/png"
    except (Broken, Bomb) as error:
        raise Refused("media.picture_unreadable") from error


def anonymise(source: Path, target: Path, extension: str) -> None:
    """Writes the pixels alone: PNG stays PNG, everything else becomes JPEG. Raises Broken or Bomb."""
    with opened(source) as image:
        if extension == "png":
            _pixels(image, 8000, transparent=True).save(target, "PNG")
        else:
            _pixels(image, 8000).save(target, "JPEG", quality=90)


def to_pdf(paths: list[Path], target: Path) -> None:
    """Joins 1 to 9 photos to one PDF, a page each, in order, without metadata.

    Raises Refused("media.photo_count", most=9), Broken or Bomb.
    """
    if not 1 <= len(paths) <= PHOTOS:
        raise Refused("media.photo_count", most=PHOTOS)
    pages = []
    for path in paths:
        with opened(path) as image:
            pages.append(_pixels(image, _SIDE_OF_PHOTO))
    pages[0].save(target, "PDF", save_all=True, append_images=pages[1:], resolution=200.0, quality=82)


def stamp_png(data: bytes) -> bytes:
    """The picture of a seal as a PNG that can lie over words: bare pixels, at most 800 a side, white is seen through.

    Raises Broken, Bomb, and Refused("media.seal_blank") where nothing is left to see.
    """
    with opened(io.BytesIO(data)) as image:
        if image.width * image.height > _SEAL_PIXELS:
            raise Bomb
        bare = _pixels(image, _SIDE_OF_SEAL, transparent=True).convert("RGBA")
    red, green, blue, alpha = bare.split()
    darkest = ImageChops.darker(ImageChops.darker(red, green), blue)
    seen = ImageChops.darker(alpha, darkest.point([255 if value < _WHITE else 0 for value in range(256)]))
    if seen.getbbox() is None:
        raise Refused("media.seal_blank")
    bare.putalpha(seen)
    made = io.BytesIO()
    bare.save(made, "PNG", optimize=True)
    return made.getvalue()


def as_jpeg(image: Image.Image) -> bytes:
    """The bare pixels of an opened picture in their own size."""
    return _jpeg(image, 8000, 90)


def without_metadata(data: bytes) -> bytes:
    """A JPEG or PNG inside a document with all dropped that does not draw (profiles too: they are called after screens
    and their owners), pixels untouched. Other bytes come back as they are.
    """
    if data.startswith(b"\xff\xd8\xff"):
        kept, at = [], 0
        for start, end in _jpeg_words(data):
            kept.append(data[at:start])
            at = end
        return b"".join([*kept, data[at:]])
    if data.startswith(_PNG):
        return _bare_png(data)
    return data


_PNG = b"\x89PNG\r\n\x1a\n"
_NEXT = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # in the middle of coded pixels: the next marker


def _jpeg_words(data: bytes, begin: int = 0) -> Iterator[tuple[int, int]]:
    """Where the JPEG at `begin` keeps what does not draw: comments, application segments but JFIF's and Adobe's, and
    what follows its end.
    """
    at = begin + 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xD9:
            if begin == 0:
                yield at + 2, len(data)
            return
        if marker == 0xFF:
            at += 1
            continue
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == 0xFE or (0xE1 <= marker <= 0xEF and not data.startswith(b"Adobe\0", at + 4)):
            yield at, min(end, len(data))
        elif marker == 0xE0 and not data.startswith(b"JFIF\0", at + 4):
            yield at, min(end, len(data))  # a small picture of what the large one may have cut away
        if marker == 0xDA:
            found = _NEXT.search(data, end)
            if found is None:
                return
            end = found.start()
        at = end


# The chunks that draw (PNG 3rd edition); all else may carry words.
_DRAWING = {
    *(b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"sBIT", b"bKGD", b"pHYs", b"hIST"),
    *(b"acTL", b"fcTL", b"fdAT", b"cICP", b"mDCV", b"cLLI"),
}


def _png_chunks(data: bytes, begin: int = 0) -> Iterator[tuple[bytes, int, int]]:
    at = begin + 8
    while at + 12 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        kind = data[at + 4 : at + 8]
        yield kind, at, min(end, len(data))
        if kind == b"IEND":
            return
        at = end


def _bare_png(data: bytes) -> bytes:
    kept = [data[start:end] for kind, start, end in _png_chunks(data) if kind in _DRAWING]
    return b"".join([data[:8], *kept])


def blanked(data: bytes) -> bytes:
    """Bytes of the same length in which every JPEG and PNG has zeroes where its words were.

    For containers in which nothing may move.
    """
    made = bytearray(data)
    for found in re.finditer(rb"\xff\xd8\xff[\xc0-\xfe]|\x89PNG\r\n\x1a\n", data):
        if found.group() == _PNG:
            for kind, start, end in _png_chunks(data, found.start()):
                if kind not in _DRAWING and end - start > 12:
                    made[start + 8 : end - 4] = bytes(end - start - 12)
                    made[start + 4 : start + 8] = b"prVt"  # a private kind, which every reader steps over
                    made[end - 4 : end] = zlib.crc32(made[start + 4 : end - 4]).to_bytes(4, "big")
        else:
            for start, end in _jpeg_words(data, found.start()):
                made[start + 4 : end] = bytes(max(0, end - start - 4))
    return bytes(made)
