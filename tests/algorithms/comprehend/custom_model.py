"""Custom models that answer by rules, files that they read, and both over the programs of Comprehend."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from typing import Any

from sagebrush.algorithms.comprehend.custom.serving import Custom

WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


class Lengths:
    """A classifier of long and short texts."""

    def answer(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        return [
            {"Classes": [{"Name": "long" if len(t) > 20 else "short", "Score": 0.75}]}
            for t in texts
        ]


class Names:
    """A recognizer of every `Anna Bell`, also over the end of a line."""

    def answer(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        return [{"Entities": [*self._found(text)]} for text in texts]

    @staticmethod
    def _found(text: str) -> Any:
        flat = text.replace("\n", " ")
        begin = flat.find("Anna Bell")
        while begin >= 0:
            end = begin + 9
            yield {
                "BeginOffset": begin, "EndOffset": end, "Score": 0.9, "Text": text[begin:end],
                "Type": "SINGER",
            }  # fmt: skip
            begin = flat.find("Anna Bell", end)


def classifier(native: bool = False) -> Custom:
    return Custom("document-classifier", native, Lengths())


def recognizer() -> Custom:
    return Custom("entity-recognizer", False, Names())


def word(*pages: str) -> bytes:
    """A Word document of these pages."""
    broken = '<w:p><w:r><w:br w:type="page"/></w:r></w:p>'
    body = broken.join(
        "".join(f"<w:p><w:r><w:t>{line}</w:t></w:r></w:p>" for line in page.split("\n"))
        for page in pages
    )
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        text = f'<w:document xmlns:w="{WORD}"><w:body>{body}</w:body></w:document>'
        archive.writestr("word/document.xml", text)
    return out.getvalue()


def textract(*lines: str) -> bytes:
    """What Textract's DetectDocumentText answers of one page."""
    blocks = [{"BlockType": "LINE", "Text": line, "Page": 1} for line in lines]
    return json.dumps({"Blocks": [{"BlockType": "PAGE", "Page": 1}, *blocks]}).encode()
