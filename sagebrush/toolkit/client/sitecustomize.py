"""Makes the SageMaker SDKs' hard-coded STS address lead to Sagebrush, in one shell only.

Both SDKs build `https://` plus the STS host name that botocore's endpoint table gives, and ignore
AWS_ENDPOINT_URL. botocore looks for that table in one folder before its own; this file points
that folder (a constant of `botocore.loaders`) at Sagebrush's copy, once botocore is imported, and
only while AWS_ENDPOINT_URL still leads where `sagebrush env` set it. The same shell sees none of what
the SDKs say or send because of that (`quiet.py`). It then runs the sitecustomize that would have been
found without it. Standard library only: it runs at every start
of Python.

In a sandbox it also lets `pip install` work as in AWS's containers, where a job may write into its
environment: here the environment is read-only and shared, so pip runs in a virtual
environment of the job's own, which every Python of the job searches before the environment. SDK v3's
MPI driver gets the toolkit's agents in place of sshd (`mpi_v3.py`). A remote function's job finds the
SDK beneath its environment, a training script AWS's toolkits (`containers`), a notebook's kernel what reads MXNet's files (`kernels`), and names that packages dropped (`old_names.py`). Protocol buffers' modules of old compilers load (`old_messages.py`); a notebook instance's programs know Studio's kernels. NLTK and spaCy say how their data comes (`language_data.py`).
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

_HERE = os.path.dirname(os.path.abspath(__file__))
_SANDBOX = "/opt/sagebrush/"
_CLI = "awscli.customizations.overridesslcommonname"
"""Where version 1 of the AWS CLI sends `aws sqs` to AWS's own host whatever AWS_ENDPOINT_URL says."""


