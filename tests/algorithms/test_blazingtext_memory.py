"""Memory of a training of word vectors: known before it begins."""

from __future__ import annotations

import dataclasses
import re

import pytest

from sagebrush.algorithms.blazingtext import memory
from sagebrush.algorithms.blazingtext.memory import Size
from sagebrush.algorithms.blazingtext.parameters import ClientError, WordParameters

PLAIN = WordParameters("skipgram")
SUBWORDS = WordParameters("skipgram", subwords=True)


def test_what_fits_is_not_refused() -> None:
    memory.check(Size(70_000, 0, 17_000_000), PLAIN, 1 << 30)
    memory.check(Size(70_000, 1_900_000, 17_000_000), SUBWORDS, 3 << 30)


@pytest.mark.parametrize(("wanted", "hosts"), [(SUBWORDS, 1), (PLAIN, 4)])
def test_what_is_proposed_fits(wanted: WordParameters, hosts: int) -> None:
    text, available = Size(400_000, 12_000_000, 10_000_000), 1000 << 20
    with pytest.raises(ClientError, match=r"^Out of memory: 400000 words.*has 1000 MiB") as error:
        memory.check(text, wanted, available, hosts)
    proposed = dict(re.findall(r"(vector_dim|buckets)=(\d+)", str(error.value).partition("It ")[2]))
    assert proposed
    for name, value in proposed.items():
        changed = WordParameters(**{**wanted.__dict__, name: int(value)})
        memory.check(text, changed, available, hosts)
        larger = WordParameters(**{**wanted.__dict__, name: int(value) + 1})
        with pytest.raises(ClientError):
            memory.check(text, larger, available, hosts)


def test_where_nothing_helps_it_says_so() -> None:
    with pytest.raises(ClientError, match="larger instance type, or a larger min_count"):
        memory.check(Size(50_000_000, 0, 1_000_000_000), PLAIN, 1 << 30)


@pytest.mark.parametrize("name", ["negative_samples", "window_size"])
def test_absurd_windows_are_refused_with_what_fits(name: str) -> None:
    plain = WordParameters("skipgram")
    wanted = dataclasses.replace(plain, **{name: 2**31 - 1})
    with pytest.raises(ClientError, match=f"{name}=") as error:
        memory.check(Size(200, 0, 9_000), wanted, 1 << 30)
    fits = int(re.findall(rf"{name}=(\d+)", str(error.value))[-1])
    memory.check(Size(200, 0, 9_000), dataclasses.replace(plain, **{name: fits}), 1 << 30)


def test_n_grams_are_counted_from_the_words() -> None:
    # <sun>: 3, 2 and 1 of 3, 4 and 5 characters; <a>: itself
    assert memory.size([b"sun", b"a"], 9, SUBWORDS) == Size(2, 3 + 2 + 1 + 1, 9)
    assert memory.size([b"sun", b"a"], 9, PLAIN) == Size(2, 0, 9)


def test_sizes_are_told_as_people_read_them() -> None:
    assert memory.told(1023 << 20) == "1023 MiB"
    assert (memory.told(3 << 19), memory.told(5 << 29)) == ("1.5 MiB", "2.5 GiB")
