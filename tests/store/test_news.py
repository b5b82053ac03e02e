"""Who is told of changes of rows, and when."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sagebrush.store.news import News
from sagebrush.store.reader import Row

ROW = Row("1", "r", "training-job", "a", "InProgress", {}, parent="execution#1")


class Writing:
    """A transaction that only keeps what is to be told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def after(self, told: Any) -> None:
        self.told.append(told)


def changed(news: News, old: Row | None, new: Row | None) -> int:
    tx: Any = Writing()
    news.changed(tx, old, new)
    for told in tx.told:
        told()
    return len(tx.told)


def test_listeners_are_told_of_a_new_status_of_their_own_rows() -> None:
    news, heard = News(), []
    news.listen("execution#1", lambda: heard.append(1))
    ended = replace(ROW, status="Completed")
    assert changed(news, ROW, ended) == 1
    assert heard == [1]
    assert changed(news, ROW, replace(ROW, doc={"Loss": 1})) == 0
    other = replace(ROW, parent="execution#2")
    assert changed(news, other, replace(other, status="Completed")) == 0
    assert changed(news, None, ROW) == changed(news, ROW, None) == 1
    news.forget("execution#1")
    assert changed(news, ROW, ended) == 0


def test_who_wants_every_change_is_told_of_each() -> None:
    news = News()
    news.listen("execution#1", lambda: None, every=True)
    assert changed(news, ROW, replace(ROW, doc={"maxConcurrency": 2})) == 1
    assert changed(news, ROW, replace(ROW, parent="")) == 0
