"""word2vec with negative sampling, by windows of words: skip-gram and continuous bag of words.

Mikolov et al., "Efficient Estimation of Word Representations in Vector Space" (arXiv:1301.3781) and
"Distributed Representations of Words and Phrases" (arXiv:1310.4546), with sub-words as Bojanowski et
al., "Enriching Word Vectors with Subword Information" (arXiv:1607.04606). What makes it fast:
- Negative samples are shared by the pairs of a window (BlazingText: Gupta and Khare, MLHPC 2017,
  doi 10.1145/3146347.3146354; pWord2Vec: arXiv:1611.06172). The word in the middle predicts those
  around it, so that one vector is multiplied with all of a window's rows, and a sample stands for as
  many pairs as share it: its gradient has their number as weight, and the expectation is the same.
- Words are numbered by frequency, so that frequent rows lie side by side and stay in the cache;
  samples are read in sequence from a shuffled table, and rows that come next are prefetched.
- Threads update the same matrices without locks (Hogwild: Niu et al., arXiv:1106.5730).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from . import compiled, rows

Ints = npt.NDArray[np.int64]
Text = tuple[npt.NDArray[np.int32], Ints, npt.NDArray[np.uint32], npt.NDArray[np.int32]]
"""The words' numbers, where sentences end, how likely words are kept (of 2**32), negative samples."""
Pieces = tuple[npt.NDArray[np.int32], Ints]
"""The rows of all words' own and n-grams, and where each word's begin."""
Room = npt.NDArray[np.int32]
Matrices = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]

WIDTH, WINDOW, NEGATIVE, BATCH, START, STOP, SENTENCE, SPARE, THREAD, ALL, SHARE = range(11)
"""What the places of `settings` mean: a row's floats, hyperparameters, which tokens are this call's and
in which sentence they begin, a row of the output matrix that nobody reads, the thread, and how many
words there are in all epochs."""
PIECE = 1000
"""Words of a sentence that are sampled at once, as word2vec.c's MAX_SENTENCE_LENGTH."""
APART = 8
"""Places of `progress` from one thread's count to the next: they are on cache lines of their own."""
LEAST = 1e-4
"""The share of the learning rate below which it does not fall, as in word2vec.c."""

SIGNATURE = (
    "void(Tuple((int32[::1], int64[::1], uint32[::1], int32[::1])), Tuple((int32[::1], int64[::1])),"
    " Tuple((float32[::1], float32[::1])), int64[::1], uint64[::1], int64[::1], float64)"
)


@compiled.part
def drawn(random: npt.NDArray[np.uint64]) -> int:
    """A random number below 2**32 (xorshift64*)."""
    state = random[0]
    state ^= state >> np.uint64(12)
    state ^= state << np.uint64(25)
    state ^= state >> np.uint64(27)
    random[0] = state
    return (state * np.uint64(2685821657736338717)) >> np.uint64(32)


@compiled.part
def sampled(
    text: Text, at: int, end: int, kept: npt.NDArray[np.int32], random: npt.NDArray[np.uint64]
) -> int:
    """How many of the words from `at` to `end` are in `kept`: frequent ones are left out at random."""
    tokens, keep, count = text[0], text[2], 0
    for n in range(at, end):
        word = tokens[n]
        if keep[word] == np.uint32(0xFFFFFFFF) or drawn(random) <= keep[word]:
            kept[count] = word
            count += 1
    return count


@compiled.part
def rate_now(rate: float, progress: Ints, whole: int) -> float:
    """The learning rate, which falls in proportion to the words that all threads have seen."""
    seen = 0
    for n in range(0, progress.shape[0], APART):
        seen += progress[n]
    return rate * max(LEAST, 1.0 - seen / whole)


@compiled.part
def filled(
    text: Text, at: int, stop: int, sentence: int, room: Room, random: npt.NDArray[np.uint64]
) -> tuple[int, int, int]:
    """How many words are in `room`, where in the text they end, and in which sentence.

    The room's three rows: the words, and where in it the sentence of each begins and ends.
    """
    ends, count = text[1], 0
    while at < stop and count + PIECE <= room.shape[1]:
        end = min(ends[sentence], stop, at + PIECE)
        more = sampled(text, at, end, room[0, count:], random)
        for n in range(count, count + more):
            room[1, n] = count
            room[2, n] = count + more
        count += more
        at = end
        if at == ends[sentence]:
            sentence += 1
    return count, at, sentence


@compiled.part
def draw(
    negatives: npt.NDArray[np.int32],
    sample: int,
    matrix: rows.Floats,
    width: int,
    words: npt.NDArray[np.int32],
    places: Ints,
) -> int:
    """The next place in the table; `words` and `places` are the next negative samples and their rows,
    which those of the one after are prefetched for."""
    for n in range(words.shape[0]):
        words[n] = negatives[sample]
        places[n] = np.int64(words[n]) * width
        sample += 1
        if sample == negatives.shape[0]:
            sample = 0
    return sample


