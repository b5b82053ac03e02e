"""Studio's names of kernels lead to an instance's own, for every program that starts kernels there.

AWS's example notebooks carry them (`python3__SAGEMAKER_INTERNAL__arn:aws:sagemaker:…:image/…`). Such
a name cannot be a kernelspec's folder, as the names of AWS's instances are (furnish.py): it is
translated where jupyter_client looks a kernel up, in JupyterLab, nbconvert, papermill and their like
alike. Standard library only: runs at the start of Python (`sitecustomize.py`).
"""

from __future__ import annotations

import functools

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

STUDIO = "__SAGEMAKER_INTERNAL__"
"""In the names of Studio's kernels; an image's ARN follows."""


def own(name: str, there: Callable[[str], Any]) -> str | None:
    """The kernel's name here of one of Studio's that runs Python, None for any other name. `there` is
    true of a kernel that is built: until its framework's is, a notebook has Python's."""
    family, studio, image = name.partition(STUDIO)
    if not studio or not family.startswith("python"):
        return None
    known = (each for each in ("pytorch", "tensorflow") if each in image.lower())
    return next((each for each in known if there(each)), "python3")


def _translate(module: Any) -> None:
    """The manager of kernelspecs finds them under Studio's names too."""
    manager = module.KernelSpecManager
    found = manager.get_kernel_spec

    @functools.wraps(found)
    def get_kernel_spec(self: Any, kernel_name: str) -> Any:
        return found(self, own(kernel_name, self._find_spec_directory) or kernel_name)

    manager.get_kernel_spec = get_kernel_spec


CHANGES: dict[str, Callable[[Any], None]] = {"jupyter_client.kernelspec": _translate}
"""Module -> what changes it once it is loaded."""
