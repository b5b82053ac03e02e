"""What Comprehend reads, by its real models through boto3."""

from __future__ import annotations

import json
import logging
import unicodedata
from typing import Any

import pytest
from botocore.config import Config

from sagebrush.aws import models
from tests.conftest import Server
from tests.services.comprehend.speaking import in_cbor, in_json

pytestmark = pytest.mark.costs("starts the models, whose first answer takes seconds")
TEXT = (
    "Maria Garcia moved from Berlin to Seattle on March 3, 2021 and loves her new job at Amazon. "
    "Write to maria.garcia@example.com or call (206) 555-0123."
)
HOSTILE = {
    "emoji": "Anna 👩🏽‍💻 works in Paris 🇫🇷 since 2019. 👍🏿👍🏿 She loves it!",
    "combining": "Jose\u0301 Nu\u0303n\u0303ez lives in Zu\u0308rich, and he is happy.",
    "right to left": "My friend محمد lives in תל אביב and works for Google.",
    "zero width": "Bar\u200back O\u200dbama vis\ufeffited Ber\u200blin on Mon\u00adday.",
    "line ends": "Dear John,\r\n\r\nplease call London.\r\nYours,\r\nAlice\r\n",
    "NUL": "Peter\0 met Mary in Rome.\0\0",
    "only spaces": "   \t \u3000 ",
    "only signs": "$$$$$$ ---- ....",
    "one letter": "a",
    "full width": "Ｍｉｃｈａｅｌ from Ｔｏｋｙｏ",
    "5,000 bytes": ("Alice met Bob in Paris. " * 209)[:5_000],
    "a long word": "x" * 5_000,
    "outside the plane": "𝒥𝑜𝒽𝓃 visited 𝐏𝐚𝐫𝐢𝐬 with 𠮷田.",
}
LONG = {
    "a word of 100 KB": "y" * 100_000,
    "100 KB of sentences": ("Alice Johnson met Bob in Paris on 3 May 2020. " * 2_200)[:100_000],
    "100 KB of emoji": "👍" * 25_000,
}
SPANS = {
    "detect_entities": "Entities",
    "detect_key_phrases": "KeyPhrases",
    "detect_pii_entities": "Entities",
    "detect_syntax": "SyntaxTokens",
}
"""Operations whose answers are spans -> the member that holds them."""


@pytest.fixture(scope="module")
def texts(reader: Server) -> Any:
    """A client that repeats while the models are being started, as every SDK does."""
    made = reader.client("comprehend", config=Config(retries={"total_max_attempts": 6}))
    made.detect_dominant_language(Text="This is a sentence in English.")
    return made


def conforms(shape: Any, value: Any, path: str = "") -> None:
    """Asserts that the value is of the shape: members, kinds, enumerations, nothing missing."""
    if shape.type_name == "structure":
        assert isinstance(value, dict), path
        assert set(value) <= set(shape.members), path
        for name, item in value.items():
            conforms(shape.members[name], item, f"{path}.{name}")
    elif shape.type_name == "list":
        for index, item in enumerate(value):
            conforms(shape.member, item, f"{path}[{index}]")
    elif shape.type_name == "string":
        assert isinstance(value, str), path
        assert not shape.enum or value in shape.enum, (path, value)
    elif shape.type_name == "float":
        assert isinstance(value, int | float), path
    elif shape.type_name == "integer":
        assert isinstance(value, int), path


def asked(texts: Any, operation: str, **given: Any) -> dict[str, Any]:
    """The answer, which has the operation's shape."""
    answer: dict[str, Any] = getattr(texts, operation)(**given)
    answer.pop("ResponseMetadata")
    name = texts.meta.method_to_api_mapping[operation]
    conforms(models.model("comprehend").operation_model(name).output_shape, answer, name)
    return answer


def check_spans(text: str, spans: list[dict[str, Any]]) -> None:
    """Asserts that each span is where it says, in code points, in order, and has a probability."""
    begins = [each["BeginOffset"] for each in spans]
    assert begins == sorted(begins)
    for each in spans:
        begin, end = each["BeginOffset"], each["EndOffset"]
        assert 0 <= begin < end <= len(text)
        assert each.get("Text", text[begin:end]) == text[begin:end]
        score = each["PartOfSpeech"]["Score"] if "PartOfSpeech" in each else each["Score"]
        assert 0 <= score <= 1


# Each operation -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "sentiment"),
    [
        ("I love this phone, it is absolutely wonderful!", "POSITIVE"),
        ("This was a terrible waste of money, I hate it.", "NEGATIVE"),
    ],
)
def test_sentiment(texts: Any, text: str, sentiment: str):
    found = asked(texts, "detect_sentiment", Text=text, LanguageCode="en")
    scores = found["SentimentScore"]
    assert found["Sentiment"] == sentiment == max(scores, key=scores.get).upper()
    assert set(scores) == {"Positive", "Negative", "Neutral", "Mixed"}
    assert sum(scores.values()) == pytest.approx(1, abs=1e-3)


