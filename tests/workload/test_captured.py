"""Captured data in S3: a refused object leaves nothing on disk."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sagebrush.errors import AwsError, Doc
from sagebrush.store.objects import ObjectStore
from sagebrush.store.spool import INLINE
from sagebrush.workload import captured


def ctx(objects: ObjectStore, refuses: bool, asked: list[Doc]) -> Any:
    """Stands for a context whose S3 refuses what it is given, or takes it."""

    def call(service: str, operation: str, params: Doc) -> Doc:
        assert (service, operation) == ("s3", "PutObject")
        asked.append(params)
        if refuses:
            raise AwsError("AccessDenied", "Access Denied", 403)
        return {}

    return SimpleNamespace(world=SimpleNamespace(objects=objects), call=call)


@pytest.mark.parametrize("refuses", [True, False])
def test_what_is_refused_leaves_no_file(tmp_path: Path, refuses: bool) -> None:
    objects, content = ObjectStore(tmp_path / "objects"), b"x" * (INLINE + 1)
    asked: list[Doc] = []
    try:
        captured.put(ctx(objects, refuses, asked), "b", "k", content, "application/json")
    except AwsError:
        assert refuses
    finally:
        objects.close()
    assert asked[0]["Body"].read() == content if not refuses else not asked[0]["Body"].path.exists()
    assert (asked[0]["Bucket"], asked[0]["Key"]) == ("b", "k")
