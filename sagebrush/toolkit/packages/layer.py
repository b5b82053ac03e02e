"""A user's requirements.txt as a layer over the job's environment; what runs in the build sandbox.

`layer.py NAME` builds it from /opt/ml/input into /opt/ml/layer: a virtual environment that sees the
environment NAME by a .pth file and holds only what that lacks. `layer.py --failed TEXT` ends a job
whose layer could not be built, as a failed installation ends one. `layer.py --over COMMAND` runs a
command over a virtual environment of the job's own, into which pip can install.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

if __package__ in (None, ""):  # run as a script: /opt/sagebrush/toolkit/packages/layer.py
    sys.path[0] = str(Path(__file__).resolve().parents[3])

from sagebrush.toolkit.packages import cures, import_check, tied, wheels
from sagebrush.toolkit.packages.overlay import PIP

UV = "/opt/sagebrush/uv"
PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==([^\s;#]+)")
CPU = re.compile(r"^torch==\S+\+cpu", re.MULTILINE)
"""A local wheel, in a resolution."""
NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
HOME = re.compile(r"(?m)^home *=.*$")
"""Where pyvenv.cfg says that the interpreter is."""
COMMAND = "uv pip install -r requirements.txt"
"""The environment's own `pip` would install into the environment."""
SHOWN = 20
"""Packages of the environment that are named when a layer breaks them."""
LAST = 40
"""Lines of a compiler's output that the log keeps."""


class Failed(Exception):
    """The requirements cannot be installed; the text says why, with the packages' names."""


@dataclass(frozen=True)
class Wanted:
    """The user's file: its requirements, the options that pip would read there."""

    requirements: tuple[str, ...]
    options: tuple[str, ...]

    @property
    def named(self) -> dict[str, str]:
        """Normalised name -> its requirement; all of them where a name occurs twice."""
        found: dict[str, str] = {}
        for line in self.requirements:
            name = normalised(NAME.findall(line)[0])
            found[name] = f"{found[name]}, {line}" if name in found else line
        return found


def normalised(name: str) -> str:
    """A package's name as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read(text: str) -> Wanted:
    """A parsed requirements file; continued lines are joined and comments left out."""
    requirements, options = [], []
    for line in re.sub(r"\\\n", " ", text).splitlines():
        line = re.sub(r"(^|\s)#.*", "", line).strip()
        if line.startswith("-"):
            options.append(line)
        elif NAME.match(line):
            requirements.append(line)
    return Wanted(tuple(requirements), tuple(options))


def uv_text(options: Sequence[str]) -> tuple[list[str], list[str]]:
    """The options as uv has them: lines of a requirements file, and arguments."""
    lines, arguments = [], []
    for option in options:
        name, _, value = option.replace("=", " ", 1).partition(" ")
        if name == "--pre":
            arguments += ["--prerelease", "allow"]
        elif name == "--trusted-host":
            arguments += ["--allow-insecure-host", value.strip()]
        elif name != "--prefer-binary":  # uv does so anyway
            lines.append(option)
    return lines, arguments


def pins(text: str) -> dict[str, str]:
    """Normalised name -> version of the pinned lines, without local versions (`+cpu`)."""
    found = (PIN.match(line.strip()) for line in text.splitlines())
    return {normalised(m[1]): m[2].partition("+")[0] for m in found if m}


def missing(resolved: Mapping[str, str], present: Mapping[str, str]) -> dict[str, str]:
    """The part of a resolution that the environment lacks, or has in another version."""
    return {name: version for name, version in resolved.items() if present.get(name) != version}


def conflicts(
    wanted: Wanted,
    delta: Mapping[str, str],
    present: Mapping[str, str],
    environment: str,
    bonds: Sequence[tied.Bond] = (),
) -> list[str]:
    """A sentence for each package that the layer replaces; by `bonds` some came along."""
    along = {name: bond.told() for bond in bonds for name in bond.brought()}
    sentences = []
    for name, version in delta.items():
        if name not in present:
            continue
        cause = wanted.named.get(name)
        why = "its requirements need another one"
        if cause:
            why = f"requirements.txt asks for {cause}"
        elif name in along:
            why = f"{along[name]} needs one that goes with it"
        sentences.append(
            f"{name}: {environment} has {name} {present[name]}, {why}: {name} {version} is used"
        )
    return sentences


def named(wanted: Wanted, explanation: str) -> list[str]:
    """The packages of the user's file that uv's explanation names."""
    words = {normalised(word) for word in NAME.findall(explanation)}
    return [name for name in wanted.named if name in words]


def environment_packages() -> dict[str, str]:
    """Name -> version of what this interpreter's environment holds."""
    found = importlib.metadata.distributions(path=[sysconfig.get_path("purelib")])
    return {normalised(d.metadata["Name"]): d.version.partition("+")[0] for d in found}


