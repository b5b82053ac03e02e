"""Amazon States Language, pure: definitions read and judged, executions moved on by `spine.advance`.

No I/O, no clock, and no randomness that is not handed in. Of sagebrush it imports `errors` alone.
"""

import sys

_before = sys.getrecursionlimit()
import jsonata  # noqa: E402, F401 (for the line below)

# The library raises the limit of the whole process to 10,000, and with it how deep documents may be
# that others parse; expressions are bounded far below either (`expressions.DEPTH`).
sys.setrecursionlimit(_before)
