"""Word documents (.docx): ISO/IEC 29500, WordprocessingML.

The text of the body as it stands after tracked changes: paragraphs and line breaks as line feeds, tabs as
tabs; a paragraph that was deleted or moved away leaves its line feed. Pages are told apart by page breaks
and by where Word last broke them; without either all is one page.
Headers, footers, notes and comments are left out.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from typing import IO
from xml.parsers import expat

from .limits import UNPACKED
from .pages import Document, Unreadable

_NAMESPACES = (
    "http://schemas.openxmlformats.org/wordprocessingml/2006/main",
    "http://purl.oclc.org/ooxml/wordprocessingml/main",
)
# What stands in an element that is not of the text: what was deleted, what was moved to another place, where
# it stands too, and what is for programs that do not know the element beside it.
_HIDDEN = {
    "http://schemas.openxmlformats.org/markup-compatibility/2006 Fallback",
    *(f"{namespace} {local}" for namespace in _NAMESPACES for local in ("del", "moveFrom")),
}
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_BLOCK = 1 << 16
# What zipfile and expat raise for files that are damaged, encrypted or packed in ways that they do not know:
# LookupError for the name of an encoding that there is not, OverflowError for a place in the archive that is
# beyond what a file can have.
_DAMAGED = (
    expat.ExpatError,
    zipfile.BadZipFile,
    zlib.error,
    RuntimeError,
    NotImplementedError,
    EOFError,
    LookupError,
    OSError,
    OverflowError,
    ValueError,
)


def read(body: bytes, pages: int) -> Document:
    """Return the document's pages. Raises Unreadable for other archives, damaged and encrypted ones, more
    pages than that, and XML of more than UNPACKED bytes or with a document type (which may name entities
    without end)."""
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            if "word/document.xml" not in archive.namelist():
                raise Unreadable("UNSUPPORTED_DOC_TYPE")
            # ISO/IEC 29500-2 knows no other packing, and each has errors of its own
            if archive.getinfo("word/document.xml").compress_type not in _PACKED:
                raise Unreadable("INVALID_DOCUMENT")
            with archive.open("word/document.xml") as part:
                return Document("MS_WORD", _Body(pages).read(part))
    except Unreadable:
        raise
    except _DAMAGED:
        raise Unreadable("INVALID_DOCUMENT") from None


class _Body:
    """The text that the parser's events make, page by page."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.pages: list[str] = []
        self.parts: list[str] = []
        self.blank = True  # so far the page has white space alone
        self.text = False
        self.hidden = 0

    def read(self, part: IO[bytes]) -> tuple[str, ...]:
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.StartDoctypeDeclHandler = self._doctype
        size = 0
        while block := part.read(_BLOCK):
            size += len(block)
            if size > UNPACKED:
                raise Unreadable("DOCUMENT_SIZE_EXCEEDED")
            parser.Parse(block, False)
        parser.Parse(b"", True)
        return (*self.pages, self._page())

    def _page(self) -> str:
        page = "".join(self.parts).rstrip("\n")
        self.parts.clear()
        self.blank = True
        return page

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        namespace, _, local = name.partition(" ")
        if name in _HIDDEN:
            self.hidden += 1
        elif namespace not in _NAMESPACES or self.hidden:
            return
        elif local == "t":
            self.text = True
        elif local == "tab":
            self.parts.append("\t")
        elif local == "noBreakHyphen":
            self._add("\u2011")
        elif local == "lastRenderedPageBreak" or (
            local == "br" and attributes.get(f"{namespace} type") == "page"
        ):
            self._break()
        elif local in ("br", "cr"):
            self.parts.append("\n")

    def _end(self, name: str) -> None:
        namespace, _, local = name.partition(" ")
        if name in _HIDDEN:
            self.hidden -= 1
        elif namespace in _NAMESPACES and not self.hidden:
            if local == "t":
                self.text = False
            elif local == "p":
                self.parts.append("\n")

    def _characters(self, text: str) -> None:
        if self.text and not self.hidden:
            self._add(text)

    def _add(self, text: str) -> None:
        self.parts.append(text)
        self.blank = self.blank and text.isspace()

    def _break(self) -> None:
        # Word notes its own break where a page break already stands: of both, one page.
        if self.blank:
            return
        self.pages.append(self._page())
        if len(self.pages) >= self.most:
            raise Unreadable("PAGE_LIMIT_EXCEEDED")

    def _doctype(self, *_: object) -> None:
        raise Unreadable("INVALID_DOCUMENT")