def cuda() -> bool:
    """Whether this environment's torch is CUDA's build."""
    try:
        return "+cu" in importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        return False


def say(line: str) -> None:
    """The line is in the build's log."""
    print(line, flush=True)


class Build:
    """One layer over this interpreter's environment."""

    def __init__(self, root: Path, environment: str, uv: str = UV) -> None:
        self.root, self.environment, self.uv = root, environment, uv
        self.wanted = read((root / "input" / "requirements.txt").read_text())
        self.present = environment_packages()
        self.layer = root / "layer" / "venv"
        self.work = Path(tempfile.mkdtemp(prefix="work-", dir=root))
        # On the installation's disk, so that files are linked, not copied; removed at the end.
        self.cache = root / "cache"
        self.lines, self.arguments = uv_text(self.wanted.options)
        self.bonds: list[tied.Bond] = []

    def run(self) -> None:
        """The layer is there and output/layer.json says what is in it. Raises Failed."""
        count = len(self.wanted.requirements)
        say(f"requirements.txt: {count} requirements over {self.environment}")
        resolved = self._with_torch(self._with_tied(self._resolve()))
        delta = missing(resolved, self.present)
        warnings = conflicts(self.wanted, delta, self.present, self.environment, self.bonds)
        self._create()
        if delta:
            say(
                f"installing {len(delta)} of {len(resolved)} packages; the environment has the rest"
            )
            self._install(delta)
        else:
            say(f"all {len(resolved)} packages are in the environment already")
        warnings += self._broken(set(delta) & set(self.present))
        warnings += self._brought(delta)
        warnings += self._import(resolved)
        subprocess.run(["rm", "-rf", str(self.cache), str(self.work)], check=False)
        packages = [f"{name}=={version}" for name, version in sorted(delta.items())]
        result = {"packages": packages, "warnings": warnings}
        (self.root / "output" / "layer.json").write_text(json.dumps(result))

    def _resolve(self) -> dict[str, str]:
        """The required packages with their versions; the environment's versions where possible."""
        frozen = "".join(f"{name}=={version}\n" for name, version in sorted(self.present.items()))
        limits = "".join(f"{each}\n" for each in tied.undeclared(self.present, self.wanted.named))
        source, held, full = (self.work / name for name in ("in.txt", "held.txt", "full.txt"))
        lines = [*self.lines, *self.wanted.requirements]
        source.write_text("\n".join(lines) + "\n")
        held.write_text(frozen + limits)
        status, explanation = self._compile("-c", str(held))
        if status == 0:
            return pins(full.read_text())
        # The environment's versions are still preferred: uv keeps to those of its output file.
        full.write_text(frozen)
        bounds = self.work / "bounds.txt"
        bounds.write_text(limits)
        again, said = self._compile("-c", str(bounds)) if limits else self._compile()
        if again and limits:  # what is asked for needs the newer ones
            again, said = self._compile()
        if again:
            raise self._failed(said, named(self.wanted, said))
        say(f"it does not fit {self.environment} as it is: {explanation}")
        return pins(full.read_text())

    def _compile(self, *more: str) -> tuple[int, str]:
        """full.txt is what in.txt requires, but for CUDA's libraries; uv's status and output."""
        excludes = self.root / "input" / "excludes.txt"
        kept = [n for n in excludes.read_text().split() if n not in self.wanted.named]
        excludes = self.work / "excludes.txt"
        excludes.write_text("\n".join(kept) + "\n")
        return self._uv([*self._compiling(), "--excludes", str(excludes), *more])

    def _compiling(self) -> list[str]:
        command = ["pip", "compile", "--no-header", "--no-annotate", *self.arguments]
        command += ["--python", sys.executable, *wheels.only_binary(self.wanted.options)]
        return [*command, "-o", str(self.work / "full.txt"), str(self.work / "in.txt")]

    def _failed(self, said: str, names: Sequence[str]) -> Failed:
        """The failure in uv's words, or in a sentence where a package has no wheel."""
        if text := wheels.sentence(said, self._nearest):
            say("\n".join(said.splitlines()[-LAST:]))
            names = text.split()[:1]
        elif cause := cures.cure(said, os.environ, cures.refusal(said)):
            text = f"{said}\n{cause}"
        told = ", ".join(names)
        return Failed(
            f"requirements.txt cannot be installed{told and f' ({told})'}: {text or said}"
        )

    def _nearest(self, name: str, requirement: str) -> str:
        """The oldest version for the requirement that has a wheel for this Python; "" without one."""
        lowest = ["--only-binary", name, "--resolution", "lowest-direct"]
        return self._found(requirement, lowest) or ""

    def _found(self, requirement: str, more: Sequence[str]) -> str | None:
        """The version that uv chooses for one requirement alone; None where there is none."""
        source, out = self.work / "one.txt", self.work / "found.txt"
        source.write_text("\n".join([*self.lines, requirement]) + "\n")
        out.unlink(missing_ok=True)
        command = ["pip", "compile", "--no-header", "--no-annotate", "--no-deps", *self.arguments]
        command += [*more, "--python", sys.executable, "-o", str(out), str(source)]
        status, _ = self._uv(command)
        return None if status else next(iter(pins(out.read_text()).values()), None)

    def _until(self, requirement: str, day: date) -> str | None:
        """The newest version of what was published until that day."""
        return self._found(requirement, ["--exclude-newer", str(day)])

    def _with_tied(self, resolved: dict[str, str]) -> dict[str, str]:
        """`resolved`, where it replaces one of a tied set, with the others of the same time.

        What libraries declare comes before the time where the two do not go together.
        """
        delta = missing(resolved, self.present)
        wanted, index = self.wanted.named, tied.Index(self._until, self._nearest)
        self.bonds = tied.bonds(wanted, delta, self.present, index, date.today())
        if not any(bond.members or bond.limits for bond in self.bonds):
            return resolved
        source, full, limits = (self.work / n for n in ("in.txt", "full.txt", "limits.txt"))
        before, frozen = source.read_text(), {**self.present, **resolved}
        members = [each for bond in self.bonds for each in bond.members.items()]
        declared = {name for bond in self.bonds for name in bond.tied.declared}
        if under := [text for bond in self.bonds for text in bond.limits]:
            limits.write_text("\n".join(under) + "\n")
            self.arguments += ["-c", str(limits)]
            before += "".join(f"{t}\n" for t in under if t.partition("<")[0] in tied.UNDECLARED)
        said = ""
        leaves = {n for bond in self.bonds for n in bond.tied.leaves if n not in wanted}
        for free, left in ((set(), set()), (declared, set()), (declared, leaves)):
            lines = [
                name if name in free else f"{name}{limit}"
                for name, limit in members
                if name not in left
            ]
            source.write_text(before + "".join(f"{line}\n" for line in lines))
            full.write_text("".join(f"{name}=={at}\n" for name, at in sorted(frozen.items())))
            status, said = self._compile()
            if status == 0:
                return pins(full.read_text())
        bond = self.bonds[0]
        words = {normalised(word) for word in NAME.findall(said)} - {bond.cause}
        others = sorted(words & set(bond.tied.modules), key=lambda name: name not in wanted)
        pair = f"{bond.told()} beside {others[0] if others else 'its set'}"
        raise self._failed(f"{pair}: {said}", named(self.wanted, said))

    def _with_torch(self, resolved: dict[str, str]) -> dict[str, str]:
        """`resolved`, where it contains its own torch, with the libraries that this torch needs.

        PyPI's torch is the CUDA build, whose libraries are left out as long as the environment's own
        torch is used. It is replaced by the CPU build from PyTorch's index; where that is not
        available, or the environment's torch is the CUDA build, by PyPI's with all its libraries.
        """
        full = self.work / "full.txt"
        if "torch" not in missing(resolved, self.present) or CPU.search(full.read_text()):
            return resolved
        command = self._compiling()
        backend, said = ["--torch-backend", "cpu"], ""
        for chosen in ([],) if cuda() else (backend, []):
            status, said = self._uv([*command, *chosen])
            if status == 0:
                self.arguments += chosen
                return pins(full.read_text())
        raise self._failed(said, ["torch"])

    def _create(self) -> None:
        """An empty environment that can be moved and sees all packages of the present one."""
        status, said = self._uv(
            ["venv", "--relocatable", "--clear", "--python", sys.executable, str(self.layer)]
        )
        if status:
            raise Failed(f"no virtual environment could be made: {said}")
        self._settle()
        version = "python{}.{}".format(*sys.version_info[:2])
        own = self.layer / "lib" / version / "site-packages"
        seen = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
        (own / "_environment.pth").write_text("\n".join(seen) + "\n")
        for name in ("pip", "pip3"):
            (self.layer / "bin" / name).write_text(PIP)
            (self.layer / "bin" / name).chmod(0o755)

    def _settle(self) -> None:
        """The layer finds the standard library where this environment does; uv follows links, to a
        path of the host."""
        own, new = (Path(place) / "pyvenv.cfg" for place in (sys.prefix, self.layer))
        home = HOME.search(own.read_text()) if own.is_file() else None
        if home:
            new.write_text(HOME.sub(lambda _: home[0], new.read_text(), count=1))

    def _install(self, delta: Mapping[str, str]) -> None:
        file = self.work / "delta.txt"
        lines = [*self.lines, *(f"{name}=={version}" for name, version in sorted(delta.items()))]
        file.write_text("\n".join(lines) + "\n")
        command = ["pip", "install", "--no-deps", "--compile-bytecode", *self.arguments]
        command += wheels.only_binary(self.wanted.options)
        command += ["--python", str(self.layer / "bin" / "python"), "-r", str(file)]
        status, said = self._uv(command)
        if status:
            raise self._failed(said, named(read("\n".join(delta)), said))
        for line in said.splitlines():
            say(line)

    def _broken(self, replaced: set[str]) -> list[str]:
        """The environment's packages that do not fit those that the layer replaces."""
        if not replaced:
            return []
        check = [str(self.layer / "bin" / "python"), "-m", "pip", "check"]
        done = subprocess.run(check, capture_output=True, text=True, check=False)
        found = re.compile(r"but you have (\S+) ")
        lines = [(found.search(line), line) for line in done.stdout.splitlines()]
        return [line for m, line in lines if m and normalised(m[1]) in replaced][:SHOWN]

    def _brought(self, delta: Mapping[str, str]) -> list[str]:
        """The log says what came along; a sentence for each library that could not."""
        warnings = []
        for bond in self.bonds:
            names = [n for n in bond.brought() if n in delta and n in self.present]
            if names:
                came = ", ".join(f"{name} {delta[name]}" for name in names)
                say(
                    f"brought along: {came} ({'of the time of' if bond.dated else 'for'} {bond.told()})"
                )
            warnings += [
                f"{name}: it had no release when {bond.told()} was published, and may not work with it"
                for name in bond.absent
            ]
        return warnings

    def _import(self, resolved: Mapping[str, str]) -> list[str]:
        """The libraries of sets of which one was replaced can be imported; a sentence for each leaf
        that cannot, if the file does not name it. Raises Failed."""
        versions, warnings = {**self.present, **resolved}, []
        for bond in self.bonds:
            owners = {
                module: name
                for name, modules in bond.tied.modules.items()
                if name in versions and name not in bond.absent
                for module in modules
            }
            python = str(self.layer / "bin" / "python")
            while owners and (found := import_check.asked(python, list(owners), self.work)):
                module = found["module"]
                name = owners.pop(module)
                if name in self.present and import_check.asked(sys.executable, [module], self.work):
                    continue  # nor can it in the environment
                others = [*map(normalised, found["packages"]), name]
                others = [n for n in others if n in versions and n != bond.cause]
                asked = (n for n in others if tied.pinned(self.wanted.named.get(n, "")))
                other = next(asked, others[0] if others else "")
                beside = f" beside {other} {versions[other]}" if other else ""
                text = f"{bond.told()}{beside}: {found['error']}"
                if name not in bond.tied.leaves or name in self.wanted.named or name == bond.cause:
                    raise Failed(f"requirements.txt cannot be installed: {text}")
                warnings.append(f"{name} {versions[name]} cannot be imported: {text}")
        return warnings

    def _uv(self, arguments: Sequence[str]) -> tuple[int, str]:
        """uv's exit status and its output."""
        own = {"UV_CACHE_DIR": str(self.cache), "UV_NO_PROGRESS": "1", "NO_COLOR": "1"}
        done = subprocess.run(
            [self.uv, *arguments],
            env={**os.environ, **own, "UV_LINK_MODE": "hardlink", "UV_PYTHON_DOWNLOADS": "never"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            check=False,
        )
        said = cures.masked(done.stderr, os.environ)
        return done.returncode, explained(said) if done.returncode else said


def explained(stderr: str) -> str:
    """uv's message without its ornaments, and without the sentence that only frames the cause."""
    text = re.sub(r"\n\s*(?:[╰├]─▶|cause:)\s*", "\n", stderr)
    text = re.sub(r"^\s*(?:×|error:)\s*", "", text.strip())
    text = re.sub(r"\n[ │]+", "\n", text)
    return text.removeprefix("No solution found when resolving dependencies").strip(" :\n")


def failure(message: str) -> str:
    """The reason in the form of AWS's toolkit."""
    return f'InstallRequirementsError:\nExitCode 1\nErrorMessage "{message}"\nCommand "{COMMAND}"'


def report_failure(root: Path, message: str) -> int:
    """1, for a job whose layer could not be built; the reason is in its log and output/failure."""
    reason = failure(message)
    print(" ".join(reason.split()), file=sys.stderr, flush=True)  # endpoints report the last line
    (root / "output").mkdir(parents=True, exist_ok=True)
    (root / "output" / "failure").write_text(reason)
    return 1


def over(command: Sequence[str]) -> int:
    """This process is `command`, over a virtual environment of the job's own."""
    from sagebrush.toolkit.packages import overlay

    python = overlay.create()
    path = os.pathsep.join((os.path.dirname(python), os.environ.get("PATH", os.defpath)))
    os.execvpe(command[0], list(command), {**os.environ, "PATH": path})


def build(root: Path, environment: str) -> int:
    """0 once the layer is there; 1 with the reason in output/failure and in the log."""
    began = time.monotonic()
    try:
        Build(root, environment).run()
    except Failed as error:
        print(error, file=sys.stderr, flush=True)
        (root / "output" / "failure").write_text(str(error))
        return 1
    say(f"done in {time.monotonic() - began:.1f} s")
    return 0


def main(arguments: Sequence[str]) -> int:
    """Runs what the arguments name; returns the exit status."""
    root = Path(os.environ.get("SAGEBRUSH_ML", "/opt/ml"))
    if arguments[0] == "--failed":
        return report_failure(root, arguments[1])
    if arguments[0] == "--over":
        return over(arguments[1:])
    return build(root, arguments[0])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
