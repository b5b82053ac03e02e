"""One running server for all that a worker runs of the SDKs' scripts."""

from tests.sdk_server import variables

__all__ = ["variables"]
