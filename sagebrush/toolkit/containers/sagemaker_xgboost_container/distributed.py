"""Training on several instances by XGBoost's Rabit, which is not here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


def rabit_run(
    exec_fun: Callable[..., Any],
    args: dict[str, Any],
    include_in_training: bool,
    hosts: Sequence[str],
    current_host: str,
    **_how: Any,
) -> None:
    """`exec_fun` has run with `args`, as the master, on the only one of `hosts`.

    Raises NotImplementedError for several.
    """
    if len(hosts) > 1:
        raise NotImplementedError(
            f"sagemaker_xgboost_container.distributed.rabit_run on {len(hosts)} instances is not"
            " here: train on one, or use xgboost.dask or xgboost.collective in the script"
        )
    if include_in_training:
        exec_fun(**args, is_master=True)
