"""Files of the form of AWS's sample files, made up: for machines that no original may reach.

Columns, their order and their kinds are the originals'; the values are drawn from a fixed seed and mean
nothing. Forms: the UCI repository's page of the Abalone data set, aws/amazon-sagemaker-examples
(customer churn, BlazingText on text8), developer guide "Input and output interface for the Text
Classification - TensorFlow algorithm".
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sagebrush.samples import table


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


ABALONES, CUSTOMERS, REVIEWS, WORDS = 4177, 5000, 4000, 400_000
STATES = _words(
    "AK AL AR AZ CA CO CT DC DE FL GA HI IA ID IL IN KS KY LA MA MD ME MI MN MO MS MT NC ND NE NH NJ"
    " NM NV NY OH OK OR PA RI SC SD TN TX UT VA VT WA WI WV WY"
)
CHURN = (
    "State,Account Length,Area Code,Phone,Int'l Plan,VMail Plan,VMail Message,Day Mins,Day Calls,"
    "Day Charge,Eve Mins,Eve Calls,Eve Charge,Night Mins,Night Calls,Night Charge,Intl Mins,"
    "Intl Calls,Intl Charge,CustServ Calls,Churn?"
)
RATES = ((180.0, 0.17), (200.0, 0.085), (200.0, 0.045))
"""Minutes in the mean, and the price of one: by day, in the evening, at night."""
PRAISE = _words(
    "moving tender clever warm graceful funny honest vivid gripping lovely bright generous"
)
BLAME = _words("dull clumsy tired cold shallow noisy hollow tedious muddled lifeless stale pompous")
THINGS = _words(
    "story plot cast script film dialogue ending camera score scene hero comedy romance"
)
FRAMES = (
    "a {0} {2} with a {1} {3}", "the {2} is {0} and the {3} is {1}", "{0} , {1} and never {4}",
    "its {2} feels {0} , its {3} merely {1}", "rarely has a {2} been so {0}", "a {1} {3} , not {4}",
)  # fmt: skip
TOPICS = (
    _words("river lake boat fish water shore bridge stream island harbour"),
    _words("piano song singer melody concert violin chorus rhythm opera drum"),
    _words("bread cheese apple kitchen soup pepper oven dinner flour recipe"),
    _words("planet star orbit moon telescope comet galaxy gravity rocket light"),
    _words("market price trade bank money profit loan share debt merchant"),
    _words("horse sheep farmer field barn harvest plough cattle meadow wheat"),
)
BETWEEN = _words("the of and in to a is was by for with from on at as it that")


@dataclass(frozen=True)
class Generated:
    """A key of sample buckets whose names begin so, and what makes a file of its form."""

    bucket: str
    key: str
    make: Callable[[], str]


def abalone_csv() -> str:
    """Sex, seven measures and rings, without a header: UCI's abalone.data."""
    return "".join(
        f"{sex},{','.join(f'{value:g}' for value in sizes)},{rings}\n"
        for sex, sizes, rings in _abalones()
    )


def abalone_libsvm() -> str:
    """The same as rings, and eight features by number."""
    sexes = {"M": 1, "F": 2, "I": 3}
    return "".join(
        f"{rings} 1:{sexes[sex]} {' '.join(f'{n}:{v:g}' for n, v in enumerate(sizes, 2))}\n"
        for sex, sizes, rings in _abalones()
    )


def _abalones() -> Iterator[tuple[str, list[float], int]]:
    dice = random.Random(1)
    for _ in range(ABALONES):
        length = round(min(max(dice.gauss(0.52, 0.12), 0.075), 0.815) * 200) / 200
        size = length * dice.uniform(0.74, 0.84)
        sizes = [
            length,
            round(size * 200) / 200,
            round(size * dice.uniform(0.28, 0.42) * 200) / 200,
        ]
        whole = 5.6 * length**3 * dice.uniform(0.85, 1.15) + 0.002
        shares = (dice.uniform(0.36, 0.48), dice.uniform(0.18, 0.25), dice.uniform(0.24, 0.34))
        weights = [round(whole * share * 2000) / 2000 for share in (1.0, *shares)]
        rings = max(1, min(29, round(3 + 9 * length + 8 * shares[2] * whole + dice.gauss(0, 1.6))))
        sex = "I" if dice.random() > length * 1.6 else dice.choice("MF")
        yield sex, sizes + weights, rings


