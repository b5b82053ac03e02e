"""When a notebook is idle: a pure decision, in which an unknown activity counts as use."""

from __future__ import annotations

from sagebrush.errors import Doc

MINUTES = "sagebrush:idle-stop-minutes"
"""The tag of a notebook instance that switches its idle stop on, and says after how long."""
DRY_RUN = "sagebrush:idle-stop-dry-run"
"""The tag whose value `true` lets the idle stop only say what it would do."""
MEMBERS = ("busy_kernels", "terminals_running", "programs", "last_activity")


def minutes(tags: Doc) -> float | None:
    """The minutes that the tags ask for; None where they ask for no idle stop, or for nonsense."""
    try:
        found = float(tags.get(MINUTES, ""))
    except ValueError:
        return None
    return found if 0 < found < float("inf") else None


def dry_run(tags: Doc) -> bool:
    """Whether the idle stop is only to say what it would do."""
    return tags.get(DRY_RUN, "").lower() in ("true", "1", "yes")


def decide(
    now: float, activity: Doc | None, last_request: float, minutes: float
) -> tuple[bool, str]:
    """Whether the notebook has been idle for `minutes`, and why, or why not.

    `activity` is its server's report (toolkit/notebook/notebook_activity.py), None where it did not
    answer; `last_request` is when somebody last used it through the gateway, or since when this
    server looks. Times in seconds since the epoch.
    """
    if activity is None or not all(isinstance(activity.get(name), int | float) for name in MEMBERS):
        return False, "its activity is not known"
    kernels, terminals = activity["busy_kernels"], activity["terminals_running"]
    if kernels:
        return False, f"{kernels} {'kernel is' if kernels == 1 else 'kernels are'} busy"
    if terminals:
        return False, f"a program runs in {terminals} terminal{'s' if terminals > 1 else ''}"
    if programs := activity["programs"]:
        return False, f"{programs} program{'s' if programs > 1 else ''} left running"
    used = max(activity["last_activity"], last_request)
    quiet = (now - used) / 60
    if quiet < minutes:
        return False, f"it was used {max(quiet, 0.0):.0f} minutes ago"
    return True, (
        f"no busy kernel, no program in a terminal and no request for {quiet:.0f} minutes"
        f" (limit: {minutes:g})"
    )
