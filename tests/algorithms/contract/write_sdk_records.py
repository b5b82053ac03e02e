"""Writes sdk_records.json: recordIO-protobuf as the SageMaker SDK v2 writes it, with what it holds.

Run by the interpreter of an SDK: `.venv-sdk2/bin/python tests/algorithms/contract/write_sdk_records.py`.
"""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import numpy as np
import scipy.sparse  # pyright: ignore[reportMissingImports]
from sagemaker.amazon import common  # pyright: ignore[reportMissingImports]

dense = np.array([[0.5, -1, 3e38], [0, 200, 1e-30]])
integers = np.array([[1, -2, 300], [2**31 - 1, -(2**31), 0]])
sparse = scipy.sparse.csr_matrix(
    ([1.5, 2, 3, 4], ([0, 0, 2, 2], [1, 70000, 127, 128])), shape=(3, 70001)
)
FILES = {
    "float32": (dense.astype("float32"), None),
    "float64": (dense, np.array([1.5, 2.0])),
    "int32": (integers, np.array([7, -1])),
    "float32 labels": (dense.astype("float32"), np.array([1, 0], "float32")),
    "sparse": (sparse.astype("float32"), None),
    "sparse float64": (sparse, np.array([1.0, 2.0, 3.0])),
}
made = {}
for name, (array, labels) in FILES.items():
    out = io.BytesIO()
    if scipy.sparse.issparse(array):
        common.write_spmatrix_to_sparse_tensor(out, array, labels)
    else:
        common.write_numpy_to_dense_tensor(out, array, labels)
    out.seek(0)
    assert len(common.read_records(out)) == array.shape[0]
    whole = array.toarray() if scipy.sparse.issparse(array) else array
    made[name] = {
        "bytes": base64.b64encode(out.getvalue()).decode(),
        "type": str(array.dtype),
        "width": array.shape[1],
        "entries": [
            [int(r), int(c), float(whole[r, c])] for r, c in zip(*np.nonzero(whole), strict=True)
        ],
        "labels": None if labels is None else labels.tolist(),
    }
lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(entry)}" for name, entry in made.items())
Path(__file__).with_name("sdk_records.json").write_text(f"{{\n{lines}\n}}\n")