def test_entities(texts: Any):
    found = asked(texts, "detect_entities", Text=TEXT, LanguageCode="en")["Entities"]
    check_spans(TEXT, found)
    kinds = {(each["Text"], each["Type"]) for each in found}
    assert {("Berlin", "LOCATION"), ("Seattle", "LOCATION"), ("March 3, 2021", "DATE")} <= kinds
    assert any(kind == "PERSON" and "Garcia" in text for text, kind in kinds)


def test_key_phrases(texts: Any):
    found = asked(texts, "detect_key_phrases", Text=TEXT, LanguageCode="en")["KeyPhrases"]
    check_spans(TEXT, found)
    assert "her new job" in {each["Text"] for each in found}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("The weather is beautiful today and we are going to the beach.", "en"),
        ("El tiempo está precioso hoy y vamos a ir a la playa.", "es"),
        ("Das Wetter ist heute herrlich, und wir gehen an den Strand.", "de"),
        ("Il fait très beau aujourd'hui et nous allons à la plage.", "fr"),
        ("今日は天気がとても良いので、海に行きます。", "ja"),
        ("الطقس جميل اليوم وسنذهب إلى الشاطئ.", "ar"),
        ("Сегодня прекрасная погода, и мы идём на пляж.", "ru"),
    ],
)
def test_dominant_language(texts: Any, text: str, code: str):
    found = asked(texts, "detect_dominant_language", Text=text)["Languages"]
    assert found[0]["LanguageCode"] == code
    scores = [each["Score"] for each in found]
    assert scores == sorted(scores, reverse=True)
    assert 0 < sum(scores) <= 1.001


def test_syntax(texts: Any):
    text = "It is raining today in Seattle."
    found = asked(texts, "detect_syntax", Text=text, LanguageCode="en")["SyntaxTokens"]
    check_spans(text, found)
    assert [each["Text"] for each in found] == [
        "It", "is", "raining", "today", "in", "Seattle", ".",
    ]  # fmt: skip
    assert [each["TokenId"] for each in found] == [1, 2, 3, 4, 5, 6, 7]
    tags = [each["PartOfSpeech"]["Tag"] for each in found]
    assert (tags[0], tags[2], tags[5], tags[6]) == ("PRON", "VERB", "PROPN", "PUNCT")


def test_personal_data(texts: Any):
    found = asked(texts, "detect_pii_entities", Text=TEXT, LanguageCode="en")["Entities"]
    check_spans(TEXT, found)
    by_type = {each["Type"]: TEXT[each["BeginOffset"] : each["EndOffset"]] for each in found}
    assert by_type["EMAIL"] == "maria.garcia@example.com"
    assert by_type["PHONE"] == "(206) 555-0123"
    labels = asked(texts, "contains_pii_entities", Text=TEXT, LanguageCode="en")["Labels"]
    assert {each["Name"] for each in labels} == set(by_type)


def test_personal_data_in_spanish(texts: Any):
    text = "Mi correo es ana.lopez@example.com y mi IBAN es ES91 2100 0418 4502 0005 1332."
    found = asked(texts, "detect_pii_entities", Text=text, LanguageCode="es")["Entities"]
    check_spans(text, found)
    assert {"EMAIL", "INTERNATIONAL_BANK_ACCOUNT_NUMBER"} <= {each["Type"] for each in found}


def test_targeted_sentiment(texts: Any):
    text = "The pizza was delicious but the waiter was rude."
    found = asked(texts, "detect_targeted_sentiment", Text=text, LanguageCode="en")["Entities"]
    assert found
    for entity in found:
        mentions = entity["Mentions"]
        check_spans(text, mentions)
        assert set(entity["DescriptiveMentionIndex"]) <= set(range(len(mentions)))
        for mention in mentions:
            scores = mention["MentionSentiment"]["SentimentScore"]
            assert sum(scores.values()) == pytest.approx(1, abs=1e-3)


def test_toxicity(texts: Any):
    segments = [
        {"Text": "Thank you for your kind help."},
        {"Text": "You are a stupid idiot, I hate you!"},
    ]
    found = asked(texts, "detect_toxic_content", TextSegments=segments, LanguageCode="en")
    kind, rude = found["ResultList"]
    assert kind["Toxicity"] < 0.5 < rude["Toxicity"]
    assert len(kind["Labels"]) == len(rude["Labels"]) == 7
    assert all(0 <= each["Score"] <= 1 for each in [*kind["Labels"], *rude["Labels"]])


# Batches ------------------------------------------------------------------------------------------

BATCHES = [
    ("batch_detect_sentiment", "detect_sentiment"),
    ("batch_detect_entities", "detect_entities"),
    ("batch_detect_key_phrases", "detect_key_phrases"),
    ("batch_detect_syntax", "detect_syntax"),
    ("batch_detect_targeted_sentiment", "detect_targeted_sentiment"),
]


