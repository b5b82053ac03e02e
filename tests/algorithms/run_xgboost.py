"""Run in an environment with XGBoost: the training jobs in the folders named, one after another in this
process; prints of each its exit status, its log and how many rounds its model has. The model's trees are
in the file `trees` of its folder."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from pathlib import Path

import sagebrush.algorithms as package

sys.path.insert(0, str(Path(next(iter(package.__path__)))))


def main(roots: list[str]) -> None:
    """One entry for each folder: [exit status, log, rounds of the model or -1]."""
    import xgboost  # pyright: ignore[reportMissingImports]
    from contract.job import run  # pyright: ignore[reportMissingImports]
    from sagemaker_xgboost.train import train  # pyright: ignore[reportMissingImports]

    found = []
    for root in roots:
        os.environ["SAGEBRUSH_ML"] = root
        log = io.StringIO()
        with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
            status = run(train)
        model, rounds = Path(root, "model", "xgboost-model"), -1
        if model.is_file():
            booster = xgboost.Booster()
            booster.load_model(str(model))
            rounds = booster.num_boosted_rounds()
            Path(root, "trees").write_text("".join(booster.get_dump(with_stats=True)))
        found.append([status, log.getvalue(), rounds])
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
