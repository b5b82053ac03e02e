"""Drives JupyterLab in Chromium as a person would; run by test_browser.py in its own environment.

`python drive_jupyterlab.py LINK FOLDER SCENARIO`: opens the link, makes a notebook from the
launcher for each kernel of SCENARIO (JSON: [[kernel's title, code, what its output must hold], …]),
runs the code in its first cell and takes a screenshot of each into FOLDER. Prints a JSON line.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 120_000
"""Milliseconds; a cold `import tensorflow` beside other work takes a while."""


def enter(page: Page, link: str) -> float:
    """Seconds until the launcher of JupyterLab can be used."""
    began = time.monotonic()
    page.goto(link, timeout=PATIENCE)
    page.wait_for_url("**/lab*", timeout=PATIENCE)
    page.wait_for_selector(".jp-LauncherCard[data-category='Notebook']", timeout=PATIENCE)
    page.wait_for_selector("#jupyterlab-splash", state="detached", timeout=PATIENCE)
    return time.monotonic() - began


def run_cell(page: Page, title: str, code: str, expected: str) -> dict[str, Any]:
    """What a new notebook's first cell showed: its text, and whether a picture."""
    began = time.monotonic()
    card = f".jp-LauncherCard[data-category='Notebook'][title='{title}']"
    # JupyterLab drops a cell that is run before its kernel is connected
    with page.expect_websocket(lambda ws: "/channels" in ws.url, timeout=PATIENCE) as connected:
        page.locator(card).last.click(timeout=PATIENCE)
    connected.value.wait_for_event("framereceived", timeout=PATIENCE)
    notebook = page.locator(".jp-NotebookPanel:visible")
    idle = notebook.locator(".jp-Notebook-ExecutionIndicator[data-status='idle']")
    idle.wait_for(timeout=PATIENCE)
    notebook.locator(".jp-Cell .cm-content").first.click(timeout=PATIENCE)
    page.keyboard.insert_text(code)
    page.keyboard.press("Shift+Enter")
    output = notebook.locator(".jp-OutputArea-output")
    output.filter(has_text=expected).first.wait_for(timeout=PATIENCE)
    page.wait_for_timeout(500)
    return {
        "kernel": title,
        "seconds": round(time.monotonic() - began, 1),
        "text": "\n".join(output.all_inner_texts()),
        "pictures": output.locator("img").count(),
        "errors": notebook.locator("[data-mime-type='application/vnd.jupyter.stderr']").count(),
    }


def leave(page: Page) -> None:
    """A new launcher is in front."""
    page.keyboard.press("Escape")
    page.locator(".jp-NotebookPanel:visible").click(position={"x": 5, "y": 60})
    page.keyboard.press("Control+Shift+L")
    page.locator(".jp-LauncherCard[data-category='Notebook']").last.wait_for(timeout=PATIENCE)


def main(link: str, folder: Path, scenario: list[list[str]]) -> None:
    """Runs the scenario."""
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", *FLAGS])
        page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
        refused: list[str] = []
        page.on("pageerror", lambda error: refused.append(str(error)))
        found: dict[str, Any] = {"usable": round(enter(page, link), 2), "cells": []}
        page.screenshot(path=folder / "launcher.png")
        for number, (title, code, expected) in enumerate(scenario):
            if number:
                leave(page)
            try:
                found["cells"].append(run_cell(page, title, code, expected))
            finally:
                page.screenshot(path=folder / f"{number}-{title.split()[0].lower()}.png")
        again = browser.new_context().new_page()
        found["reused"] = again.goto(link).status  # type: ignore[union-attr]
        again.screenshot(path=folder / "reused.png")
        found["url"], found["page_errors"] = page.url, refused
        browser.close()
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3]))
