"""Opens a page in Chromium as a person would; run by test_states_page.py in its own environment.

`python look_at_page.py PAGE`: prints a JSON line with what the side says before and after a state is
pointed at and clicked, what was asked of a network, errors, and the ground in a light and a dark system.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from playwright.sync_api import Browser, sync_playwright  # pyright: ignore[reportMissingImports]

CHROMIUM = "/usr/bin/chromium"


def seen(browser: Browser, path: str, scheme: Any) -> dict[str, Any]:
    """What one system's user sees."""
    page = browser.new_page(color_scheme=scheme, viewport={"width": 1200, "height": 800})
    asked: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"file://{path}")
    side = page.locator("aside")
    found: dict[str, Any] = {"before": side.inner_text()}
    page.hover('[data-state="Evaluate"]')
    found["pointed"] = side.inner_text()
    page.click('[data-state="Train"]')
    page.hover('[data-state="Evaluate"]')
    found["clicked"] = side.inner_text()
    page.click('[data-state="Train"]')
    found["again"] = side.inner_text()
    ground = "getComputedStyle(document.body).backgroundColor"
    return found | {"asked": asked, "errors": errors, "ground": page.evaluate(ground)}


def main() -> None:
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        schemes = ("light", "dark")
        print(json.dumps({scheme: seen(browser, sys.argv[1], scheme) for scheme in schemes}))
        browser.close()


if __name__ == "__main__":
    main()