def churn() -> str:
    """Customers of a telephone company, of whom one in two leaves, with a header."""
    dice, lines = random.Random(2), [CHURN]
    for _ in range(CUSTOMERS):
        abroad, mail, calls = dice.random() < 0.4, dice.random() < 0.3, dice.choice(range(10))
        minutes = [max(0.0, dice.gauss(mean, 50)) for mean, _ in RATES]
        used = [
            f"{spent:f},{max(0, round(dice.gauss(100, 20)))},{spent * price:f}"
            for spent, (_, price) in zip(minutes, RATES, strict=True)
        ]
        away = max(0.0, dice.gauss(10.2, 2.8))
        risk = 0.012 * (minutes[0] - 180) + 0.5 * (calls - 4) + 1.5 * abroad - 1.0 * mail
        leaves = risk + dice.gauss(0, 1) > 0.2
        lines.append(
            f"{dice.choice(STATES)},{dice.randint(1, 243)},{dice.choice((408, 415, 510))},"
            f"{dice.randint(327, 422)}-{dice.randint(1000, 9999)},{_yes(abroad)},{_yes(mail)},"
            f"{dice.randint(4, 51) if mail else 0},{','.join(used)},{away:f},{dice.randint(1, 20)},"
            f"{away * 0.27:f},{calls},{leaves}."
        )
    return "\n".join(lines) + "\n"


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def reviews() -> str:
    """A label, 0 or 1, and a phrase about a film, without a header."""
    dice, lines = random.Random(3), []
    for _ in range(REVIEWS):
        label = dice.randrange(2)
        said, other = (PRAISE, BLAME) if label else (BLAME, PRAISE)
        words = [*dice.sample(said, 2), *dice.sample(THINGS, 2), dice.choice(other)]
        lines.append(f'{label},"{dice.choice(FRAMES).format(*words)}"\n')
    return "".join(lines)


def text8() -> str:
    """Words in lower case with single spaces on one line: of each few, most are of one topic."""
    dice, words = random.Random(4), []
    while len(words) < WORDS:
        topic = dice.choice(TOPICS)
        for _ in range(dice.randint(8, 20)):
            words.append(dice.choice(topic if dice.random() < 0.55 else BETWEEN))
    return " " + " ".join(words)


_ABALONE = "datasets/tabular/uci_abalone/"
GENERATED = (
    *(
        Generated(bucket, key, make)
        for bucket in ("sagemaker-sample-files", "sagemaker-example-files-prod-")
        for key, make in (
            (f"{_ABALONE}abalone.csv", abalone_csv),
            (f"{_ABALONE}abalone.libsvm", abalone_libsvm),
            ("datasets/tabular/synthetic/churn.txt", churn),
            ("datasets/text/text8/text8", text8),
        )
    ),
    Generated("sagemaker-servicecatalog-seedcode-", "dataset/abalone-dataset.csv", abalone_csv),
    Generated("jumpstart-cache-prod-", "training-datasets/SST2/data.csv", reviews),
)
"""What can be made: small files that notebooks read most often."""


def under(bucket: str, prefix: str) -> list[Generated]:
    """What can be generated in that bucket: the key `prefix`, or all keys in that folder."""
    folder = prefix.rstrip("/") + "/" if prefix.strip("/") else ""
    return [
        each
        for each in GENERATED
        if table.find(bucket) is not None
        and bucket.startswith(each.bucket)
        and (each.key == prefix or each.key.startswith(folder))
    ]