@compiled.part
def shares(
    room: Room,
    first: int,
    reaches: Ints,
    words: npt.NDArray[np.int32],
    share: float,
    weights: rows.Floats,
) -> None:
    """What each negative sample weighs for each middle word, from number `first` on, in tiles of
    `score_tile`: its share for each pair of the window, but for pairs with that very word."""
    tiles = words.shape[0] // 4
    lowest, highest = room.shape[1], 0
    for n in range(reaches.shape[0]):
        pairs, middle = 0, first + n
        if reaches[n]:
            low, high = (
                max(room[1, middle], middle - reaches[n]),
                min(room[2, middle], middle + reaches[n] + 1),
            )
            pairs, lowest, highest = high - low - 1, min(lowest, low), max(highest, high)
        base = (n >> 2) * tiles * 16 + (n & 3) * 4
        for tile in range(tiles):
            for other in range(4):
                weights[base + tile * 16 + other] = pairs * share
    for number in range(words.shape[0]):
        found = False
        for place in range(lowest, highest):
            found |= room[0, place] == words[number]
        if found:
            for n in range(reaches.shape[0]):
                middle = first + n
                if reaches[n]:
                    low, high = (
                        max(room[1, middle], middle - reaches[n]),
                        min(room[2, middle], middle + reaches[n] + 1),
                    )
                    base = (n >> 2) * tiles * 16 + (n & 3) * 4 + (number >> 2) * 16 + (number & 3)
                    for place in range(low, high):
                        if place != middle and room[0, place] == words[number]:
                            weights[base] -= share


@compiled.part
def predicted(
    room: Room,
    middle: int,
    reach: int,
    matrices: tuple[rows.Floats, rows.Floats],
    vectors: tuple[rows.Floats, rows.Floats],
    places: Ints,
    others: tuple[rows.Floats, rows.Floats, rows.Floats],
    rate: float,
    spare: int,
) -> None:
    """The rows of the words around `middle` have moved towards its vector, vectors[0]; vectors[1] is
    that one's error."""
    hidden, error = vectors
    scores, labels, weights = others
    width, used = hidden.shape[0], 0
    for other in range(
        max(room[1, middle], middle - reach), min(room[2, middle], middle + reach + 1)
    ):
        if other != middle:
            places[used] = np.int64(room[0, other]) * width
            weights[used] = 1.0
            used += 1
    fours = (used + 3) & ~3
    for n in range(used, fours):
        places[n] = spare
        weights[n] = 0.0
    rows.score(hidden, matrices[1], places, fours, scores)
    rows.weigh(scores, labels, weights, rate, fours)
    rows.update(hidden, matrices[1], places, fours, scores, error)


@compiled.cached(SIGNATURE)
def skipgram(
    text: Text,
    pieces: Pieces,
    matrices: Matrices,
    settings: Ints,
    random: npt.NDArray[np.uint64],
    progress: Ints,
    rate: float,
) -> None:
    """The matrices have learnt from the words START to STOP: each predicts those around it.

    BATCH of them, a multiple of four, share their negative samples. random[0] is the generator's
    state, random[1] the next place in the table of negative samples.
    """
    own, starts = pieces
    inputs, outputs = matrices
    width, window, batch = settings[WIDTH], settings[WINDOW], settings[BATCH]
    many = settings[NEGATIVE]
    room = np.empty((3, 4 * PIECE), np.int32)
    hidden, errors = np.zeros(batch * width, np.float32), np.zeros(batch * width, np.float32)
    around = np.zeros(2 * window + 4, np.int64)
    few = (
        np.zeros(2 * window + 4, np.float32),
        np.ones(2 * window + 4, np.float32),
        np.zeros(2 * window + 4, np.float32),
    )
    words, places, reaches = (
        np.zeros(many, np.int32),
        np.zeros(many, np.int64),
        np.zeros(batch, np.int64),
    )
    scores, labels = np.zeros(4 * many, np.float32), np.zeros(4 * many, np.float32)
    weights = np.zeros(batch * many, np.float32)
    at, sentence, sample = settings[START], settings[SENTENCE], np.int64(random[1])
    while at < settings[STOP]:
        now, before = rate_now(rate, progress, settings[ALL]), at
        count, at, sentence = filled(text, at, settings[STOP], sentence, room, random)
        for first in range(0, count, batch):
            sample = draw(text[3], sample, outputs, width, words, places)
            for n in range(batch):
                reaches[n] = 0
                vector = hidden[n * width : (n + 1) * width]
                if first + n >= count:
                    rows.clear(vector)
                    continue
                reaches[n] = 1 + np.int64(
                    (np.uint64(drawn(random)) * np.uint64(window)) >> np.uint64(32)
                )
                word = room[0, first + n]
                gather(vector, inputs, own, starts[word], starts[word + 1], width)
            shares(room, first, reaches, words, settings[SHARE] / many, weights)
            for n in range(batch):
                if reaches[n]:
                    part = slice(n * width, (n + 1) * width)
                    predicted(
                        room,
                        first + n,
                        reaches[n],
                        matrices,
                        (hidden[part], errors[part]),
                        around,
                        few,
                        now,
                        settings[SPARE] * width,
                    )
            for n in range(0, batch, 4):
                for other in range(0, many, 4):
                    rows.score_tile(hidden, n, width, outputs, places, other, scores[4 * other :])
                rows.weigh(scores, labels, weights[n * many :], now, 4 * many)
                rows.update_tile(hidden, n, width, outputs, places, scores, errors)
            for n in range(min(batch, count - first)):
                word = room[0, first + n]
                for piece in range(starts[word], starts[word + 1]):
                    rows.add(
                        errors[n * width : (n + 1) * width], inputs, np.int64(own[piece]) * width
                    )
        progress[settings[THREAD] * APART] += at - before
    random[1] = np.uint64(sample)


