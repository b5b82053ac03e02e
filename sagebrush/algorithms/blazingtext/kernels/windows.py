"""word2vec with negative sampling, by windows of words: skip-gram and continuous bag of words.

Mikolov et al., "Efficient Estimation of Word Representations in Vector Space" (arXiv:1301.3781) and
"Distributed Representations of Words and Phrases" (arXiv:1310.4546), with sub-words as Bojanowski et
al., "Enriching Word Vectors with Subword Information" (arXiv:1607.04606). What makes it fast:
- Negative samples are shared (BlazingText: Gupta and Khare, MLHPC 2017, doi 10.1145/3146347.3146354;
  pWord2Vec: arXiv:1611.06172), here by the pairs of several windows. The word in the middle predicts
  those around it, so a window has one vector, and several windows' vectors and the samples are a small
  dense product. A sample counts for a window as many pairs as the window has, divided by how many
  windows share it: the expected gradient is word2vec's. What a word sees at a time are as many
  different samples as in word2vec; with fewer, analogies suffer (11 % instead of 23 % were right with
  one window's five).
- Words are numbered by frequency, so that frequent rows lie side by side and stay in the cache;
  samples are read in sequence from a shuffled table, and rows that come next are prefetched.
- Threads update the same matrices without locks (Hogwild: Niu et al., arXiv:1106.5730).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from . import compiled, rows

Ints = npt.NDArray[np.int64]
Ints2 = npt.NDArray[np.int64]
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

    The room's rows: the words, without frequent ones that are left out at random, and where in it the
    sentence of each begins and ends.
    """
    tokens, ends, keep, _ = text
    count = 0
    while at < stop and count + PIECE <= room.shape[1]:
        end, first = min(ends[sentence], stop, at + PIECE), count
        for n in range(at, end):
            word = tokens[n]
            if keep[word] == np.uint32(0xFFFFFFFF) or drawn(random) <= keep[word]:
                room[0, count] = word
                count += 1
        for n in range(first, count):
            room[1, n], room[2, n] = first, count
        at = end
        if at == ends[sentence]:
            sentence += 1
    return count, at, sentence


@compiled.part
def draw(
    negatives: npt.NDArray[np.int32], sample: int, first: int, width: int, words: Room, places: Ints
) -> int:
    """The next place in the table; from `first` on, `words` are negative samples, and `places` their
    rows."""
    for n in range(first, places.shape[0]):
        words[0, n] = negatives[sample]
        places[n] = np.int64(words[0, n]) * width
        sample += 1
        if sample == negatives.shape[0]:
            sample = 0
    return sample


@compiled.part
def reached(
    room: Room, count: int, first: int, window: int, random: npt.NDArray[np.uint64], spans: Ints2
) -> None:
    """`spans` are where the windows of the words from `first` on begin and end in the room, each of a
    random reach up to `window`; empty behind the last word."""
    for n in range(spans.shape[1]):
        middle = first + n
        spans[0, n] = spans[1, n] = middle
        if middle < count:
            reach = 1 + np.int64((np.uint64(drawn(random)) * np.uint64(window)) >> np.uint64(32))
            spans[0, n] = max(np.int64(room[1, middle]), middle - reach)
            spans[1, n] = min(np.int64(room[2, middle]), middle + reach + 1)


@compiled.part
def share(
    room: Room, first: int, spans: Ints2, words: Room, work: rows.Floats, at: int, each: float
) -> None:
    """From `at` on, `work` says what each negative sample weighs for each middle word, as
    `rows.score_tile` writes scores: `each` for each pair of the window but those with that very word."""
    batch, many = spans.shape[1], words.shape[1]
    lowest, highest = spans[0, 0], spans[1, 0]
    for n in range(batch):
        pairs, base = max(0, spans[1, n] - spans[0, n] - 1), at + (n >> 2) * many * 4 + (n & 3) * 4
        if pairs:
            lowest, highest = min(lowest, spans[0, n]), max(highest, spans[1, n])
        for tile in range(0, 4 * many, 16):
            for other in range(4):
                work[base + tile + other] = np.float32(pairs * each)
    for number in range(many):
        found = False
        for place in range(lowest, highest):
            found |= room[0, place] == words[0, number]
        if not found:
            continue
        for n in range(batch):
            base = at + (n >> 2) * many * 4 + (n & 3) * 4
            for place in range(spans[0, n], spans[1, n]):
                if place != first + n and room[0, place] == words[0, number]:
                    work[base + (number >> 2) * 16 + (number & 3)] -= np.float32(each)


@compiled.part
def gather(
    work: rows.Floats, at: int, width: int, inputs: rows.Floats, pieces: Pieces, word: int
) -> None:
    """The vector is the mean of the word's rows; its error is zero."""
    own, starts = pieces
    rows.clear(work, at, width)
    for n in range(starts[word], starts[word + 1]):
        rows.collect(work, at, width, inputs, np.int64(own[n]) * width)
    if starts[word + 1] - starts[word] > 1:
        rows.scale(work, at, width, 1.0 / (starts[word + 1] - starts[word]))


