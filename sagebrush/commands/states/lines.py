"""A tree of states as rows of text: for a terminal in colours, and for a file without. Pure."""

from __future__ import annotations

import json
import re
import shutil
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sagebrush.commands.running import span
from sagebrush.commands.states import tree as trees
from sagebrush.commands.states import works
from sagebrush.commands.states.tree import ABORTED, Line, Tree, Visit, seconds

if TYPE_CHECKING:
    from rich.text import Text

PENDING = "PENDING"
"""Of a state that has not been entered; no status of AWS's."""
MARKS = {
    trees.SUCCEEDED: ("✓", "green"),
    trees.FAILED: ("✗", "bold red"),
    trees.TIMED_OUT: ("✗", "bold red"),
    trees.CAUGHT: ("!", "yellow"),
    trees.ABORTED: ("-", "magenta"),
    trees.RUNNING: ("●", "bold cyan"),
    trees.RETRYING: ("↻", "bold yellow"),
    PENDING: ("·", "dim"),
    "": ("…", "dim"),
}
"""Status -> its mark and its style; colours are the terminal's own, which its theme makes readable."""
SAID = {
    trees.CAUGHT: "caught",
    trees.ABORTED: "aborted",
    trees.TIMED_OUT: "timed out",
    trees.RETRYING: "waits to be tried again",
}
WIDTH, LEAST = 100, 60
NAME = 44
"""Columns of names, at most."""
LOOP = 40
"""Visits of one line from which on those in the middle are left out."""


@dataclass(frozen=True)
class Shown:
    """How much is shown."""

    now: float
    """Seconds since 1970: what runs has run until then."""
    items: int = 5
    """Of a Map."""
    data: bool = True
    """Whether input and output are."""
    whole: bool = False
    """Whether they are shown as a whole, and nothing is left out."""
    map_runs: Mapping[str, Mapping[str, Any]] | None = None
    """ARN -> DescribeMapRun's answer."""


CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""What moves a terminal's cursor, changes its colours, or turns text around."""


@dataclass(frozen=True)
class Row:
    """A state, an iteration or a branch; `notes` are lines below it: (style, text)."""

    status: str
    name: str
    type: str = ""
    took: str = ""
    said: str = ""
    lead: str = ""
    """The guides that lead to it."""
    below: str = ""
    """The guides of lines below it."""
    notes: tuple[tuple[str, str], ...] = ()


def rows(found: Tree, shown: Shown) -> list[Row]:
    """Every state of the execution that was entered, and while it runs those that were not."""
    return _tied(list(_line(found, found.root, shown)))


Nested = tuple[Row, list[Any]]
"""A row and what is within it."""


def _tied(nested: Sequence[Nested], lead: str = "", top: bool = True) -> list[Row]:
    """The rows in order, with their guides."""
    made = []
    for at, (row, inner) in enumerate(nested):
        last = at == len(nested) - 1
        mine, below = ("", "") if top else ("└ ", "  ") if last else ("├ ", "│ ")
        under = below + ("│ " if inner else "  ")
        made.append(replace(row, lead=lead + mine, below=lead + under))
        made += _tied(inner, lead + below, top=False)
    return made


def _line(found: Tree, line: Line, shown: Shown) -> Iterator[Nested]:
    visits = line.visits
    left = 0 if shown.whole else max(0, len(visits) - LOOP)
    for at, visit in enumerate(visits):
        if left and at == LOOP // 2:
            yield Row("", f"{left} more visits of states (--full)"), []
        if not left or not LOOP // 2 <= at < LOOP // 2 + left:
            yield _visit(found, visit, shown)
    item = line.owner is not None and line.owner.type == "Map"
    if found.status == trees.RUNNING and line.status == trees.RUNNING and not item:
        seen = {visit.name for visit in visits}
        for name, state in found.machines.get(line.machine, {}).get("States", {}).items():
            if name not in seen:
                yield Row(PENDING, name, state.get("Type", "")), []


def _visit(found: Tree, visit: Visit, shown: Shown) -> Nested:
    said = [str(part) for part in (works.work(visit),) if part]
    if visit.status in SAID:
        said.insert(0, SAID[visit.status])
    if visit.tries > 1:
        said.append(f"{ordinal(visit.tries)} try{_after(visit)}")
    if visit.number > 1:
        said.append(f"{ordinal(visit.number)} visit")
    if visit.type == "Map":
        said.insert(0, iterations(visit, shown.map_runs or {}))
    if visit.type == "Choice" and (after := following(visit)):
        said.append(f"to {after}")
    took = lasted((visit.ended or shown.now) - visit.entered)
    row = Row(visit.status, visit.name, visit.type, took, ", ".join(filter(None, said)))
    inner = list(_within(found, visit, shown))
    return replace(row, notes=tuple(_notes(visit, shown))), inner


