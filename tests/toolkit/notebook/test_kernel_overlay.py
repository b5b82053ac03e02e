"""A notebook kernel's own environment: over the framework's and the SDK's, with pip of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from sagebrush.toolkit.notebook import kernel

SAYS = "import sys; print('{name}', sys.prefix, *sys.argv[1:])"


def environment(folder: Path, module: str) -> str:
    """An environment whose only package is `module`, which says who runs it when it is run."""
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    package = folder / "lib" / version / "site-packages" / module
    package.mkdir(parents=True)
    (folder / "bin").mkdir()
    (folder / "bin" / "python").symlink_to(Path(sys.executable).resolve())
    (package / "__init__.py").write_text(f"where = '{folder.name}'")
    (package / "__main__.py").write_text(SAYS.format(name=module))
    return str(folder)


def ran(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_pip_of_a_kernel_is_that_of_its_own_environment(tmp_path: Path) -> None:
    framework = environment(tmp_path / "framework-1", "pip")
    sdk = environment(tmp_path / "sdk-1", "sdk")
    python = kernel.overlay(str(tmp_path / "home"), framework, sdk)
    own = Path(python).parent.parent
    assert own == tmp_path / "home" / ".kernels" / "framework-1-sdk-1"
    assert ran(str(own / "bin" / "pip"), "install", "it") == f"pip {own} install it"
    assert ran(python, "-c", "import pip, sdk; print(pip.where, sdk.where)") == "framework-1 sdk-1"
    assert kernel.overlay(str(tmp_path / "home"), framework, sdk) == python  # made once
    assert [each.name for each in own.parent.iterdir()] == [own.name]
