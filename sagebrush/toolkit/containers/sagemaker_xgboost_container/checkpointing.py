"""Checkpoints of XGBoost scripts: `xgboost-checkpoint.<round>`, the last five.

Source: github.com/aws/sagemaker-xgboost-container, `checkpointing.py`, and AWS's notebook
xgboost_managed_spot_training. xgboost is imported where it is used.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

CHECKPOINT_FILENAME = "xgboost-checkpoint"


def load_checkpoint(checkpoint_dir: str | None, max_try: int = 5) -> tuple[str | None, int]:
    """(path of the last readable checkpoint, rounds that it holds); (None, 0) without one."""
    import xgboost  # pyright: ignore[reportMissingImports]

    folder = Path(checkpoint_dir or "")
    if not checkpoint_dir or not folder.is_dir():
        return None, 0
    found = [
        (int(path.suffix[1:]), path)
        for path in folder.iterdir()
        if re.fullmatch(rf"{CHECKPOINT_FILENAME}\.\d+", path.name)
    ]
    for number, path in sorted(found, reverse=True)[:max_try]:
        try:
            xgboost.Booster(model_file=str(path))
        except xgboost.core.XGBoostError:
            continue
        return str(path), number + 1
    return None, 0


def save_checkpoint(
    checkpoint_dir: str,
    start_iteration: int = 0,
    max_to_keep: int = 5,
    num_round: int | None = None,
    rank: int = 0,
    iteration: int = 0,
    end_iteration: int | None = None,
) -> Any:
    """A callback for xgboost.train that saves the model after each round and keeps the last ones."""
    del num_round, iteration, end_iteration
    folder = Path(checkpoint_dir)
    folder.mkdir(parents=True, exist_ok=True)

    def keep(model: Any, epoch: int) -> None:
        number = start_iteration + epoch
        part = folder / f".{CHECKPOINT_FILENAME}.sagemaker-ignore"
        model.save_model(str(part))
        os.replace(part, folder / f"{CHECKPOINT_FILENAME}.{number}")
        old = folder / f"{CHECKPOINT_FILENAME}.{number - max_to_keep}"
        if old.exists():
            old.unlink()

    return _callback(keep, rank)


def _callback(keep: Any, rank: int) -> Any:
    """`keep(model, round)` as a callback of this XGBoost: a class since 1.3, a function before."""
    import xgboost  # pyright: ignore[reportMissingImports]

    if not hasattr(xgboost.callback, "TrainingCallback"):

        def after(env: Any) -> None:
            if env.rank == 0:
                keep(env.model, env.iteration)

        return after

    class Save(xgboost.callback.TrainingCallback):
        """Saves after each round."""

        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            """False: training goes on."""
            if rank == 0:
                keep(model, epoch)
            return False

    return Save()


def train(train_args: dict[str, Any], checkpoint_dir: str) -> Any:
    """The Booster of xgboost.train(**train_args), begun with the last checkpoint in the folder, where
    each round's is kept."""
    import xgboost  # pyright: ignore[reportMissingImports]

    path, done = load_checkpoint(checkpoint_dir)
    if path is not None:
        print(f"Checkpoint loaded from {path}\nResuming from iteration {done}", flush=True)
    own = dict(train_args)
    own["num_boost_round"] = own.get("num_boost_round", 10) - done
    own["xgb_model"] = path
    own["callbacks"] = [*own.get("callbacks", ()), save_checkpoint(checkpoint_dir, done)]
    return xgboost.train(**own)