def _after(visit: Visit) -> str:
    """Why a task was tried again, where the state itself does not say so."""
    errors = [one.error for one in visit.attempts if one.error]
    return f" after {errors[-1]}" if errors and visit.error is None else ""


def following(visit: Visit) -> str:
    """The state that was entered after this visit; "" where none was."""
    at = next(at for at, one in enumerate(visit.line.visits) if one is visit)
    return visit.line.visits[at + 1].name if at + 1 < len(visit.line.visits) else ""


def _within(found: Tree, visit: Visit, shown: Shown) -> Iterator[Nested]:
    """The branches, or the iterations that matter most: those that failed, then those that run."""
    if visit.type != "Map":
        for index, line in sorted(visit.lines.items()):
            yield from _part(found, f"branch {index + 1}", line, shown)
        return
    for child in (shown.map_runs or {}).get(visit.map_run, {}).get("executions", ()):
        begun, ended = seconds(child["startDate"]), child.get("stopDate")
        took = lasted((seconds(ended) if ended else shown.now) - begun)
        status = child["status"] if child["status"] in MARKS else ABORTED
        yield Row(status, "execution", "", took, child["executionArn"]), []
    most = len(visit.lines) if shown.whole else shown.items
    weight = {trees.FAILED: 0, trees.RUNNING: 1}
    ranked = sorted(visit.lines.items(), key=lambda each: (weight.get(each[1].status, 2), each[0]))
    for index, line in sorted(ranked[:most]):
        yield from _part(found, f"[{index}]", line, shown)
    if len(ranked) > most:
        yield Row("", f"{len(ranked) - most} more items (--items N)"), []


def _part(found: Tree, label: str, line: Line, shown: Shown) -> Iterator[Nested]:
    """A line within a container: a row of its own unless its machine has but one state."""
    inner = list(_line(found, line, shown))
    if len(inner) == 1 and len(found.machines.get(line.machine, {}).get("States", "ab")) == 1:
        row, within = inner[0]
        name = f"{label} {row.name}" if label.startswith("[") else row.name
        yield replace(row, name=name), within
        return
    begun = min((one.entered for one in line.visits), default=shown.now)
    open_ = line.status == trees.RUNNING and any(one.open for one in line.visits)
    ended = shown.now if open_ else max((one.ended or begun for one in line.visits), default=begun)
    status = line.status
    if status == trees.RUNNING and line.visits and not open_:
        status = line.visits[-1].status  # a branch that waits for the others
    yield Row(status, label, "", lasted(ended - begun)), inner


def iterations(visit: Visit, map_runs: Mapping[str, Mapping[str, Any]]) -> str:
    """How many items there are and what became of them; of a map run as DescribeMapRun tells."""
    if visit.map_run:
        counts = dict(map_runs.get(visit.map_run, {}).get("itemCounts", {}))
        total = counts.get("total", visit.length or 0)
        names = ("succeeded", "running", "pending", "failed", "timedOut", "aborted")
        told = [f"{counts[name]:,} {name}" for name in names if counts.get(name)]
        said = f"{total:,} items in a map run" if counts or total else "a map run"
        return f"{said}: {', '.join(told)}" if told else said
    counts = {}
    for line in visit.lines.values():
        counts[line.status] = counts.get(line.status, 0) + 1
    words = [
        (trees.SUCCEEDED, "done"),
        (trees.RUNNING, "running"),
        (trees.FAILED, "failed"),
        (trees.ABORTED, "aborted"),
    ]
    told = [f"{counts[status]:,} {word}" for status, word in words if counts.get(status)]
    total = visit.length if visit.length is not None else len(visit.lines)
    items = f"{total:,} item{'' if total == 1 else 's'}"
    return f"{items}: {', '.join(told)}" if told else items


def _notes(visit: Visit, shown: Shown) -> Iterator[tuple[str, str]]:
    if visit.error is not None and visit.status != trees.RUNNING:
        style = "red" if visit.status in (trees.FAILED, trees.TIMED_OUT) else "yellow"
        said = reason(visit.error, visit.cause, shown.whole)
        yield style, (said or "failed") if shown.whole else shortened(said or "failed", 400)
    if not shown.data and not shown.whole:
        return
    if shown.whole:
        for label, text in (("in ", visit.input), ("out", visit.output)):
            if text:
                yield "dim", f"{label} {pretty(text)}"
        return
    # a state's input is the output of the one before
    said = shortened(visit.input) if visit is visit.line.visits[0] else ""
    if visit.output is not None and visit.output != visit.input:
        said = f"{said} → {shortened(visit.output)}".strip()
    if said:
        yield "dim", said


