"""The language model is trained: counts of n-grams, then weights that tell languages apart.

Data: `language_id` (Common Voice's sentences, CC0; lingua's test data, Apache-2.0 and CC BY; the
Universal Declaration of Human Rights, public domain) and, for languages that it lacks, the Declaration
in `nltk_data/corpora/udhr2.zip`; more English, German, French and Japanese of Tatoeba (CC BY 2.0 FR), of
banking77 (CC BY 4.0), clinc150 (CC BY 3.0) and GoEmotions (Apache-2.0), whose words people use. Validation:
`language_id/valid.csv.gz`.
"""

from __future__ import annotations

import gzip
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy
import scipy.sparse  # pyright: ignore[reportMissingImports]

from ..calibration import expected_error
from ..language.codes import LISTED, MOST_READ, code
from ..language.detect import Detector
from ..language.letters import kinds_of_unicode, letters
from ..language.model import FILE, LanguageModel, chances, load, runs_of
from ..language.ngrams import ngrams
from .sets import table

BITS = 21
LEAST_COUNT = 4
"""Weighted count below which an entry is left out: one sight in the domain, four elsewhere."""
FEWEST_LETTERS = 20_000
"""A language that Comprehend does not list is learned from this many characters on."""
ALPHA = 0.03
DOMAIN = 4
"""Weight of a text of the same kind as those that are validated on."""
PASSES = 2
BATCH = 4096
DROPPED = 0.5
"""Part of the n-grams that are hidden from each text while learning, so that none is relied on."""
RATE = 0.3
EASING = 0.6
"""While learning, sums are divided by the number of n-grams to this power."""
COMMON, RARE = 0.5, -0.5
"""Added to the logits of languages that are read most, and of those that Comprehend does not list."""
STEP = 0.5
"""Weights are rounded to this."""

DECLARATIONS = {
    "am": "amh", "ceb": "ceb", "gd": "gla", "ht": "hat_kreyol", "ilo": "ilo", "jv": "jav",
    "km": "khm", "kn": "kan", "lb": "ltz", "lo": "lao", "mg": "plt", "my": "mya", "ne": "nep",
    "om": "gax", "ps": "pbu", "qu": "quz", "sa": "san", "su": "sun", "tg": "tgk", "tk": "tuk_latn",
    "yi": "ydd", "zh": "cmn_hant",
}  # fmt: skip
"""Languages of Comprehend that are learned (all or mostly) from the Declaration, and its file there."""
MORE = 12_000
"""Texts at most of a set that is read beside."""
KINDS = ("sentences", "word-pairs", "single-words")


@dataclass(frozen=True)
class Row:
    """A text of a language; `weight`: how much it counts."""

    language: str
    text: str
    weight: float = 1.0


def train(data: Path, out: Path, say: Callable[[str], None] = print) -> Mapping[str, float]:
    """`language.npz` in the folder `out` is made of the data sets under `data`; figures on validation."""
    learned, told = rows(data)
    names = sorted({each.language for each in learned})
    say(f"language: {len(learned)} texts of {len(names)} languages")
    model = fitted(learned, names, BITS, say)
    valid = [(row["lang"], row["text"], row["kind"]) for row in table(_set(data) / "valid.csv.gz")]
    model = replace(model, scale=_scale(model, valid), prior=_prior(names))
    out.mkdir(parents=True, exist_ok=True)
    model.save(out / FILE)
    found = figures(load(out / FILE), valid, told)
    card(out, names, found)
    return found


def card(out: Path, names: Sequence[str], found: Mapping[str, float]) -> None:
    """`language.md` lies beside the model."""
    from . import language_card

    known = {code(each) for each in names}
    priors = f"{numpy.exp(COMMON):.1f} times", f"{numpy.exp(-RARE):.1f} times"
    language_card.write(out, found, known, set(DECLARATIONS) - {"ne", "zh"}, priors)