class _Loader:
    """Runs a module's own loader, then changes the module."""

    def __init__(self, inner: Any, change: Callable[..., None]) -> None:
        self._inner = inner
        self._change = change

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._inner.create_module(spec)

    def exec_module(self, module: Any) -> None:
        self._inner.exec_module(module)
        self._change(module)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _Finder:
    """Finds some modules, each once, as the other finders do, and wraps its loader in the one above."""

    def __init__(self, changes: dict[str, Callable[[Any], None]]) -> None:
        self._changes = changes

    def find_spec(
        self, fullname: str, path: Any = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        change = self._changes.pop(fullname, None)
        if change is None:
            return None
        if not self._changes:
            sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            setattr(spec, "loader", _Loader(spec.loader, change))  # noqa: B010
        return spec


class _OldMessages:
    """Finds protocol buffers' modules that protoc before 3.19 made, and has them loaded."""

    _old: Any = None

    def find_spec(
        self, fullname: str, path: Any = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if not fullname.endswith("_pb2") or fullname.startswith("google.protobuf."):
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.loader is None or not (spec.origin or "").endswith(".py"):
            return None
        if self._old is None:  # once: TensorFlow has a hundred such modules
            self._old = _toolkit("client/old_messages.py")
        if self._old.is_old(spec.origin):
            setattr(spec, "loader", _OldLoader(spec.loader, self._old.load))  # noqa: B010
        return spec


class _OldLoader(_Loader):
    """Has a module loaded by `change`, which is given its own loader."""

    def exec_module(self, module: Any) -> None:
        self._change(module, self._inner)


def _point() -> None:
    folder = os.environ.get("SAGEBRUSH_CLIENT_DATA")
    if folder and os.environ.get("AWS_ENDPOINT_URL") and os.path.isdir(folder):

        def change(module: Any) -> None:
            module.Loader.CUSTOMER_DATA_PATH = folder
            quiet = _toolkit("client/quiet.py")
            quiet.begin()
            sys.meta_path.insert(0, _Finder({name: quiet.silence for name in quiet.TELEMETRY}))

        changes = {"botocore.loaders": change, _CLI: lambda module: module.SSL_COMMON_NAMES.clear()}
        sys.meta_path.insert(0, _Finder(changes))


def _advise() -> None:
    """NLTK and spaCy say how to get data and models."""
    if _HERE.startswith(_SANDBOX):
        names = ("nltk.data", "nltk.downloader", "spacy.errors", "spacy.cli.download")
        _change_late("client/language_data.py", names)


def _change_late(place: str, names: tuple[str, ...]) -> None:
    """These modules are changed by CHANGES of the toolkit's module at `place`, once they are loaded."""

    def late(name: str) -> Callable[[Any], None]:
        return lambda module: _toolkit(place).CHANGES[name](module)

    sys.meta_path.insert(0, _Finder({name: late(name) for name in names}))


def _arguments() -> list[str]:
    """What this interpreter was started with."""
    if sys.version_info >= (3, 10):
        return sys.orig_argv[1:]
    try:
        with open("/proc/self/cmdline", errors="surrogateescape") as file:
            return file.read().split("\0")[1:-1]
    except OSError:  # not on this system
        return []


def _agents_for_ssh() -> None:
    """Whether this is SDK v3's MPI driver: its file is the main program."""
    if "mpi_driver.py" not in "".join(_arguments()[:1]):
        return
    driver = _toolkit("training/mpi_v3.py")
    driver.before()
    sys.meta_path.insert(0, _Finder({driver.MODULE: driver.after}))


def _chain() -> None:
    """Runs the next sitecustomize on the path, as if this one were not there."""
    rest = [p for p in sys.path if os.path.abspath(p or os.curdir) != _HERE]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", rest)
    if spec is not None and spec.loader is not None:
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)


def _folder(prefix: str) -> str:
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    return os.path.join(prefix, "lib", version, "site-packages")


def _put_over() -> None:
    """Packages installed over this environment are found before its own; pip installs there."""
    if not _HERE.startswith(_SANDBOX) or sys.prefix == sys.base_prefix:
        return
    own = _folder(sys.prefix)
    if own not in sys.path:
        return
    if os.access(own, os.W_OK):  # an overlay's own interpreter
        if _installs(_arguments()):
            _mend_afterwards()
        return
    overlay = os.path.join(os.environ.get("TMPDIR") or "/tmp", "sagebrush-overlay")
    if _installs(_arguments()):
        python = _overlay()
        os.execv(python, [python, *_arguments()])
    found = [_folder(overlay)]
    if layer := os.environ.get("SAGEBRUSH_LAYER"):
        found.append(_folder(os.path.join(layer, "venv")))
    try:
        # There from the start: a running Python finds what is installed later.
        os.makedirs(found[0], exist_ok=True)
    except OSError:
        return
    before = list(sys.path)
    import site

    for folder in found:
        if folder not in before and os.path.isdir(folder):
            site.addsitedir(folder)
    added = [path for path in sys.path if path not in before]
    at = before.index(own)
    sys.path[:] = [*before[:at], *added, *before[at:]]


def _put_beneath() -> None:
    """What a remote function's job needs of the SDK is found where the environment lacks it."""
    folder = _folder(os.environ.get("SAGEBRUSH_BENEATH") or _SANDBOX)
    if folder not in sys.path and os.path.isdir(folder):
        sys.path.append(folder)


def _name_the_containers() -> None:
    """A training script finds what it imports from AWS's toolkits where the environment lacks it."""
    if "TRAINING_JOB_NAME" in os.environ:
        sys.path.append(os.path.join(os.path.dirname(_HERE), "containers"))


def _name_for_kernels() -> None:
    """A notebook finds MXNet's reading of files (`kernels`), and names that packages dropped since."""
    if "ipykernel_launcher" not in _arguments():
        return
    sys.path.append(os.path.join(os.path.dirname(_HERE), "kernels"))
    texts = "sklearn.feature_extraction.text"
    _change_late("client/old_names.py", ("numpy", texts, "sklearn.manifold", "sklearn.datasets"))


def _name_studios_kernels() -> None:
    """What starts kernels in a notebook instance finds them under Studio's names (nbconvert)."""
    if "SAGEBRUSH_VOLUME" in os.environ:
        _change_late("notebook/studio_kernels.py", ("jupyter_client.kernelspec",))


def _installs(arguments: list[str]) -> bool:
    """Whether this is `pip install` or `pip uninstall`, by -m or by its script."""
    at = 0
    while at < len(arguments) and arguments[at].startswith("-") and arguments[at] != "-m":
        at += 1
    rest = arguments[at : at + 2]
    called = rest == ["-m", "pip"] or os.path.basename("".join(rest[:1])) in ("pip", "pip3")
    return called and bool({"install", "uninstall"} & set(arguments))


def _mend_afterwards() -> None:
    """What this pip tears apart goes together again when it has ended."""
    import atexit

    if not os.environ.get("SAGEBRUSH_MENDS"):
        atexit.register(_toolkit("packages/after_pip.py").mend)


def _overlay() -> str:
    """The interpreter of the job's overlay, which is created if needed."""
    return _toolkit("packages/overlay.py").create()


def _toolkit(name: str) -> Any:
    """A module of a folder next to this one."""
    file = os.path.join(os.path.dirname(_HERE), name)
    spec = importlib.util.spec_from_file_location(f"_sagebrush_{name.partition('.')[0]}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_point()
_put_over()
_put_beneath()
_name_the_containers()
_name_for_kernels()
_name_studios_kernels()
_advise()
sys.meta_path.insert(0, _OldMessages())
_agents_for_ssh()
_chain()