def reason(error: str | None, cause: str | None, whole: bool = False) -> str:
    """An error in words: of a job's whole description, or a function's error object, what it says."""
    if cause is not None and not whole:
        try:
            found = json.loads(cause)
        except ValueError:
            found = None
        if isinstance(found, dict):
            cause = found.get("FailureReason") or found.get("errorMessage") or cause
    return harmless(": ".join(part for part in (error, cause) if isinstance(part, str) and part))


def harmless(text: str) -> str:
    """The text without what would steer a terminal: names, errors and data are others' words."""
    return CONTROL.sub("\ufffd", text)


def shortened(text: str, most: int = 100) -> str:
    """The text on one line of at most so many characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def pretty(text: str) -> str:
    """JSON text over several lines where it is long; other text as it is."""
    if len(text) <= WIDTH:
        return text
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text


def lasted(seconds: float) -> str:
    """A short time in milliseconds or tenths, a long one in its two largest units."""
    if seconds < 0.9995:
        return f"{max(0.0, seconds) * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 60 else span(seconds)


def ordinal(number: int) -> str:
    """`1st`, `2nd`, `11th`."""
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10 if number % 100 not in (11, 12, 13) else 0)
    return f"{number}{ending or 'th'}"


def head(found: Tree, name: str, shown: Shown) -> str:
    """The execution in one line: its name, its status, its time."""
    if found.started is None:
        return f"{name}  {found.status}"
    took = lasted((found.ended or shown.now) - found.started)
    again = f"  run {found.redrives + 1} times (redriven)" if found.redrives else ""
    return f"{name}  {found.status}  {took}{again}"


def width() -> int:
    """Columns of the terminal; WIDTH where the output is none."""
    return max(LEAST, shutil.get_terminal_size((WIDTH, 24)).columns)


def plain(given: Sequence[Row]) -> list[str]:
    """The rows as text with aligned columns."""
    made = []
    for columns, row in zip(_cells(given), given, strict=True):
        made.append("  ".join(columns).rstrip())
        for _, text in row.notes:
            made += [f"{row.below}{line}" for line in harmless(text).split("\n")]
    return made


def styled(given: Sequence[Row], columns: int = 0) -> Text:
    """The rows in colours; lines below are cut at so many columns (0: not at all)."""
    from rich.text import Text

    text = Text(no_wrap=True, overflow="ellipsis")
    for told, row in zip(_cells(given, columns), given, strict=True):
        mark, style = MARKS[row.status]
        text.append(row.lead, "dim")
        text.append(mark, style)
        faint = "dim" if row.status in (PENDING, "") else "bold"
        text.append(told[0][len(row.lead) + 1 :], faint)
        text.append(f"  {told[1]}  {told[2]}", "dim")
        text.append(f"  {told[3]}".rstrip() + "\n")
        for style, note in row.notes:
            for line in harmless(note).split("\n"):
                room = columns - len(row.below)
                text.append(row.below, "dim")
                text.append(f"{shortened_end(line, room) if columns else line}\n", style)
    return text


def shortened_end(line: str, room: int) -> str:
    """The line, cut to the columns that there are."""
    if cells(line) <= room:
        return line
    kept, left = "", max(1, room - 1)
    for letter in line:
        left -= cells(letter)
        if left < 0:
            break
        kept += letter
    return f"{kept}…"


def cells(text: str) -> int:
    """How many columns of a terminal the text takes: letters of East Asia and emoji take two."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return len(text) + wide - sum(map(bool, map(unicodedata.combining, text)))


def _cells(given: Sequence[Row], columns: int = 0) -> list[tuple[str, str, str, str]]:
    """Name with mark and guides, type, time and words of each row, all but the last aligned; names
    leave half of so many columns to the others (0: of any number)."""
    names = [f"{row.lead}{MARKS[row.status][0]} {harmless(row.name)}" for row in given]
    # one long name does not push every other column away
    most = min(NAME, columns // 2) if columns else NAME
    wide = min(max(map(cells, names), default=0), most)
    types = max((len(row.type) for row in given), default=0)
    times = max((len(row.took) for row in given), default=0)
    return [
        (
            name + " " * (wide - cells(name)),
            row.type.ljust(types),
            row.took.rjust(times),
            harmless(row.said),
        )
        for name, row in zip(names, given, strict=True)
    ]
