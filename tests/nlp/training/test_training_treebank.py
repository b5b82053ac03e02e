"""A treebank's paragraphs and noun phrases."""

from __future__ import annotations

import gzip
from pathlib import Path

from sagebrush.nlp.training.treebank import Paragraph, noun_phrases, paragraphs

SAMPLE = """# newdoc id = d
# newpar id = p1
# text = The old dog's owner can't swim.
1\tThe\tthe\tDET\t_\t_\t3\tdet\t_\t_
2\told\told\tADJ\t_\t_\t3\tamod\t_\t_
3-4\tdog's\t_\t_\t_\t_\t_\t_\t_\t_
3\tdog\tdog\tNOUN\t_\t_\t5\tnmod:poss\t_\t_
4\t's\t's\tPART\t_\t_\t3\tcase\t_\t_
5\towner\towner\tNOUN\t_\t_\t8\tnsubj\t_\t_
6-7\tcan't\t_\t_\t_\t_\t_\t_\t_\t_
6\tca\tcan\tAUX\t_\t_\t8\taux\t_\t_
7\tn't\tnot\tPART\t_\t_\t8\tadvmod\t_\t_
8\tswim\tswim\tVERB\t_\t_\t0\troot\t_\tSpaceAfter=No
8.1\tx\tx\tVERB\t_\t_\t_\t_\t_\t_
9\t.\t.\tPUNCT\t_\t_\t8\tpunct\t_\t_

# text = On May 4 etc in Rome
1\tOn\ton\tADP\t_\t_\t3\tcase\t_\t_
2\tMay\tMay\tPROPN\t_\t_\t3\tnmod:unmarked\t_\t_
3\t4\t4\tNUM\t_\t_\t0\troot\t_\t_
4\tetc\tetc\tX\t_\t_\t3\tconj\t_\t_
5\tin\tin\tADP\t_\t_\t6\tcase\t_\t_
6\tRome\tRome\tPROPN\t_\t_\t3\tnmod\t_\t_

# newpar id = p2
# text = Rain July 31st, 1983
1\tRain\train\tNOUN\t_\t_\t0\troot\t_\t_
2\tJuly\tJuly\tPROPN\t_\t_\t3\tnmod:unmarked\t_\t_
3\t31st\t31st\tNOUN\t_\t_\t1\tobl\t_\t_
4\t,\t,\tPUNCT\t_\t_\t3\tpunct\t_\t_
5\t1983\t1983\tNUM\t_\t_\t3\tnmod:unmarked\t_\t_

"""


def read(folder: Path) -> list[Paragraph]:
    file = folder / "sample.conllu.gz"
    file.write_bytes(gzip.compress(SAMPLE.encode()))
    return paragraphs(file)


def test_sentences_of_a_paragraph_are_joined_and_words_found_in_it(tmp_path: Path) -> None:
    first, second = read(tmp_path)
    assert first.text == "The old dog's owner can't swim. On May 4 etc in Rome"
    assert second.text == "Rain July 31st, 1983"
    assert [first.text[each.begin : each.end] for each in first.words[:9]] == [
        "The", "old", "dog", "'s", "owner", "ca", "n't", "swim", ".",
    ]  # fmt: skip
    assert first.words[10].head == 11
    assert [each.head for each in first.words].count(-1) == 2


def test_what_has_no_part_of_speech_is_named_as_comprehend_does(tmp_path: Path) -> None:
    first, _ = read(tmp_path)
    assert [each.tag for each in first.words if first.text[each.begin : each.end] == "etc"] == ["O"]


def test_noun_phrases_hold_modifiers_and_possessors_but_no_prepositions(tmp_path: Path) -> None:
    first, second = read(tmp_path)
    strings = [
        first.text[first.words[begin].begin : first.words[end - 1].end]
        for begin, end in noun_phrases(first.words)
    ]
    assert strings == ["The old dog's owner", "May 4", "Rome"]
    assert noun_phrases(second.words) == [(0, 1), (1, 5)]
