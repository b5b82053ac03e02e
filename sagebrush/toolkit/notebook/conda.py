"""What `conda` is in a notebook instance: `conda.py ROOT KERNELS COMMAND…`; runs on any Python.

There is no conda here: an environment of it is a kernel's own environment (`kernel.overlay`) under
the name that it has on AWS, in ROOT/envs, and packages come by pip. `conda activate` prints what the
shell function of furnish.py evaluates, as conda's own `shell.posix` does. Standard library only.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

if __package__ in (None, ""):  # run as a script: /opt/sagebrush/toolkit/notebook/conda.py
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from sagebrush.toolkit.notebook import kernel

LISTED = {"python3": "python3", "pytorch": "pytorch_p310", "tensorflow": "tensorflow2_p310"}
"""Kernel -> its environment's name on today's instances; others have the kernel's own."""
ALIASES = {
    r"base|root|anaconda3|JupyterSystemEnv|python3": "python3",
    r"(amazonei_)?mxnet(_latest)?(_p\d+)?": "python3",
    r"(amazonei_)?pytorch(_latest)?(_p3\d+)?": "pytorch",
    r"(amazonei_)?tensorflow2?(_p3\d+)?": "tensorflow",
}
"""Names of environments that AWS's instances have or had -> kernel."""
RENAMED = {
    "pytorch": "torch",
    "opencv": "opencv-python-headless",
    "py-opencv": "opencv-python-headless",
    "py-xgboost": "xgboost",
    "msgpack-python": "msgpack",
    "pytables": "tables",
}
"""conda's name of a package -> the package index's, where they differ."""
SHARED = "share/jupyter"
"""Where an environment keeps its kernelspecs."""
VALUED = ("-n", "--name", "-p", "--prefix", "-c", "--channel", "--file", "--solver")
"""Options that a value follows."""
VERBS = {"install": "install", "update": "install", "upgrade": "install"}
REMOVES = ("remove", "uninstall")
QUIET = {
    "init": "every login shell and terminal here knows `conda activate` already",
    "config": "channels and settings of conda have no effect here: packages come by pip",
    "clean": "there are no package caches of conda here",
}
"""What a script may ask for that changes nothing here."""
ABOUT = (
    "conda: Sagebrush's stand-in: it knows activate, deactivate, install, update, remove, list, run,"
    " env list and info, over pip"
)


class Refused(Exception):
    """It is not done; the text says why."""


