"""What pages show of handed-in pieces: one read model for author, reviewer and trainer."""

from dataclasses import dataclass

import competencies
from lms_plugin import media


@dataclass(frozen=True)
class PieceView:
    """One piece of evidence. `name` is empty for reviewers, who see "材料 1" instead.

    `number` counts the files of a version in the order of the page; 0 for typed text and links. `has_file`: whether
    the bytes can be had; of some old formats reviewers get the extracted text only.

    `kind`: "file", "text" or "link". `file`: uuid of the stored file. `media`: what the file is (document, video …).
    """

    number: int
    kind: str
    file: str = ""
    name: str = ""
    media: str = ""
    mime: str = ""
    extension: str = ""
    size_bytes: int = 0
    pages: int | None = None
    duration_ms: int | None = None
    over_seconds: int = 0
    text: str = ""
    url: str = ""
    has_file: bool = False


def piece_views(
    requirement: competencies.EvidenceRequirement,
    pieces: tuple[competencies.Piece, ...],
    *,
    blind: bool,
    first_number: int = 1,
) -> tuple[PieceView, ...]:
    """The pieces of one item as a page shows them; `blind` leaves out everything that names the author."""
    item = competencies.Item(requirement, pieces)
    found, number = [], first_number
    for piece in item.pieces:
        file = piece.file
        if file is not None:
            found.append(
                PieceView(
                    number=number,
                    kind="file",
                    file=file.uuid,
                    name="" if blind else file.filename,
                    media=file.kind,
                    mime=file.mime,
                    extension=file.extension,
                    size_bytes=file.size_bytes,
                    pages=file.pages,
                    duration_ms=file.duration_ms,
                    over_seconds=competencies.overrun_seconds(item, file)[0],
                    has_file=not blind or media.can_sanitize(file.mime),
                )
            )
            number += 1
        elif piece.evidence.kind == "link":
            found.append(PieceView(number=0, kind="link", url=piece.evidence.url))
        else:
            found.append(PieceView(number=0, kind="text", text=piece.evidence.text))
    return tuple(found)
