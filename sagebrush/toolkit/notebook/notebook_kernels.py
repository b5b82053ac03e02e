"""Notebooks that ask for a kernel by its name on AWS get the one that is it here (for Jupyter's server).

furnish.py links kernelspecs of those names (`conda_pytorch_p310`), so that nbconvert and its like find
them. JupyterLab offers every kernelspec that the server lists, and asks its user about a name that is
not listed: the links are not listed, and a notebook is shown with the kernel's name here, while its
file keeps the name that it came with. Studio's names (studio_kernels.py) too.
"""

from __future__ import annotations

import importlib
import os
from typing import Any

_studio: Any = importlib.import_module("studio_kernels")
_specs: Any = importlib.import_module("jupyter_client.kernelspec")
_files: Any = importlib.import_module("jupyter_server.services.contents.largefilemanager")


class KernelSpecs(_specs.KernelSpecManager):
    """Lists what is a kernel of its own, and finds it under its names on AWS too."""

    def find_kernel_specs(self) -> dict[str, str]:
        """Kernel name -> its folder, without the links of other names."""
        found = super().find_kernel_specs()
        return {name: folder for name, folder in found.items() if not os.path.islink(folder)}

    def get_kernel_spec(self, kernel_name: str) -> Any:
        """The kernelspec. Raises NoSuchKernel."""
        return super().get_kernel_spec(self.own(kernel_name) or kernel_name)

    def own(self, name: str) -> str | None:
        """The kernel's name here, of one of AWS's that is another; None where there is none."""
        if found := _studio.own(name, self._find_spec_directory):
            return found
        folder = self._find_spec_directory(name.lower())
        return (
            os.path.basename(os.path.realpath(folder))
            if folder and os.path.islink(folder)
            else None
        )


class Contents(_files.AsyncLargeFileManager):
    """The files of the volume; notebooks are shown with kernels of this instance."""

    async def get(self, path: str, *given: Any, **named: Any) -> dict[str, Any]:
        """The model; in a notebook's content, its kernel's name here."""
        model = await super().get(path, *given, **named)
        asked = _kernelspec(model)
        if own := self._own(asked):
            asked["name"] = own
        return model

    async def save(self, model: dict[str, Any], path: str = "") -> dict[str, Any]:
        """The notebook is stored with the kernel's name that its file had, if it is the same one."""
        chosen = _kernelspec(model)
        if chosen and await self.file_exists(path):
            try:
                before = _kernelspec(await super().get(path, type="notebook"))
            except Exception as error:  # no notebook yet, or a broken one, which is to be replaced
                self.log.debug("%s is no notebook: %s", path, error)
                before = {}
            if self._own(before) == chosen.get("name"):
                model["content"]["metadata"]["kernelspec"] = before
        return await super().save(model, path)

    def _own(self, asked: dict[str, Any]) -> str | None:
        name = asked.get("name")
        return self.parent.kernel_spec_manager.own(name) if isinstance(name, str) else None


def _kernelspec(model: dict[str, Any]) -> dict[str, Any]:
    """What a notebook's model says of its kernel; {} for any other model."""
    content = model.get("content") if model.get("type") == "notebook" else None
    metadata = content.get("metadata") if isinstance(content, dict) else None
    found = metadata.get("kernelspec") if isinstance(metadata, dict) else None
    return found if isinstance(found, dict) else {}