@dataclass(frozen=True)
class Asked:
    """The arguments of one command."""

    words: list[str]
    environment: str = ""
    files: list[str] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Conda:
    """The environments of one instance: `root` is its anaconda3, `kernels` holds the kernelspecs."""

    root: Path
    kernels: Path

    def specs(self) -> dict[str, tuple[str, str]]:
        """Kernel -> the environments of its framework and of its SDK, as far as they are built."""
        found = {}
        for file in sorted(self.kernels.glob("*/kernel.json")):
            try:
                argv = json.loads(file.read_text())["argv"]
            except (OSError, ValueError):  # replaced just now
                continue
            found[file.parent.name] = (os.path.dirname(os.path.dirname(argv[0])), argv[2])
        return found

    def lay(self) -> None:
        """ROOT/envs has an environment for each kernel that is built. Repeatable."""
        envs = self.root / "envs"
        envs.mkdir(parents=True, exist_ok=True)
        for name, (framework, sdk) in self.specs().items():
            python = kernel.overlay(str(self.root.parent), framework, sdk)
            own = os.path.dirname(os.path.dirname(python))
            self._link(envs / LISTED.get(name, name), own)
            # its `python3`, as each of AWS's environments has one: for nbconvert and its like
            specs = Path(own, SHARED, "kernels")
            specs.mkdir(parents=True, exist_ok=True)
            self._link(specs / "python3", str(self.kernels / name))
        if (envs / "python3").is_dir():
            self._link(envs / "JupyterSystemEnv", "python3")

    def _link(self, link: Path, target: str) -> None:
        if not link.is_symlink() or os.readlink(link) != target:
            aside = link.with_name(f".{link.name}.{os.getpid()}")
            aside.symlink_to(target)
            aside.replace(link)

    def prefix(self, name: str) -> Path:
        """The environment of that name or path; the root for base. Raises Refused."""
        if name in ("", "base", "root") or Path(name) == self.root:
            return self.root
        if "/" in name and Path(name).parent != self.root / "envs":
            return self._at(name)
        path = self.path(os.path.basename(name.rstrip("/")))
        if path.is_dir():
            return path
        if path.name in LISTED.values():
            why = "it is still being built on this machine, or SAGEBRUSH_NOTEBOOK_ENVIRONMENTS"
            raise Refused(f"conda: the environment {name} is not there: {why} leaves it out")
        names = ", ".join(each.name for each in self.environments())
        raise Refused(f"conda: there is no environment {name} here; there are: {names}")

    def path(self, name: str) -> Path:
        """Where the environment of a name, AWS's or its own here, is or would be."""
        path = self.root / "envs" / name
        found = aliased(name)
        return path if path.is_dir() else self.root / "envs" / LISTED.get(found, found)

    def _at(self, path: str) -> Path:
        """The environment at another path of it: a kernel's sys.prefix. Raises Refused."""
        for each in self.environments():
            if os.path.realpath(each) == os.path.realpath(path):
                return self.path(aliased(each.name)) if each.name == "JupyterSystemEnv" else each
        raise Refused(f"conda: {path} is none of this instance's environments")

    def link(self, names: Iterable[str]) -> None:
        """ROOT/envs has those that a script names by their paths under older names of AWS's, too."""
        for name in names:
            if self.path(name).is_dir() and not (self.root / "envs" / name).exists():
                self._link(self.root / "envs" / name, self.path(name).name)

    def environments(self) -> list[Path]:
        """Those in ROOT/envs."""
        return sorted(p for p in (self.root / "envs").glob("[!.]*") if p.is_dir())

    def bins(self, prefix: Path) -> list[str]:
        """What an activated environment puts first on the path: its own programs, conda's, and those
        of the environment beneath."""
        inside = self.root / "envs" / "python3" if prefix == self.root else prefix
        beneath = {
            f"{os.path.basename(f)}-{os.path.basename(s)}": f for f, s in self.specs().values()
        }
        framework = beneath.get(os.path.basename(os.path.realpath(inside)))
        found = [str(inside / "bin"), str(self.root / "bin")]
        return found + ([os.path.join(framework, "bin")] if framework else [])

    def python(self, prefix: Path) -> str:
        """Its interpreter."""
        return str(
            (self.root / "envs" / "python3" if prefix == self.root else prefix) / "bin/python"
        )


def aliased(name: str) -> str:
    """The kernel that an AWS environment's name leads to; the name itself where it is none."""
    for pattern, found in ALIASES.items():
        if re.fullmatch(pattern, name):
            return found
    return name


# ---- activate


def activate(conda: Conda, name: str, environ: dict[str, str]) -> dict[str, str | None]:
    """The variables that change, None for those to unset. Raises Refused."""
    prefix = conda.prefix(name)
    level = int(environ.get("CONDA_SHLVL") or 0)
    before = environ.get("CONDA_PREFIX")
    given = os.path.basename(name.rstrip("/")) if prefix != conda.root else "base"
    changes: dict[str, str | None] = {
        "CONDA_PREFIX": str(prefix),
        "CONDA_DEFAULT_ENV": given,
        "CONDA_PROMPT_MODIFIER": f"({given}) ",
        "CONDA_EXE": str(conda.root / "bin" / "conda"),
        **_paths(conda, before, prefix, environ),
    }
    if before != str(prefix):
        changes["CONDA_SHLVL"] = str(level + 1)
        if before:
            changes[f"CONDA_PREFIX_{level}"] = before
    return changes


def deactivate(conda: Conda, environ: dict[str, str]) -> dict[str, str | None]:
    """The variables that change, so that the environment before this one is active again."""
    before = environ.get("CONDA_PREFIX")
    level = int(environ.get("CONDA_SHLVL") or 0)
    if not before or level < 1:
        return {}
    back = environ.get(f"CONDA_PREFIX_{level - 1}")
    prefix = Path(back) if back else None
    name = "base" if prefix == conda.root else prefix.name if prefix else None
    return {
        "CONDA_PREFIX": back,
        "CONDA_DEFAULT_ENV": name,
        "CONDA_PROMPT_MODIFIER": f"({name}) " if name else None,
        "CONDA_SHLVL": str(level - 1),
        f"CONDA_PREFIX_{level - 1}": None,
        **_paths(conda, before, prefix, environ),
    }