@pytest.mark.parametrize(("batch", "one"), BATCHES)
def test_a_batch_answers_what_each_document_alone_is_answered(texts: Any, batch: str, one: str):
    documents = [TEXT, HOSTILE["emoji"], "Good.", HOSTILE["only spaces"]]
    found = asked(texts, batch, TextList=documents, LanguageCode="en")
    assert found["ErrorList"] == []
    assert [each.pop("Index") for each in found["ResultList"]] == [0, 1, 2, 3]
    for document, result in zip(documents, found["ResultList"], strict=True):
        assert close(result, asked(texts, one, Text=document, LanguageCode="en"))


def close(one: Any, other: Any) -> bool:
    """Whether two documents are the same but for rounding: batches of other shapes sum in another order."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(close(one[k], other[k]) for k in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(close, one, other))
    return one == (pytest.approx(other, abs=0.02) if isinstance(other, float) else other)


def test_a_batch_of_languages(texts: Any):
    documents = [
        "Good morning to all of you.",
        "Guten Morgen, liebe Freunde.",
        "Buenos días a todos.",
    ]
    found = asked(texts, "batch_detect_dominant_language", TextList=documents)
    first = [each["Languages"][0]["LanguageCode"] for each in found["ResultList"]]
    assert first == ["en", "de", "es"]


# Texts that break tokenisers ----------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(HOSTILE))
@pytest.mark.parametrize("operation", sorted(SPANS))
def test_offsets_hold_in_every_text(texts: Any, operation: str, name: str):
    text = HOSTILE[name]
    found = asked(texts, operation, Text=text, LanguageCode="en")[SPANS[operation]]
    check_spans(text, found)
    if name == "only spaces":
        assert found == []


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_every_text_has_a_sentiment_and_a_language(texts: Any, name: str):
    text = HOSTILE[name]
    asked(texts, "detect_sentiment", Text=text, LanguageCode="en")
    for entity in asked(texts, "detect_targeted_sentiment", Text=text, LanguageCode="en")[
        "Entities"
    ]:
        check_spans(text, entity["Mentions"])
    asked(texts, "detect_dominant_language", Text=text)
    short = text.encode()[:1_000].decode(errors="ignore")
    asked(texts, "detect_toxic_content", TextSegments=[{"Text": short}], LanguageCode="en")


@pytest.mark.parametrize("name", sorted(LONG))
@pytest.mark.parametrize(
    "operation", ["detect_entities", "detect_key_phrases", "detect_pii_entities"]
)
def test_documents_of_100_kilobytes_are_read(texts: Any, operation: str, name: str):
    text = LONG[name]
    found = asked(texts, operation, Text=text, LanguageCode="en")[SPANS[operation]]
    check_spans(text, found)
    if operation == "detect_entities" and name == "100 KB of sentences":
        assert found[-1]["EndOffset"] > 99_000  # to its end


def test_the_same_text_composed_and_decomposed_is_counted_as_it_was_sent(texts: Any):
    for form in ("NFC", "NFD"):
        text = unicodedata.normalize(form, "José Núñez lives in Zürich.")
        found = asked(texts, "detect_entities", Text=text, LanguageCode="en")["Entities"]
        check_spans(text, found)


def test_both_protocols_answer_alike(reader: Server, texts: Any):
    params = {"Text": HOSTILE["emoji"], "LanguageCode": "en"}
    expected = asked(texts, "detect_syntax", **params)
    status, said = in_json(reader, "DetectSyntax", json.dumps(params).encode())
    assert status == 200
    assert close(said, expected)
    parsed = in_cbor(reader, "DetectSyntax", params)
    parsed.pop("ResponseMetadata")
    assert close(parsed, expected)


# Other callers ------------------------------------------------------------------------------------


def test_texts_are_in_no_log(reader: Server, texts: Any, caplog: pytest.LogCaptureFixture):
    marker = "Zyxwvutsr"
    with caplog.at_level(logging.DEBUG, "sagebrush"):
        asked(texts, "detect_entities", Text=f"{marker} lives in Paris.", LanguageCode="en")
        asked(texts, "detect_syntax", Text=f"{marker} sleeps.", LanguageCode="en")
    assert marker not in caplog.text
    kept = [path for path in reader.app.settings.home.rglob("*") if path.is_file()]
    assert kept
    assert not [path for path in kept if marker.encode() in path.read_bytes()]


def test_the_models_are_in_no_account_of_a_user(reader: Server, texts: Any):
    sagemaker = reader.client("sagemaker")
    assert sagemaker.list_endpoints()["Endpoints"] == []
    assert sagemaker.list_models()["Models"] == []
    logs = json.dumps(reader.client("logs").describe_log_groups()["logGroups"])
    assert "comprehend" not in logs
