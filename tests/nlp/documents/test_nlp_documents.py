"""Files of every kind as pages of text, and files that are none, damaged or made to harm."""

from __future__ import annotations

import io
import json
import struct
import sys
import zipfile
import zlib
from collections import Counter

import pytest

from sagebrush.nlp.documents import ASYNCHRONOUS, SYNCHRONOUS, Limits, Unreadable, read
from sagebrush.nlp.documents.limits import UNPACKED

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def docx(
    body: str, before: str = "", name: str = "word/document.xml", encoding: str = "UTF-8"
) -> bytes:
    xml = (
        f'<?xml version="1.0" encoding="{encoding}" standalone="yes"?>{before}<w:document xmlns:w="{W}"'
        ' xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006">'
        f"<w:body>{body}</w:body></w:document>"
    )
    return archive({"[Content_Types].xml": b"<Types/>", name: xml.encode()})


def archive(parts: dict[str, bytes], packing: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", packing) as packed:
        for name, part in parts.items():
            packed.writestr(name, part)
    return file.getvalue()


def paragraph(text: str) -> str:
    return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"


def reason(body: bytes, limits: Limits = ASYNCHRONOUS) -> str:
    with pytest.raises(Unreadable) as raised:
        read(body, limits)
    assert str(raised.value)
    return raised.value.reason


@pytest.mark.parametrize(
    "text", ["", "Hello", "é 👩🏽‍🚀 שלום\r\n\x00", "\ufeffmark", '{"Block": 1}', "PK", "%PD"]
)
def test_plain_text_as_it_is(text: str) -> None:
    document = read(text.encode(), SYNCHRONOUS)
    assert (document.kind, document.pages, document.text) == ("PLAIN_TEXT", (text,), text)


def test_limits_of_plain_text() -> None:
    assert read(b"x" * 10_000, SYNCHRONOUS).errors == ()
    page = read(b"x" * 10_001, SYNCHRONOUS)
    assert page.pages == ("",)
    assert [(error.page, error.code) for error in page.errors] == [(1, "PAGE_CHARACTERS_EXCEEDED")]
    assert reason(b"x" * 10_241, SYNCHRONOUS) == "DOCUMENT_SIZE_EXCEEDED"
    assert read(b"x" * 10_241, ASYNCHRONOUS).text == "x" * 10_241


@pytest.mark.parametrize(
    "body",
    [
        b"\xff\xfe\x00",
        b"\x89PNG\r\n\x1a\n....",
        b"\xff\xd8\xff\xe0",
        b"II*\x00",
        b"MM\x00*",
        b"\xd0\xcf\x11\xe0\xa1\xb1",
        b"caf\xe9",
    ],
)
def test_kinds_that_are_not_read(body: bytes) -> None:
    assert reason(body) == "UNSUPPORTED_DOC_TYPE"


def test_word() -> None:
    body = (
        "<w:p><w:r><w:t>One</w:t><w:tab/><w:t xml:space='preserve'> two é👍</w:t><w:br/><w:t>three</w:t></w:r></w:p>"
        "<w:tbl><w:tr><w:tc>" + paragraph("cell") + "</w:tc></w:tr></w:tbl>"
        "<w:p><w:del><w:r><w:delText>gone</w:delText></w:r></w:del><w:r><w:instrText>PAGE</w:instrText></w:r>"
        "<mc:AlternateContent><mc:Choice><w:r><w:t>box</w:t></w:r></mc:Choice>"
        "<mc:Fallback><w:r><w:t>box again</w:t></w:r></mc:Fallback></mc:AlternateContent></w:p>"
    )
    document = read(docx(body), SYNCHRONOUS)
    assert (document.kind, document.text) == ("MS_WORD", "One\t two é👍\nthree\ncell\nbox")


def test_pages_of_word() -> None:
    body = (
        paragraph("one")
        + '<w:p><w:r><w:br w:type="page"/></w:r><w:r><w:lastRenderedPageBreak/><w:t>two</w:t></w:r></w:p>'
    )
    assert read(docx(body), ASYNCHRONOUS).pages == ("one", "two")
    assert reason(docx(body), SYNCHRONOUS) == "PAGE_LIMIT_EXCEEDED"


def test_word_has_what_was_moved_in_its_new_place_alone() -> None:
    body = (
        "<w:p><w:r><w:t>a</w:t></w:r><w:moveFrom><w:ins><w:r><w:t>far</w:t><w:tab/></w:r></w:ins></w:moveFrom>"
        "<w:del><w:r><w:delText>gone</w:delText><w:br/></w:r></w:del><w:r><w:t>b</w:t></w:r></w:p>"
        "<w:p><w:moveTo><w:r><w:t>far</w:t></w:r></w:moveTo></w:p>"
    )
    assert read(docx(body), SYNCHRONOUS).text == "ab\nfar"


def test_a_page_that_has_a_hyphen_alone_is_one() -> None:
    body = "<w:p><w:r><w:noBreakHyphen/></w:r></w:p><w:lastRenderedPageBreak/>" + paragraph("two")
    assert read(docx(body), ASYNCHRONOUS).pages == ("\u2011", "two")
    body = "<w:p><w:r><w:t> \u3000</w:t></w:r></w:p><w:lastRenderedPageBreak/>" + paragraph("one")
    assert read(docx(body), ASYNCHRONOUS).pages == (" \u3000\none",)


def test_a_page_is_joined_once_however_many_breaks_it_begins_with() -> None:
    body = docx("<w:br/><w:lastRenderedPageBreak/>" * 1000 + paragraph("text"))
    called: Counter[str] = Counter()

    def count(_: object, event: str, what: object) -> None:
        if event == "c_call":
            called[getattr(what, "__name__", "")] += 1

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        document = read(body, ASYNCHRONOUS)
    finally:
        sys.setprofile(before)
    assert document.pages == ("\n" * 1000 + "text",)
    assert called["append"] > 1000
    assert called["join"] < 50


def test_word_that_is_damaged_or_made_to_harm() -> None:
    whole = docx(paragraph("text"))
    assert reason(whole[: len(whole) // 2]) == "INVALID_DOCUMENT"
    assert reason(whole.replace(b"PK\x01\x02", b"PK\x01\x03")) == "INVALID_DOCUMENT"
    assert reason(docx(paragraph("text"), name="xl/workbook.xml")) == "UNSUPPORTED_DOC_TYPE"
    assert reason(docx("<w:p>")) == "INVALID_DOCUMENT"
    laughs = '<!DOCTYPE d [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    assert reason(docx(paragraph("&b;"), laughs)) == "INVALID_DOCUMENT"
    file = '<!DOCTYPE d [<!ENTITY a SYSTEM "file:///etc/hostname">]>'
    assert reason(docx(paragraph("&a;"), file)) == "INVALID_DOCUMENT"


@pytest.mark.parametrize("encoding", ["foo", "rot13", "idna", "utf-7", "cp932"])
def test_word_in_an_encoding_that_xml_cannot_have(encoding: str) -> None:
    assert reason(docx(paragraph("text"), encoding=encoding)) == "INVALID_DOCUMENT"


def test_word_that_is_packed_as_no_word_document_is() -> None:
    parts = {
        "[Content_Types].xml": b"<Types/>",
        "word/document.xml": b"<a>" + b"text " * 99 + b"</a>",
    }
    packed = archive(parts, zipfile.ZIP_LZMA)
    assert reason(packed) == "INVALID_DOCUMENT"
    at = packed.index(b"word/document.xml") + 30  # within what is packed
    assert reason(packed[:at] + b"\xff" * 20 + packed[at + 20 :]) == "INVALID_DOCUMENT"


def test_word_whose_place_in_the_archive_no_file_can_have() -> None:
    file = docx(paragraph("text"))
    entry, end = file.rindex(b"PK\x01\x02"), file.rindex(b"PK\x05\x06")
    place = struct.pack("<HHQ", 1, 8, 1 << 63)  # its ZIP64 offset
    packed = bytearray(file + place)
    packed[end:] = place + file[end:]
    struct.pack_into("<H", packed, entry + 30, len(place))
    struct.pack_into("<L", packed, entry + 42, 0xFFFFFFFF)
    size = struct.unpack_from("<L", file, end + 12)[0]
    struct.pack_into("<L", packed, end + len(place) + 12, size + len(place))
    assert reason(bytes(packed)) == "INVALID_DOCUMENT"


@pytest.mark.costs("unpacks as much as is allowed")
def test_word_that_unpacks_to_too_much() -> None:
    bomb = docx("<w:p>" + " " * (UNPACKED + 1) + "</w:p>")
    assert len(bomb) < 200_000
    assert reason(bomb) == "DOCUMENT_SIZE_EXCEEDED"


def test_an_encrypted_archive() -> None:
    packed = bytearray(docx(paragraph("text")))
    at = packed.rindex(b"PK\x01\x02")
    packed[at + 8] |= 1  # the last entry's flag of encryption
    assert reason(bytes(packed)) == "INVALID_DOCUMENT"


def textract(blocks: object, **more: object) -> bytes:
    return json.dumps({"DocumentMetadata": {"Pages": 2}, "Blocks": blocks, **more}).encode()


def test_textract() -> None:
    blocks = [
        {"BlockType": "PAGE", "Page": 1},
        {"BlockType": "LINE", "Page": 1, "Text": "one"},
        {"BlockType": "WORD", "Page": 1, "Text": "one"},
        {"BlockType": "LINE", "Page": 1, "Text": "two"},
        {"BlockType": "LINE", "Page": 2, "Text": "three"},
    ]
    document = read(textract(blocks), ASYNCHRONOUS)
    assert (document.kind, document.pages) == (
        "TEXTRACT_DETECT_DOCUMENT_TEXT_JSON",
        ("one\ntwo", "three"),
    )
    assert (
        read(textract(blocks, AnalyzeDocumentModelVersion="1.0"), ASYNCHRONOUS).kind
        == "TEXTRACT_ANALYZE_DOCUMENT_JSON"
    )
    assert reason(textract(blocks), SYNCHRONOUS) == "PAGE_LIMIT_EXCEEDED"


def test_halves_of_surrogate_pairs_are_replaced_in_place() -> None:
    blocks = [{"BlockType": "LINE", "Text": "\ud800 a \ud83d\udca5"}]
    assert read(textract(blocks), SYNCHRONOUS).pages == ("\ufffd a \U0001f4a5",)


@pytest.mark.parametrize(
    "body",
    [
        b'{"Blocks": ',
        textract({}),
        textract([1]),
        textract([{"BlockType": "LINE", "Page": "1"}]),
        b'{"Blocks":' + b"[" * 500_000,
    ],
)
def test_json_that_is_not_textracts(body: bytes) -> None:
    assert reason(body) == "NOT_TEXTRACT_JSON"


def pdf(*pages: str, extra: str = "", trailer: str = "", kids: str = "") -> bytes:
    """A PDF with a page for each content stream, which is compressed."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>"]
    listed = " ".join(f"{4 + 2 * number} 0 R" for number in range(len(pages)))
    objects.append(f"<< /Type /Pages /Kids [{kids or listed}] /Count {len(pages)} >>".encode())
    objects.append(b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>")
    for number, content in enumerate(pages):
        packed = zlib.compress(content.encode("latin-1"))
        resources = f"/Resources << /Font << /F1 3 0 R >> {extra} >>"
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] {resources} /Contents {5 + 2 * number} 0 R >>".encode()
        )
        objects.append(
            f"<< /Filter /FlateDecode /Length {len(packed)} >>\nstream\n".encode()
            + packed
            + b"\nendstream"
        )
    file, places = bytearray(b"%PDF-1.7\n"), []
    for number, each in enumerate(objects, 1):
        places.append(len(file))
        file += f"{number} 0 obj\n".encode() + each + b"\nendobj\n"
    start = len(file)
    file += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    file += b"".join(f"{place:010} 00000 n \n".encode() for place in places)
    file += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R {trailer} >>\nstartxref\n{start}\n%%EOF\n".encode()
    return bytes(file)


def shown(text: str) -> str:
    return f"BT /F1 12 Tf 50 700 Td ({text}) Tj ET"


def test_pdf() -> None:
    pytest.importorskip("pypdf")
    document = read(pdf(shown("Hello page one"), shown("page two")), ASYNCHRONOUS)
    assert (document.kind, [page.strip() for page in document.pages]) == (
        "NATIVE_PDF",
        ["Hello page one", "page two"],
    )
    assert reason(pdf(shown("one"), shown("two")), SYNCHRONOUS) == "PAGE_LIMIT_EXCEEDED"


def test_pdf_that_is_damaged_or_made_to_harm() -> None:
    pytest.importorskip("pypdf")
    assert reason(b"%PDF-1.7\nnothing") == "INVALID_DOCUMENT"
    assert reason(pdf(shown("text"))[:200]) == "INVALID_DOCUMENT"
    encrypted = (
        "/Encrypt << /Filter /Standard /V 1 /R 2 /O <"
        + "00" * 32
        + "> /U <"
        + "00" * 32
        + "> /P -4 >> /ID [<00> <00>]"
    )
    assert reason(pdf(shown("text"), trailer=encrypted)) == "INVALID_DOCUMENT"
    assert reason(pdf(shown("text"), kids="2 0 R 2 0 R")) == "INVALID_DOCUMENT"  # pages in a circle


def test_a_page_of_an_image() -> None:
    pytest.importorskip("pypdf")
    image = "/XObject << /I 3 0 R >>"
    body = pdf("q 600 0 0 800 0 0 cm /I Do Q", extra=image).replace(
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        b"<< /Type /XObject /Subtype /Image /Width 1  >>    ",
    )
    assert reason(body) == "UNSUPPORTED_DOC_TYPE"