def _paths(
    conda: Conda, before: str | None, prefix: Path | None, environ: dict[str, str]
) -> dict[str, str | None]:
    """The search paths once `prefix` is active in place of `before`."""
    old = conda.bins(Path(before)) if before else []
    new = conda.bins(prefix) if prefix else []
    path = _replaced(environ.get("PATH", os.defpath), old, new)
    shared = [str(Path(each).parent / SHARED) for each in old[:1]]
    data = [str(Path(each).parent / SHARED) for each in new[:1]]
    jupyter = _replaced(environ.get("JUPYTER_PATH", ""), shared, data)
    return {"PATH": path, "JUPYTER_PATH": jupyter or None}


def _replaced(path: str, old: list[str], new: list[str]) -> str:
    parts = [each for each in path.split(os.pathsep) if each]
    for each in old:
        if each in parts:  # once: the path before it may have had it too
            parts.remove(each)
    return os.pathsep.join([*new, *parts])


def shell(changes: dict[str, str | None], prompt: str) -> str:
    """`changes` as commands of a POSIX shell; `prompt` is the modifier that stands in PS1 now."""
    lines = []
    for name, value in changes.items():
        lines.append(f"unset {name}" if value is None else f"export {name}={shlex.quote(value)}")
    if "CONDA_PROMPT_MODIFIER" in changes:
        new = changes["CONDA_PROMPT_MODIFIER"] or ""
        bare = f"${{PS1#{shlex.quote(prompt)}}}" if prompt else "$PS1"
        lines.append(f'[ -z "${{PS1-}}" ] || PS1={shlex.quote(new)}"{bare}"')
    return "\n".join([*lines, "hash -r"])


# ---- packages


def asked(arguments: Sequence[str]) -> Asked:
    """The arguments of a command, apart."""
    found, rest = Asked([]), list(arguments)
    environment = ""
    while rest:
        word = rest.pop(0)
        option, equals, value = word.partition("=")
        if not word.startswith("-"):
            found.words.append(word)
        elif option in VALUED:
            value = value if equals else rest.pop(0) if rest else ""
            if option in ("-n", "--name", "-p", "--prefix"):
                environment = value
            elif option == "--file":
                found.files.append(value)
        else:
            found.flags.append(word)
    return Asked(found.words, environment, found.files, found.flags)


def requirement(spec: str) -> str:
    """conda's match specification as pip has it: `pkg=1.2` is `pkg==1.2.*`, `pkg=1.2=py_0` too."""
    spec = spec.rpartition("::")[2].strip()
    name, rest = re.fullmatch(r"([\w.\-]+)\s*(.*)", spec, re.DOTALL).groups() if spec else ("", "")  # type: ignore[union-attr]
    name = RENAMED.get(name.lower(), name)
    single = re.fullmatch(r"=([^=<>!~,|*]+?)(\.?\*)?(=.*)?", rest)
    if single:
        return f"{name}=={single[1]}.*"
    return f"{name}{rest}"


def install(conda: Conda, verb: str, given: Asked) -> int:
    """pip's exit status, with the packages in the environment. Raises Refused."""
    prefix = _chosen(conda, given)
    words, wanted = [], [requirement(each) for each in given.words]
    for each in wanted:
        if re.match(r"(python|conda|anaconda|pip)(?![\w.\-])", each):
            print(f"conda: {each} stays as it is: this environment's Python cannot be changed")
        else:
            words.append(each)
    for file in given.files:
        words += [requirement(line) for line in _lines(file)]
    if not words:
        return 0
    more = ["--upgrade"] if verb != "install" else []
    quiet = ["-q"] if {"-q", "--quiet"} & set(given.flags) else []
    return _pip(conda, prefix, "install", *more, *quiet, *words)


def _lines(file: str) -> list[str]:
    try:
        text = Path(file).read_text()
    except OSError as error:
        raise Refused(f"conda: {file}: {error.strerror}") from error
    return [line.strip() for line in text.splitlines() if line.strip() and line[0] not in "#@"]


