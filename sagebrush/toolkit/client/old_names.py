"""Names of NumPy and scikit-learn that their later versions dropped, for notebooks of AWS's that call them.

AWS's example notebooks were written with the versions of their day, and the kernels here have today's.
Only what changed its name alone is here. Each function changes one module, right after it was loaded.
Standard library only.
"""

from __future__ import annotations

import functools
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def numpy(module: Any) -> None:
    """`np.int` and its like are Python's types (until NumPy 1.24)."""
    for kind in (int, float, complex, bool, object, str):
        if kind.__name__ not in vars(module):
            setattr(module, kind.__name__, kind)


def vectorizers(module: Any) -> None:
    """`get_feature_names` gives the list of `get_feature_names_out` (until scikit-learn 1.2);
    TfidfVectorizer inherits it."""
    kind = module.CountVectorizer
    if not hasattr(kind, "get_feature_names"):
        kind.get_feature_names = lambda self: list(self.get_feature_names_out())


def manifolds(module: Any) -> None:
    """`TSNE` takes `n_iter` for `max_iter` (until scikit-learn 1.7)."""
    begin = module.TSNE.__init__
    # Of old versions, which a user may have installed, a decorator or the place takes `n_iter`.
    if "max_iter" not in (begin.__kwdefaults__ or {}) or "n_iter" in begin.__kwdefaults__:
        return

    @functools.wraps(begin)
    def told(self: Any, *args: Any, **given: Any) -> None:
        if "n_iter" in given:
            given["max_iter"] = given.pop("n_iter")
        begin(self, *args, **given)

    module.TSNE.__init__ = told


def data_sets(module: Any) -> None:
    """`sklearn.datasets.twenty_newsgroups` is found (until scikit-learn 0.24)."""
    found = sys.modules.get(f"{module.__name__}._twenty_newsgroups")
    if found is not None:  # versions before 0.22 have the old name alone
        sys.modules.setdefault(f"{module.__name__}.twenty_newsgroups", found)


CHANGES: dict[str, Callable[[Any], None]] = {
    "numpy": numpy,
    "sklearn.feature_extraction.text": vectorizers,
    "sklearn.manifold": manifolds,
    "sklearn.datasets": data_sets,
}
"""Module -> what changes it."""
