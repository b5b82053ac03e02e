"""Lambda's quotas. Source: Lambda developer guide, "Lambda quotas" (read in November 2026). Pure."""

from __future__ import annotations

CONCURRENT = 1000
"""Executions of an account and region at once, by default."""
UNRESERVED = 100
"""Of them, those that no function may reserve."""
STORAGE = 80530636800
"""Bytes of all packages of an account and region (75 GB)."""
ZIPPED = 52428800
"""Bytes of a zip file that comes with the request (50 MB)."""
UNZIPPED = 262144000
"""Bytes of a package with its layers, unpacked (250 MB)."""
REQUEST = 70167211
"""Bytes of a request that uploads code: base64 of 50 MB, and the rest."""
SYNCHRONOUS = 6291456
"""Bytes of a synchronous request's payload (6 MB)."""
ASYNCHRONOUS = 1048576
"""Bytes of an asynchronous request's payload (1 MB)."""
CLIENT_CONTEXT = 3583
"""Bytes of an invocation's ClientContext, in base64."""
ENVIRONMENT = 4096
"""Bytes of the environment variables, as JSON."""
LAYERS = 5
MEMORY = (128, 10240)
TIMEOUT = (1, 900)
STORAGE_TMP = (512, 10240)
TAGS = 50
POLICY = 20480
"""Bytes of a function's resource policy."""
