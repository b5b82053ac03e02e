"""Amazon States Language, pure: definitions read and judged, executions moved on by `spine.advance`.

No I/O, no clock, and no randomness that is not handed in. Of sagebrush it imports `errors` alone.
"""
