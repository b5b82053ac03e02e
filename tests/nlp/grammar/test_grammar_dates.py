"""Dates in English text, as Amazon Comprehend marks them."""

from __future__ import annotations

import pytest

from sagebrush.nlp.grammar import dates
from sagebrush.nlp.grammar.lowering import lowered


def found(text: str) -> list[str]:
    return [text[span.begin : span.end] for span in dates(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # The developer guide's examples, and published answers of the service.
        ("John moved to 1313 Mockingbird Lane in 2012", ["2012"]),
        (
            "on 11/25/2017, a Tuesday in May at 8:30 a.m.",
            ["11/25/2017", "Tuesday", "May", "8:30 a.m."],
        ),
        ("a minimum payment of $24.53 that is due by July 31st.", ["July 31st"]),
        ("the 1st day of May A.D. 2013 and ending", ["1st day of May A.D. 2013"]),
        ("ending on the 30th day of April A.D. 2014 subject to", ["30th day of April A.D. 2014"]),
        ("It is raining today in Seattle", ["today"]),
        ("January 19, 2020 or 11 am, in the 1990s", ["January 19, 2020", "11 am", "the 1990s"]),
        # Forms of a date.
        ("1/1/2000", ["1/1/2000"]),
        ("due 25 Nov 2024.", ["25 Nov 2024"]),
        ("expires 09/27, valid until 12/27.", ["09/27", "12/27"]),
        ("10/12 people, 3/4 cup, 01/2 and 08/10%", []),
        ("30 seconds before they came", []),
        ("10 years after his death", ["10 years after"]),
        ("part 02/03, rated 05/10", []),
        (
            "2000-04-16 11:34:35 and 2024-01-15T10:00:00Z",
            ["2000-04-16 11:34:35", "2024-01-15T10:00:00Z"],
        ),
        ("on Monday, June 3, 2020 at 5:00 PM EST we", ["Monday, June 3, 2020 at 5:00 PM EST"]),
        ("3 pm on Friday", ["3 pm on Friday"]),
        ("feb. the twenty-sixth, 2026", ["feb. the twenty-sixth, 2026"]),
        ("Oct. 25-26, 2016 and 5 – 6 September", ["Oct. 25-26, 2016", "5 – 6 September"]),
        ("Dec. 7th, half past nine", ["Dec. 7th, half past nine"]),
        ("the summer of 2017, early November 2005", ["the summer of 2017", "early November 2005"]),
        ("since 575 B.C. and the 19th century", ["575 B.C.", "the 19th century"]),
        # Told from now.
        ("next Tuesday, a week ago, last year", ["next Tuesday", "a week ago", "last year"]),
        ("the end of last year", ["the end of last year"]),
        ("Later in the day, four days later", ["Later in the day", "four days later"]),
        ("the past 20-plus months", ["the past 20-plus months"]),
        # Ranges.
        ("from Monday to Friday, 1980-88", ["Monday to Friday", "1980-88"]),
    ],
)
def test_dates(text: str, expected: list[str]) -> None:
    assert found(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "I may go, they march on, an august crowd; she sat in the sun.",
        "two weeks of rest",
        "2000 people paid $2000 for room 1999",
        "call 555-1212 or 079 2718 1155",
        "version 1.2.3 at 10.15.30.5",
        "Rua do Arenque 1634",
        "1819 St. John St",
        "1600 hours of work",
        "3... 2... 1... liftoff!",
        "",
        " \n\t",
        "\x00",
    ],
)
def test_no_dates(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "İİİ on July 4th İ",  # a lower case that is longer
        "👩‍👩‍👧‍👦🏽 July 4th 👍🏿",
        "\u202bשלום July 4th مرحبا",
        "é́ July 4th\r\n",
        "\u200bJuly 4th\u200b",
    ],
)
def test_offsets_are_code_points(text: str) -> None:
    (span,) = dates(text)
    assert text[span.begin : span.end] == "July 4th"
    assert (span.label, len(lowered(text))) == ("DATE", len(text))


def test_non_breaking_spaces_and_typographic_apostrophes() -> None:
    assert found("on July\u00a04,\u00a02020 at five o’clock") == [
        "July\u00a04,\u00a02020 at five o’clock"
    ]


def test_what_precedes_a_date_is_not_the_date_before() -> None:
    text = "yesterday evening of May 5, 2020"
    assert [text[each.begin : each.end] for each in dates(text)] == [
        "yesterday evening",
        "May 5, 2020",
    ]
