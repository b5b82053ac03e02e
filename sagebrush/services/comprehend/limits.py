"""How much text a request may hold; pure.

Sources: Amazon Comprehend developer guide, "Guidelines and quotas"; the API reference of each
operation. KB are thousands of bytes where AWS was recorded to say so, in UTF-8.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sagebrush.errors import AwsError

DOCUMENT, SHORT = 100_000, 5_000
MOST: Mapping[str, int] = {
    "DetectDominantLanguage": DOCUMENT,
    "DetectEntities": DOCUMENT,
    "DetectKeyPhrases": DOCUMENT,
    "DetectPiiEntities": DOCUMENT,
    "ContainsPiiEntities": DOCUMENT,
    "DetectSentiment": SHORT,
    "DetectSyntax": SHORT,
    "DetectTargetedSentiment": SHORT,
}
"""Operation on one document -> the bytes of UTF-8 that it may have. A document of a batch may have
SHORT, whatever is detected."""
BATCH = 25
"""Documents of a batch."""
SEGMENTS, SEGMENT = 10, 1_024
"""Text segments of DetectToxicContent, and bytes of one: "1 KB", of which AWS was never recorded to say
how many bytes they are, so 1,024 pass. All together then have 10 KB at most, as AWS wants."""


def check_text(text: str, most: int) -> None:
    """Returns where the text has at most that many bytes.

    Raises TextSizeLimitExceededException, in the words recorded of AWS (amazon-connect-salesforce-lambda,
    issue 20), and as `size`.
    """
    found = size(text)
    if found > most:
        raise AwsError(
            "TextSizeLimitExceededException",
            f"Input text size exceeds limit. Max length of request text allowed is {most} bytes while"
            f" in this request the text size is {found} bytes",
        )


def check_batch(texts: Sequence[str]) -> None:
    """Returns where a batch may have these documents.

    Raises BatchSizeLimitExceededException, and TextSizeLimitExceededException for the whole batch
    where one document is too long: AWS was recorded to refuse BatchDetectSentiment so.
    """
    if len(texts) > BATCH:
        words = "Please use a smaller number of items in a single batch. Maximum batch size is"
        raise AwsError("BatchSizeLimitExceededException", f"{words} {BATCH}.")
    for text in texts:
        check_text(text, SHORT)


def check_segments(texts: Sequence[str]) -> None:
    """Returns where DetectToxicContent takes these segments.

    Raises InvalidRequestException for too many, TextSizeLimitExceededException for too long ones.
    """
    if len(texts) > SEGMENTS:
        words = f"Please use a smaller number of text segments. Maximum number is {SEGMENTS}."
        raise AwsError("InvalidRequestException", words)
    for text in texts:
        check_text(text, SEGMENT)


def size(text: str) -> int:
    """The bytes of the text in UTF-8.

    Raises InvalidRequestException where it cannot be written in UTF-8: JSON can name half of a
    surrogate pair, which is no character.
    """
    try:
        return len(text.encode())
    except UnicodeEncodeError as error:
        words = f"The text is not valid Unicode: half of a surrogate pair at offset {error.start}."
        raise AwsError("InvalidRequestException", words) from None