@compiled.part
def around(
    room: Room, middle: int, low: int, high: int, width: int, spare: int, places: Ints
) -> int:
    """How many words are in the window; `places` are their rows, filled up to four with `spare`."""
    used = 0
    for other in range(low, high):
        if other != middle:
            places[used] = np.int64(room[0, other]) * width
            used += 1
    for n in range(used, (used + 3) & ~3):
        places[n] = spare
    return used


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

    BATCH of them, a multiple of four, share NEGATIVE samples, a multiple of four. random[0] is the
    generator's state, random[1] the next place in the table of negative samples.
    """
    own, starts = pieces
    inputs, outputs = matrices
    negatives = text[3]
    width, window, batch, many = (
        settings[WIDTH],
        settings[WINDOW],
        settings[BATCH],
        settings[NEGATIVE],
    )
    each, spare = settings[SHARE] / many, settings[SPARE] * width
    room, words = np.empty((3, 4 * PIECE), np.int32), np.empty((1, many), np.int32)
    near, places, spans = (
        np.empty(2 * window + 4, np.int64),
        np.empty(many, np.int64),
        np.empty((2, batch), np.int64),
    )
    weights = max(4 * many, 2 * window + 4)
    vectors = (weights + batch * many + 15) & ~15
    work = np.empty(vectors + 2 * batch * width, np.float32)
    at, sentence, sample = settings[START], settings[SENTENCE], np.int64(random[1])
    while at < settings[STOP]:
        now, before = rate_now(rate, progress, settings[ALL]), at
        count, at, sentence = filled(text, at, settings[STOP], sentence, room, random)
        for first in range(0, count, batch):
            sample = draw(negatives, sample, 0, width, words, places)
            reached(room, count, first, window, random, spans)
            share(room, first, spans, words, work, weights, each)
            for n in range(batch):
                middle, vector = first + n, vectors + 2 * n * width
                if middle >= count:
                    rows.clear(work, vector, width)
                    continue
                gather(work, vector, width, inputs, pieces, room[0, middle])
                if middle + batch < count:
                    coming = room[0, middle + batch]
                    rows.expect(outputs, np.int64(coming) * width, width)
                    for piece in range(starts[coming], starts[coming + 1]):
                        rows.expect(inputs, np.int64(own[piece]) * width, width)
                used = around(room, middle, spans[0, n], spans[1, n], width, spare, near)
                fours = (used + 3) & ~3
                rows.score(work, vector, width, outputs, near, fours)
                rows.weigh(work, 0, used, 1.0, now)
                rows.update(work, vector, width, outputs, near, fours)
            for n in range(0, batch, 4):
                vector = vectors + 2 * n * width
                for row in range(0, many, 4):
                    rows.score_tile(work, vector, width, outputs, places, row)
                rows.weigh_each(work, 4 * many, weights + n * many, now)
                rows.update_tile(work, vector, width, outputs, places)
            for n in range(many):
                peek = sample + n - (negatives.shape[0] if sample + n >= negatives.shape[0] else 0)
                rows.expect(outputs, np.int64(negatives[peek]) * width, width)
            for n in range(min(batch, count - first)):
                word = room[0, first + n]
                for piece in range(starts[word], starts[word + 1]):
                    rows.add(
                        work,
                        vectors + (2 * n + 1) * width,
                        width,
                        inputs,
                        np.int64(own[piece]) * width,
                    )
        progress[settings[THREAD] * APART] += at - before
    random[1] = np.uint64(sample)


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
    negatives = text[3]
    width, window, spare = settings[WIDTH], settings[WINDOW], settings[SPARE] * settings[WIDTH]
    used = 1 + settings[NEGATIVE]
    fours = (used + 3) & ~3
    room, words = np.empty((3, 4 * PIECE), np.int32), np.empty((1, used), np.int32)
    places, drawn_places = np.full(fours, spare, np.int64), np.empty(used, np.int64)
    spans = np.empty((2, 1), np.int64)
    vector = (fours + 15) & ~15
    work = np.zeros(vector + 2 * width, np.float32)
    at, sentence, sample = settings[START], settings[SENTENCE], np.int64(random[1])
    while at < settings[STOP]:
        now, before = rate_now(rate, progress, settings[ALL]), at
        count, at, sentence = filled(text, at, settings[STOP], sentence, room, random)
        for middle in range(count):
            reached(room, count, middle, window, random, spans)
            if spans[1, 0] - spans[0, 0] < 2:
                continue
            if middle + window + 1 < count:
                coming = room[0, middle + window + 1]
                rows.expect(outputs, np.int64(coming) * width, width)
                for n in range(starts[coming], starts[coming + 1]):
                    rows.expect(inputs, np.int64(own[n]) * width, width)
            rows.clear(work, vector, width)
            mean = 0
            for other in range(spans[0, 0], spans[1, 0]):
                if other != middle:
                    for n in range(starts[room[0, other]], starts[room[0, other] + 1]):
                        rows.collect(work, vector, width, inputs, np.int64(own[n]) * width)
                        mean += 1
            rows.scale(work, vector, width, 1.0 / mean)
            places[0] = np.int64(room[0, middle]) * width
            sample = draw(negatives, sample, 1, width, words, drawn_places)
            for n in range(1, used):
                places[n] = drawn_places[n] if words[0, n] != room[0, middle] else spare
                peek = sample + n - (negatives.shape[0] if sample + n >= negatives.shape[0] else 0)
                rows.expect(outputs, np.int64(negatives[peek]) * width, width)
            rows.score(work, vector, width, outputs, places, fours)
            rows.weigh(work, 0, 1, 1.0, now)
            rows.weigh(work, 1, used, 0.0, now)
            for n in range(1, used):
                if places[n] == spare:
                    work[n] = 0.0
            rows.update(work, vector, width, outputs, places, fours)
            for other in range(spans[0, 0], spans[1, 0]):
                if other != middle:
                    for n in range(starts[room[0, other]], starts[room[0, other] + 1]):
                        rows.add(work, vector + width, width, inputs, np.int64(own[n]) * width)
        progress[settings[THREAD] * APART] += at - before
    random[1] = np.uint64(sample)