def rows(data: Path) -> tuple[list[Row], list[Row]]:
    """(what is learned from, what is held back of the Declaration: one line of ten)."""
    kept = table(_set(data) / "train.csv.gz")
    sizes: Counter[str] = Counter()
    for row in kept:
        sizes[row["lang"]] += len(row["text"])
    learned = [
        Row(row["lang"], row["text"], 1.0 if row["source"] == "common_voice" else DOMAIN)
        for row in kept
        if row["lang"] in LISTED or sizes[row["lang"]] >= FEWEST_LETTERS
    ]
    learned += _more(data)
    held: list[Row] = []
    with zipfile.ZipFile(data / "nltk_data" / "corpora" / "udhr2.zip") as opened:
        for language, name in DECLARATIONS.items():
            text = opened.read(f"udhr2/{name}.txt").decode("utf-8")
            for at, line in enumerate(each for each in text.splitlines() if len(each.strip()) > 3):
                (held if at % 10 == 9 else learned).append(Row(language, line.strip(), DOMAIN))
    return learned, held


def _more(data: Path) -> list[Row]:
    """Sentences of other sets, at even distances."""
    parallel = [
        each.split("\t")
        for name in ("de", "fr")
        for each in _lines(data / f"tatoeba_en_{name}" / f"train.en-{name}.tsv.gz")
    ]
    half = len(_lines(data / "tatoeba_en_de" / "train.en-de.tsv.gz"))
    sets = [
        ("en", [pair[0] for pair in parallel[:: len(parallel) // MORE]]),
        ("de", [pair[1] for pair in parallel[:half]]),
        ("fr", [pair[1] for pair in parallel[half:]]),
        (
            "ja",
            [
                each.replace(" ", "")
                for each in _lines(data / "small_parallel_enja" / "train.ja.gz")
            ],
        ),
        *(
            ("en", [row["text"] for row in table(data / name)])
            for name in ("banking77/train.csv", "clinc150/train.csv", "goemotions/train.csv.gz")
        ),
    ]
    return [
        Row(language, text)
        for language, texts in sets
        for text in texts[:: max(1, len(texts) // MORE)][:MORE]
    ]


def _lines(file: Path) -> list[str]:
    return gzip.decompress(file.read_bytes()).decode("utf-8").splitlines()


def _set(data: Path) -> Path:
    return data / "language_id"


def fitted(
    learned: Sequence[Row], names: Sequence[str], bits: int, say: Callable[[str], None]
) -> LanguageModel:
    """A model of the languages `names`, with a hash of `bits`, whose chances are not scaled yet."""
    kinds = kinds_of_unicode()
    texts = _matrix([each.text for each in learned], kinds, bits)
    truth = numpy.array([names.index(each.language) for each in learned])
    weights = numpy.array([each.weight for each in learned], numpy.float32)
    counts, unseen = _counted(texts, truth, weights, len(names))
    say(f"language: {counts.nnz} entries, {int((numpy.diff(counts.indptr) > 0).sum())} buckets")
    known = numpy.diff(counts.indptr) > 0
    texts = texts @ scipy.sparse.diags(known.astype(numpy.float32))
    texts.eliminate_zeros()
    domain = numpy.flatnonzero(weights >= DOMAIN)
    table_, unseen, bias = _learned(counts, unseen, texts.tocsr()[domain], truth[domain], say)
    step = max(STEP, float(abs(table_.data).max()) / 127)
    rounded = numpy.round(table_.data / step).astype(numpy.int8)
    points = numpy.unique(numpy.concatenate([letters(each.text, kinds).codes for each in learned]))
    traditional, simplified = _forms()
    return LanguageModel(
        languages=numpy.array(names),
        widths=numpy.diff(table_.indptr).astype(numpy.uint8),
        owners=table_.indices.astype(numpy.uint8),
        weights=rounded,
        step=numpy.float32(step),  # pyright: ignore[reportArgumentType]
        unseen=unseen.astype(numpy.float32),
        bias=bias.astype(numpy.float32),
        scale=numpy.array([1.0, EASING], numpy.float32),
        prior=numpy.zeros(len(names), numpy.float32),
        kinds=runs_of(kinds),
        blocks=numpy.unique(points >> 7).astype(numpy.int32),
        traditional=traditional,
        simplified=simplified,
    )


def _matrix(texts: Sequence[str], kinds: numpy.ndarray, bits: int) -> scipy.sparse.csr_matrix:
    """[texts, 2**bits]: how often each text has each hash."""
    parts = []
    for first in range(0, len(texts), 20_000):
        several = [letters(each, kinds).codes for each in texts[first : first + 20_000]]
        owners = numpy.repeat(numpy.arange(len(several)), [len(each) for each in several])
        place, hashed = ngrams(numpy.concatenate(several), bits)
        part = scipy.sparse.csr_matrix(
            (numpy.ones(len(place), numpy.float32), (owners[place], hashed)),
            shape=(len(several), 1 << bits),
        )
        part.sum_duplicates()
        parts.append(part)
    return scipy.sparse.vstack(parts, format="csr")


def _counted(
    texts: scipy.sparse.csr_matrix, truth: numpy.ndarray, weights: numpy.ndarray, count: int
) -> tuple[scipy.sparse.csr_matrix, numpy.ndarray]:
    """([buckets, languages] with what a sight adds to an unseen n-gram's logarithm, and the latter)."""
    chosen = scipy.sparse.csr_matrix(
        (weights, (truth, numpy.arange(len(truth)))), shape=(count, len(truth))
    )
    counts = scipy.sparse.csr_matrix(chosen @ texts)
    totals = numpy.asarray(counts.sum(1)).ravel()
    counts.data[counts.data < LEAST_COUNT] = 0
    counts.eliminate_zeros()
    counts.data = numpy.log((counts.data + ALPHA) / ALPHA).astype(numpy.float32)
    buckets = texts.shape[1]
    unseen = numpy.log(ALPHA / (totals + ALPHA * buckets))
    return counts.T.tocsr(), unseen - unseen.mean()


def _learned(
    start: scipy.sparse.csr_matrix,
    unseen: numpy.ndarray,
    texts: scipy.sparse.csr_matrix,
    truth: numpy.ndarray,
    say: Callable[[str], None],
) -> tuple[scipy.sparse.csr_matrix, numpy.ndarray, numpy.ndarray]:
    """(table, unseen, bias) after Adagrad on the softmax's log loss; only stored entries move."""
    chooser = numpy.random.default_rng(15)
    table_ = start.copy()
    owner_rows = numpy.repeat(numpy.arange(table_.shape[0]), numpy.diff(table_.indptr))
    bias = numpy.zeros(table_.shape[1])
    unseen = unseen.copy()
    squares = [numpy.full(len(table_.data), 1e-3, numpy.float32), *numpy.full((2, len(bias)), 1e-6)]
    for turn in range(PASSES):
        loss, order = 0.0, chooser.permutation(texts.shape[0])
        for first in range(0, len(order), BATCH):
            chosen = order[first : first + BATCH]
            shown = texts[chosen]
            shown.data = shown.data * (chooser.random(len(shown.data)) > DROPPED)
            shown.eliminate_zeros()
            found = numpy.asarray(shown.sum(1)).ravel()
            scale = (found > 0) / numpy.maximum(found, 1) ** EASING
            sums = (shown @ table_).toarray() + found[:, None] * unseen + bias
            errors = chances(sums, found, numpy.array([1.0, EASING]))
            right = (numpy.arange(len(chosen)), truth[chosen])
            loss -= float(numpy.log(errors[right] + 1e-9)[found > 0].sum())
            errors[right] -= 1
            errors = (errors * scale[:, None]).astype(numpy.float32)
            touched = numpy.unique(shown.indices)
            slope = shown[:, touched].T @ errors
            entries = _entries(table_.indptr, touched)
            places = numpy.searchsorted(touched, owner_rows[entries])
            _step(table_.data, squares[0], entries, slope[places, table_.indices[entries]], RATE)
            every = numpy.arange(len(bias))
            _step(unseen, squares[1], every, (errors * found[:, None]).sum(0), RATE / 15)
            _step(bias, squares[2], every, errors.sum(0), RATE)
        say(f"language: pass {turn + 1} of {PASSES}, loss {loss / len(order):.3f}")
    return table_, unseen, bias


def _entries(pointers: numpy.ndarray, touched: numpy.ndarray) -> numpy.ndarray:
    """The places of all entries of the rows `touched`."""
    widths = pointers[touched + 1] - pointers[touched]
    return numpy.arange(widths.sum()) + numpy.repeat(
        pointers[touched] - (numpy.cumsum(widths) - widths), widths
    )


def _step(
    values: numpy.ndarray,
    squares: numpy.ndarray,
    places: numpy.ndarray,
    slope: numpy.ndarray,
    rate: float,
) -> None:
    """One of Adagrad's steps (Duchi et al. 2011) at `places`."""
    squares[places] += slope * slope
    values[places] -= rate * slope / numpy.sqrt(squares[places])


def _forms() -> tuple[numpy.ndarray, numpy.ndarray]:
    """Characters of traditional, and of simplified Chinese alone: in Big5 and not in GB 2312, and the
    reverse."""
    told: list[list[int]] = [[], []]
    for point in range(0x4E00, 0xA000):
        character = chr(point)
        big5, gb2312 = (_holds(each, character) for each in ("big5", "gb2312"))
        if big5 != gb2312:
            told[0 if big5 else 1].append(point)
    return numpy.array(told[0], numpy.int32), numpy.array(told[1], numpy.int32)


def _holds(encoding: str, character: str) -> bool:
    try:
        character.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _scale(model: LanguageModel, valid: Sequence[tuple[str, str, str]]) -> numpy.ndarray:
    """(a, b) of the chances, of least log loss on the validation texts of all three kinds."""
    names = [str(each) for each in model.languages]
    truth = numpy.array([names.index(language) for language, _, _ in valid])
    sums, found = _sums(model, [text for _, text, _ in valid])
    told = found > 0
    best, least = (1.0, EASING), numpy.inf
    for power in numpy.arange(0.2, 1.01, 0.1):
        for factor in numpy.exp(numpy.arange(-2.0, 2.01, 0.1)):
            likely = chances(sums, found, numpy.array([factor, power]))
            loss = -numpy.log(likely[numpy.arange(len(truth)), truth][told] + 1e-9).mean()
            if loss < least:
                best, least = (float(factor), float(power)), loss
    return numpy.array(best, numpy.float32)


def _prior(names: Sequence[str]) -> numpy.ndarray:
    """Logarithms of how much likelier than others a language is before its text is read: what is sent to
    Comprehend is mostly of the languages that its other operations take."""
    return numpy.array(
        [
            COMMON if code(each) in MOST_READ else 0.0 if code(each) in LISTED else RARE
            for each in names
        ],
        numpy.float32,
    )


def _sums(model: LanguageModel, texts: Sequence[str]) -> tuple[numpy.ndarray, numpy.ndarray]:
    from ..language.model import Scorer

    scorer = Scorer(model)
    sums, found = [], []
    for first in range(0, len(texts), 500):
        several = [letters(text, scorer.kinds) for text in texts[first : first + 500]]
        pieces = [numpy.full(len(each.codes), at) for at, each in enumerate(several)]
        part, known = scorer.sums(several, pieces, len(several))
        sums.append(part)
        found.append(known)
    return numpy.concatenate(sums), numpy.concatenate(found)


def figures(
    model: LanguageModel, valid: Sequence[tuple[str, str, str]], declarations: Sequence[Row]
) -> Mapping[str, float]:
    """Accuracy of each kind of text by the model's classes and by Comprehend's codes, and the expected
    calibration error of the latter's scores."""
    detector = Detector(model)
    names = [str(each) for each in model.languages]
    told: dict[str, float] = {}
    scores, rights = [], []
    for kind in KINDS:
        chosen = [(language, text) for language, text, each in valid if each == kind]
        strict = [
            names[likely.argmax()] == language
            if (likely := detector.chances(text)).any()
            else False
            for language, text in chosen
        ]
        answers = detector.detect([text for _, text in chosen])
        right = [
            bool(answer) and answer[0][0] == code(language)
            for (language, _), answer in zip(chosen, answers, strict=True)
        ]
        scores += [answer[0][1] if answer else 0.0 for answer in answers]
        rights += right
        told[f"{kind}_classes"] = float(numpy.mean(strict))
        told[f"{kind}_codes"] = float(numpy.mean(right))
    told["calibration_error"] = expected_error(numpy.array(scores), numpy.array(rights, float))
    answers = detector.detect([each.text for each in declarations])
    told["declaration_lines"] = float(
        numpy.mean(
            [
                bool(answer) and answer[0][0].split("-")[0] == code(row.language)
                for row, answer in zip(declarations, answers, strict=True)
            ]
        )
    )
    return told