def _chosen(conda: Conda, given: Asked) -> Path:
    active = os.environ.get("CONDA_PREFIX") or os.environ.get("VIRTUAL_ENV", "")
    return conda.prefix(given.environment or active)


def _pip(conda: Conda, prefix: Path, *arguments: str) -> int:
    command = [conda.python(prefix), "-m", "pip", "--disable-pip-version-check", *arguments]
    # a script that a shell reads from its standard input goes on after this command
    return subprocess.run(command, stdin=subprocess.DEVNULL).returncode


def run(conda: Conda, arguments: Sequence[str]) -> int:
    """The program's exit status, in the environment."""
    rest, name = list(arguments), ""
    while rest and rest[0].startswith("-"):
        option = rest.pop(0)
        if option in VALUED and rest:
            name = rest.pop(0)
    changes = activate(conda, name, dict(os.environ))
    environ = {**os.environ, **{k: v for k, v in changes.items() if v is not None}}
    if not rest:
        raise Refused("conda: run needs a command")
    os.execvpe(rest[0], rest, environ)


def table(conda: Conda) -> str:
    """The environments as `conda env list` shows them."""
    active = os.environ.get("CONDA_PREFIX")
    rows = [("base", conda.root), *((each.name, each) for each in conda.environments())]
    lines = [f"{n:<22} {'*' if str(p) == active else ' '}  {p}" for n, p in rows]
    return "\n".join(["# conda environments:", "#", *lines, ""])


def information(conda: Conda) -> str:
    """What `conda info` shows."""
    active = os.environ.get("CONDA_DEFAULT_ENV", "None")
    rows = [
        ("active environment", active),
        ("active env location", os.environ.get("CONDA_PREFIX", "None")),
        ("base environment", str(conda.root)),
        ("conda version", "none: Sagebrush's stand-in over pip"),
    ]
    return "\n".join(f"{name:>23} : {value}" for name, value in rows)


def command(conda: Conda, arguments: Sequence[str]) -> int:
    """The exit status of one command. Raises Refused."""
    verb, rest = (arguments[0], list(arguments[1:])) if arguments else ("", [])
    given = asked(rest)
    if verb == "shell.posix":
        return _shell(conda, rest)
    if verb in VERBS:
        return install(conda, verb, given)
    if verb in REMOVES:
        names = [requirement(each) for each in given.words]
        return _pip(conda, _chosen(conda, given), "uninstall", "-y", *names)
    if verb == "list":
        return _pip(conda, _chosen(conda, given), "list")
    if verb == "run":
        return run(conda, rest)
    if verb in QUIET:
        print(f"conda {verb}: {QUIET[verb]}")
        return 0
    if (verb, given.words[:1]) == ("env", ["list"]) or (
        verb == "info" and {"-e", "--envs"} & set(rest)
    ):
        print(table(conda))
        return 0
    if verb == "info":
        print(information(conda))
        return 0
    if verb in ("", "-h", "--help", "-V", "--version"):
        print(ABOUT)
        return 0
    raise Refused(_refusal(verb, given))


def _refusal(verb: str, given: Asked) -> str:
    """One line: why, and what to use."""
    if verb in ("activate", "deactivate"):
        return f"conda: {verb} works in a shell: source ~/anaconda3/bin/{verb} first"
    if verb in ("create", "env"):
        return (
            f"conda {verb}: no environments are made here (there is no conda): use one of `conda env"
            " list`, or python -m venv"
        )
    return f"{ABOUT}; not {' '.join([verb, *given.words])}"


def _shell(conda: Conda, arguments: Sequence[str]) -> int:
    verb, *rest = arguments or [""]
    given = asked(rest)
    environ = dict(os.environ)
    if verb == "activate":
        name = given.words[0] if given.words else given.environment
        changes = activate(conda, name, environ)
    else:
        changes = deactivate(conda, environ)
    if changes:
        print(shell(changes, environ.get("CONDA_PROMPT_MODIFIER", "")))
    return 0


def main(arguments: Sequence[str]) -> int:
    """The exit status of `conda.py ROOT KERNELS COMMAND…`."""
    conda = Conda(Path(arguments[0]), Path(arguments[1]))
    try:
        conda.lay()  # those built since
        return command(conda, arguments[2:])
    except Refused as refused:
        print(refused, file=sys.stderr)
        return 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
