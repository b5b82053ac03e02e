"""Once this is imported, only tests have their `assert` rewritten, to tell both of its sides.

Pytest rewrites all that the distribution of a plugin holds, and the package is one: nine hundred
modules, which each worker parsed and compiled anew in a fresh checkout, and none of them asserts
anything that a test is to see.
"""

from __future__ import annotations

import sys

from _pytest.assertion.rewrite import AssertionRewritingHook

for finder in sys.meta_path:
    if isinstance(finder, AssertionRewritingHook):
        finder._must_rewrite.discard("sagebrush")
