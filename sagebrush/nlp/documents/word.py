"""Word documents (.docx): ISO/IEC 29500, WordprocessingML.

The text of the body as it stands after tracked changes: paragraphs and line breaks as line feeds, tabs as
tabs. Pages are told apart by page breaks and by where Word last broke them; without either all is one page.
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
_FALLBACK = "http://schemas.openxmlformats.org/markup-compatibility/2006 Fallback"
_BLOCK = 1 << 16
# What zipfile raises for files that are damaged, encrypted or packed in ways that it does not know.
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    RuntimeError,
    NotImplementedError,
    EOFError,
    OSError,
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
            with archive.open("word/document.xml") as part:
                return Document("MS_WORD", _Body(pages).read(part))
    except Unreadable:
        raise
    except (*_DAMAGED, expat.ExpatError):
        raise Unreadable("INVALID_DOCUMENT") from None


class _Body:
    """The text that the parser's events make, page by page."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.pages: list[str] = []
        self.parts: list[str] = []
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
        return page

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        namespace, _, local = name.partition(" ")
        if name == _FALLBACK:
            self.hidden += 1
        elif namespace not in _NAMESPACES or self.hidden:
            return
        elif local == "t":
            self.text = True
        elif local == "tab":
            self.parts.append("\t")
        elif local == "noBreakHyphen":
            self.parts.append("\u2011")
        elif local == "lastRenderedPageBreak" or (
            local == "br" and attributes.get(f"{namespace} type") == "page"
        ):
            self._break()
        elif local in ("br", "cr"):
            self.parts.append("\n")

    def _end(self, name: str) -> None:
        namespace, _, local = name.partition(" ")
        if name == _FALLBACK:
            self.hidden -= 1
        elif namespace in _NAMESPACES and not self.hidden:
            if local == "t":
                self.text = False
            elif local == "p":
                self.parts.append("\n")

    def _characters(self, text: str) -> None:
        if self.text and not self.hidden:
            self.parts.append(text)

    def _break(self) -> None:
        # Word notes its own break where a page break already stands: of both, one page.
        if not "".join(self.parts).strip():
            return
        self.pages.append(self._page())
        if len(self.pages) >= self.most:
            raise Unreadable("PAGE_LIMIT_EXCEEDED")

    def _doctype(self, *_: object) -> None:
        raise Unreadable("INVALID_DOCUMENT")
