"""Raw texts to learn from: messages of customers of a shop, made up by rules, as messy as real ones are."""

from __future__ import annotations

import csv
import io
import random

SEED = 2026
MIXED, EMPTY, TWICE = 0.08, 0.02, 0.05
"""Shares of messages that also speak of something else, that say nothing, that came twice."""
GREETINGS = ("Hello", "Hi there", "Dear team", "Good morning", "To whom it may concern", "hey")
THINGS = ("the lamp", "my desk", "two chairs", "the bookshelf", "a rug", "the kettle", "my order")
CLOSINGS = (
    "Thank you in advance.",
    "Please let me know soon!",
    "Kind regards, a patient customer",
    "I look forward to your answer.",
    "Can you help?",
)
SAID = {
    "delivery": (
        "{thing} has not arrived yet, although the parcel was sent a week ago",
        "the courier left {thing} in the rain in front of the wrong house",
        "the tracking number for {thing} does not work",
        "when will {thing} be shipped, and with which carrier?",
        "nobody rang; the parcel with {thing} went back to the depot",
        "I moved: please send {thing} to my new address",
    ),
    "payment": (
        "my card was charged twice for {thing}",
        "the invoice for {thing} shows the wrong amount",
        "the voucher was not taken off the price of {thing}",
        "I paid {thing} by bank transfer, but you say the bill is open",
        "please send me the receipt for {thing} with the tax on it",
        "the refund for {thing} is not in my account",
    ),
    "damage": (
        "{thing} came with a broken leg and a deep scratch",
        "the switch of {thing} stopped working after one day",
        "there is a crack in {thing} and a screw is missing",
        "the colour of {thing} comes off, it smells of burnt plastic",
        "{thing} wobbles and the glass is in pieces",
        "a seam of {thing} tore open on the first evening",
    ),
    "praise": (
        "{thing} looks even better than in the pictures, I love it",
        "what a lovely shop: {thing} was packed with such care",
        "your colleague on the phone was kind and solved it all at once",
        "best {thing} I ever had, all my friends want one",
        "I just wanted to say how happy we are with {thing}",
        "wonderful quality, {thing} is worth every penny",
    ),
}


def raw(count: int = 900) -> str:
    """A CSV file with so many messages: when they came, what they say in HTML, what they are about."""
    source, rows = random.Random(SEED), []
    for number in range(count):
        label = source.choice(list(SAID))
        text = "" if source.random() < EMPTY else message(source, label)
        shown = source.choice((label, label.upper(), f" {label} "))
        rows.append((f"2026-{number % 12 + 1:02}-{number % 28 + 1:02}", text, shown))
        if source.random() < TWICE:
            rows.append(rows[-1])
    body = io.StringIO()
    csv.writer(body).writerows([("received", "text", "label"), *rows])
    return body.getvalue()


def message(source: random.Random, label: str) -> str:
    """One message, with the markup, the spaces and the capitals of an e-mail."""
    sentences = [source.choice(SAID[label])]
    if source.random() < MIXED:
        other = source.choice([name for name in SAID if name != label])
        sentences.insert(source.randrange(2), source.choice(SAID[other]))
    body = ". ".join(sentence.format(thing=source.choice(THINGS)) for sentence in sentences)
    if source.random() < 0.1:
        body = body.upper()
    parts = (source.choice(GREETINGS), source.choice(("", "&nbsp;")), body, source.choice(CLOSINGS))
    return f"<p>{parts[0]},{parts[1]} <br/>{parts[2]}!  <i>{parts[3]}</i></p>"
