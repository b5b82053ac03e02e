"""A state machine's graph as one HTML file: a click on a state shows what it did. Pure.

The file asks no network. What an execution carried is data of its users: it lies in the page as JSON
whose `<` are escaped, and is shown as text only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from sagebrush.commands.states import colours, document, lines, svg
from sagebrush.commands.states import tree as trees
from sagebrush.commands.states.tree import Tree, Visit

VISITS, TEXT = 20, 20_000
"""Of one state, and letters of one input or output, that a page holds."""
STYLE = """
:root { color-scheme: light dark; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 14px/1.45 system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; }
main { display: flex; align-items: flex-start; }
.picture { flex: 1 1 auto; overflow: auto; min-width: 0; }
.graph .state { cursor: pointer; }
.graph .state:hover > .box, .graph .state:focus > .box { stroke-width: 3; }
.graph .state:focus { outline: none; }
.graph .state.chosen > .box { stroke-width: 4; }
aside { flex: 0 0 27rem; box-sizing: border-box; position: sticky; top: 0; height: 100vh;
  overflow: auto; padding: 1.2rem; background: var(--inside); border-left: 1px solid var(--open-edge); }
h2 { font-size: 1.1rem; margin: 0 0 .2rem; overflow-wrap: anywhere; }
h3 { font-size: .8rem; margin: .8rem 0 .2rem; color: var(--faint); font-weight: 600; }
p { margin: .2rem 0; } .faint { color: var(--faint); } .error { color: var(--warm); white-space: pre-line; overflow-wrap: anywhere; }
pre { margin: 0; padding: .5rem .6rem; background: var(--ground); border: 1px solid var(--open-edge);
  border-radius: 5px; white-space: pre-wrap; overflow-wrap: anywhere; font-size: 12px;
  max-height: 22rem; overflow: auto; }
details { margin-top: .6rem; border-top: 1px solid var(--open-edge); padding-top: .4rem; }
summary { cursor: pointer; }
@media (max-width: 60rem) { main { display: block; }
  aside { position: static; height: auto; border-left: 0; border-top: 1px solid var(--open-edge); } }
"""
SCRIPT = """
const data = JSON.parse(document.getElementById('states').textContent);
const side = document.querySelector('aside'), first = side.innerHTML;
let chosen = null;
function add(parent, tag, text, kind) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (kind) made.className = kind;
  parent.append(made);
  return made;
}
function pretty(text) {
  try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text; }
}
function visit(parent, one) {
  add(parent, 'p', one.told, 'faint');
  if (one.work) add(parent, 'p', one.work);
  if (one.reason) add(parent, 'p', one.reason, 'error');
  for (const name of ['input', 'output', 'cause']) {
    if (one[name] === undefined) continue;
    add(parent, 'h3', name);
    add(parent, 'pre', pretty(one[name]));
  }
}
function show(name) {
  const state = data[name];
  side.replaceChildren();
  add(side, 'h2', name);
  add(side, 'p', state.said, 'faint');
  if (!state.visits.length) add(side, 'p', 'not entered');
  state.visits.forEach((one, at) => {
    if (state.visits.length === 1) return visit(side, one);
    const box = add(side, 'details');
    box.open = at === 0;
    add(box, 'summary', one.title);
    visit(box, one);
  });
  if (state.left) add(side, 'p', state.left + ' more visits: sagebrush states show --json', 'faint');
}
for (const each of document.querySelectorAll('[data-state]')) {
  const name = each.dataset.state;
  each.tabIndex = 0;
  each.setAttribute('role', 'button');
  each.setAttribute('aria-label', name);
  const pick = () => {
    document.querySelectorAll('.chosen').forEach(one => one.classList.remove('chosen'));
    chosen = chosen === name ? null : name;
    if (chosen) { each.classList.add('chosen'); show(name); } else side.innerHTML = first;
  };
  each.addEventListener('click', pick);
  each.addEventListener('keydown', event => { if (event.key === 'Enter') pick(); });
  each.addEventListener('mouseenter', () => { if (!chosen) show(name); });
}
"""


def page(definition: Mapping[str, Any], found: Tree | None, title: str, now: float) -> str:
    """The HTML document of a machine, and of an execution where there is one."""
    drawing = svg.picture(definition, found, title, now)
    data = {
        name: {"said": state.get("Type", ""), "visits": [], **_comment(state)}
        for _, machine in trees.machines(definition)
        for name, state in machine.get("States", {}).items()
    }
    seen: dict[str, list[Visit]] = {}
    for visit in found.visits() if found is not None else ():
        seen.setdefault(visit.name, []).append(visit)
    for name, visits in seen.items():
        if name in data:
            data[name] |= {"visits": _visits(visits, now), "left": max(0, len(visits) - VISITS)}
    held = json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{escape(title)}</title>\n<style>{colours.style(':root')}{STYLE}</style></head>\n"
        f'<body><main><div class="picture">{drawing}</div>\n<aside>{_whole(found, title)}</aside></main>\n'
        f'<script type="application/json" id="states">{held}</script>\n'
        f"<script>{SCRIPT}</script></body></html>\n"
    )


def _comment(state: Mapping[str, Any]) -> dict[str, str]:
    comment = state.get("Comment")
    return {"said": f"{state.get('Type', '')}: {comment}"} if comment else {}


def _whole(found: Tree | None, title: str) -> str:
    """What the side says before a state is chosen: the execution's own input and output."""
    made = [f"<h2>{escape(title)}</h2>", "<p class=faint>Point at a state, or click it.</p>"]
    if found is None:
        return "".join(made)
    if found.error is not None:
        said = lines.reason(found.error, found.cause)
        made.append(f'<p class="error">{escape(said)}</p>')
    for label, text in (("input", found.input), ("output", found.output)):
        if text:
            made.append(f"<h3>{label}</h3><pre>{escape(lines.pretty(_held(text)))}</pre>")
    return "".join(made)


def _visits(visits: Sequence[Visit], now: float) -> list[dict[str, Any]]:
    """The visits of one state, first those that failed, then the latest."""
    failed = (trees.FAILED, trees.TIMED_OUT, trees.RETRYING)
    ranked = sorted(visits, key=lambda one: (one.status not in failed, -one.entered))
    return [_visit(one, now) for one in ranked[:VISITS]]


def _visit(visit: Visit, now: float) -> dict[str, Any]:
    doc = document.state(visit)
    took = lines.lasted((visit.ended or now) - visit.entered)
    tries = f", {visit.tries} tries" if visit.tries > 1 else ""
    status = visit.status.lower().replace("_", " ")
    made = {
        "title": f"{lines.MARKS[visit.status][0]} {_where(visit)}{status}, {took}{tries}",
        "told": f"{status}, {took}{tries}, entered {doc['entered'].replace('T', ' ')[:23]} UTC",
    }
    if work := doc.get("work"):
        made["work"] = " ".join(work.values())
    names = ["input", "output"]
    if visit.error is not None and visit.status != trees.RUNNING:
        made["reason"] = _held(lines.reason(visit.error, visit.cause))
        if visit.cause and visit.cause not in made["reason"]:
            names.append("cause")  # a job's whole description, of which that is a part
    return made | {name: _held(doc[name]) for name in names if name in doc}


def _where(visit: Visit) -> str:
    """The item or branch that the visit is in: `item 3, `."""
    owner = visit.line.owner
    if owner is None:
        return f"visit {visit.number}, "
    return f"item {visit.line.index}, " if owner.type == "Map" else ""


def _held(text: str) -> str:
    return text if len(text) <= TEXT else f"{text[:TEXT]}… ({len(text):,} letters)"
