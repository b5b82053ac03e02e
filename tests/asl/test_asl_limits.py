"""What the interpreter leaves of its process as it was."""

from __future__ import annotations

import subprocess
import sys


def test_documents_may_be_no_deeper_than_before() -> None:
    code = "import sys; n = sys.getrecursionlimit(); import sagebrush.asl.spine; print(n, sys.getrecursionlimit())"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, after = found.stdout.split()
    assert before == after