@compiled.part
def gather(
    hidden: rows.Floats,
    inputs: rows.Floats,
    own: npt.NDArray[np.int32],
    first: int,
    last: int,
    width: int,
) -> None:
    """`hidden` is the mean of those rows."""
    rows.clear(hidden)
    for n in range(first, last):
        rows.collect(hidden, inputs, np.int64(own[n]) * width)
    if last - first > 1:
        rows.scale(hidden, 1.0 / (last - first))


@compiled.cached(SIGNATURE)
def cbow(
    text: Text,
    pieces: Pieces,
    matrices: Matrices,
    settings: Ints,
    random: npt.NDArray[np.uint64],
    progress: Ints,
    rate: float,
) -> None:
    """The matrices have learnt from the words START to STOP: the mean of those around each predicts it.

    Each row of that mean has the whole gradient added, as in word2vec.c and fastText.
    """
    own, starts = pieces
    inputs, outputs = matrices
    ends, negatives = text[1], text[3]
    width, window, spare = settings[WIDTH], settings[WINDOW], settings[SPARE] * settings[WIDTH]
    kept = np.empty(PIECE, np.int32)
    hidden, error = np.zeros(width, np.float32), np.zeros(width, np.float32)
    used = 1 + settings[NEGATIVE]
    fours = (used + 3) & ~3
    places = np.full(fours, spare, np.int64)
    scores, labels = np.zeros(fours, np.float32), np.zeros(fours, np.float32)
    weights = np.zeros(fours, np.float32)
    labels[0] = 1.0
    weights[0] = 1.0
    at, sentence, sample = settings[START], settings[SENTENCE], np.int64(random[1])
    while at < settings[STOP]:
        end = min(ends[sentence], settings[STOP], at + PIECE)
        now = rate_now(rate, progress, settings[ALL])
        count = sampled(text, at, end, kept, random)
        for middle in range(count):
            reach = 1 + np.int64((np.uint64(drawn(random)) * np.uint64(window)) >> np.uint64(32))
            first, last = max(0, middle - reach), min(count, middle + reach + 1)
            if last - first < 2:
                continue
            if middle + window + 1 < count:
                coming = kept[middle + window + 1]
                for n in range(starts[coming], starts[coming + 1]):
                    rows.expect(inputs, np.int64(own[n]) * width, width)
            if middle + 1 < count:
                rows.expect(outputs, np.int64(kept[middle + 1]) * width, width)
            rows.clear(hidden)
            mean = 0
            for other in range(first, last):
                if other != middle:
                    for n in range(starts[kept[other]], starts[kept[other] + 1]):
                        rows.collect(hidden, inputs, np.int64(own[n]) * width)
                        mean += 1
            rows.scale(hidden, 1.0 / mean)
            places[0] = np.int64(kept[middle]) * width
            for n in range(1, used):
                chosen = negatives[sample]
                sample += 1
                if sample == negatives.shape[0]:
                    sample = 0
                places[n] = np.int64(chosen) * width
                weights[n] = chosen != kept[middle]
                rows.expect(
                    outputs,
                    np.int64(negatives[(sample + used) % negatives.shape[0]]) * width,
                    width,
                )
            rows.score(hidden, outputs, places, fours, scores)
            rows.weigh(scores, labels, weights, now, fours)
            rows.update(hidden, outputs, places, fours, scores, error)
            for other in range(first, last):
                if other != middle:
                    for n in range(starts[kept[other]], starts[kept[other] + 1]):
                        rows.add(error, inputs, np.int64(own[n]) * width)
        progress[settings[THREAD] * APART] += end - at
        at = end
        if at == ends[sentence]:
            sentence += 1
    random[1] = np.uint64(sample)
