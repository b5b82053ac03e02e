"""SageMaker, its runtime and its metrics (Service Authorization Reference, "Amazon SageMaker").

A module for each group of resources, so that a new one is a new module and its line here.
"""

from __future__ import annotations

from sagebrush.access.actions.entries import Table
from sagebrush.access.actions.sagemaker import hosting, jobs, notebooks, tags_and_hubs

TABLE: Table = {
    **hosting.TABLE,
    **jobs.TABLE,
    **notebooks.TABLE,
    **tags_and_hubs.TABLE,
}
RUNTIME = hosting.RUNTIME
