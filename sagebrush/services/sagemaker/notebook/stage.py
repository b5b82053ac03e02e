"""What one start of a notebook instance needs: /opt/ml, its home, its volume, its Spec."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from sagebrush import clientdata
from sagebrush.aws.names import short_id
from sagebrush.compute.base import Bind, Limits, Spec
from sagebrush.environments.environment import Environment
from sagebrush.errors import Doc
from sagebrush.scheduler import capacity
from sagebrush.scheduler.sizes import Size, share
from sagebrush.services.sagemaker.notebook import lifecycle_config, repositories
from sagebrush.services.sagemaker.notebook.plan import key_of, plan_of
from sagebrush.store.rows import Row
from sagebrush.workload import dirfd, launch, stage
from sagebrush.workload.launch import Unstartable
from sagebrush.world import World

HOME = "/home/ec2-user"
VOLUME = f"{HOME}/SageMaker"
SAMPLES = "sample-notebooks"
EXAMPLES = launch.PACKAGE / "examples"
CONDA = re.compile(rb"\b(?:amazonei_)?(pytorch|tensorflow)2?(?:_latest)?_p3\d+\b")
"""AWS's names of the conda environments that are others than the base here."""
HOMES = (("home", "SageMaker"), ("home", SAMPLES))
SYSTEM = {"/etc/profile.d": ("system", "profile"), "/var/log": ("system", "log")}
"""Folders of the system that scripts write to -> where they are under /opt/ml."""
MIRRORS = "/mnt/repositories"
"""Where local repositories are mounted, one directory each."""
PORT = 8888
ONLINE = ("aws", "credentials", "metadata", "packages")
"""The listeners of an instance with internet access: who works in it installs packages as the host."""
KERNELS = "kernels"
"""The folder of the environments' root that holds Jupyter's kernelspecs."""


@dataclass(frozen=True)
class Start:
    """One start of the instance `row`, under the key in its plan."""

    world: World
    row: Row

    @property
    def key(self) -> str:
        return key_of(self.row)

    @property
    def root(self) -> Path:
        return self.world.settings.home / "jobs" / self.key

    @property
    def own(self) -> Path:
        """The instance's directory, kept between starts."""
        return self.world.settings.home / "notebooks" / plan_of(self.row)["id"]

    @property
    def volume(self) -> Path:
        return self.own / "volume"

    @property
    def size(self) -> Size:
        """The size of its instance type on this host."""
        return share([self.row.doc["InstanceType"]], self.world.host)[0][0]

    @property
    def limits(self) -> tuple[Limits, str]:
        """Its limits, with the GPUs that it holds, and a sentence that says if its type is scaled
        down."""
        _, banner = share([self.row.doc["InstanceType"]], self.world.host)
        turn = capacity.position(self.world, self.key) if self.size.gpus else None
        limits = self.size.limits(turn.gpus if turn else ())
        return replace(limits, share=True, spare=True), banner

    @property
    def sandbox(self) -> bool:
        return self.world.backend.isolation == "sandbox"

    # ---- files

    def prepare(self) -> None:
        """/opt/ml is complete and the volume is ready. Repeatable. Raises Unstartable."""
        try:
            self._volume()
            if not (self.root / "ml").is_dir():
                self._build()
        except OSError as error:
            why = f"its files could not be made: {error.strerror or error}"
            raise Unstartable(f"InternalServerError: {why}") from error

    def _volume(self) -> None:
        """The volume exists with mount points for what is bound into it; a new one has the
        examples."""
        self.own.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.volume.mkdir(mode=0o755, exist_ok=True)
        with dirfd.opened(self.volume) as volume:
            for path in self.folders():
                self._place(volume, path)
            if not plan_of(self.row).get("created") and EXAMPLES.is_dir():
                _copy(EXAMPLES, volume, ("examples",))

    def _place(self, volume: int, path: Path) -> None:
        """The volume has a mount point for the project folder `path`."""
        if self.sandbox:
            with dirfd.directory(volume, (path.name,), make=True):
                return
        try:
            os.symlink(path, path.name, dir_fd=volume)
        except FileExistsError:
            if os.readlink(path.name, dir_fd=volume) != str(path):
                raise

    def _build(self) -> None:
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for old in self.root.glob("staging-*"):
            stage.remove(old)
        aside = self.root / f"staging-{short_id()}"
        aside.mkdir(mode=0o755)
        files = {
            ("metadata", "resource-metadata.json"): self._metadata(),
            ("config", "notebook.json"): self._orders(),
        }
        try:
            with dirfd.opened(aside) as fd:
                for parts in (("output",), *HOMES, *SYSTEM.values()):
                    with dirfd.directory(fd, parts, make=True):
                        pass
                for parts, content in files.items():
                    with dirfd.created(fd, parts) as out:
                        os.write(out, json.dumps(content).encode())
        except BaseException:
            stage.remove(aside)
            raise
        aside.rename(self.root / "ml")

    def _metadata(self) -> Doc:
        """resource-metadata.json, which both SDKs read; without AppType, which would mean
        Studio."""
        return {
            "ResourceArn": self.row.doc["NotebookInstanceArn"],
            "ResourceName": self.row.name,
            "ExecutionRoleArn": self.row.doc["RoleArn"],
        }

    def _orders(self) -> Doc:
        """The orders that toolkit/notebook/notebook.py carries out before Jupyter. Raises
        Unstartable."""
        found = self.repositories()
        default = self.row.doc.get("DefaultCodeRepository")
        return {
            "arn": self.row.doc["NotebookInstanceArn"],
            "hooks": self._hooks(),
            "repositories": [
                {
                    "url": f"{MIRRORS}/{n}" if each.path and self.sandbox else _outside(each),
                    "directory": each.directory,
                    "branch": each.branch,
                }
                for n, each in enumerate(found)
            ],
            "default": found[0].directory if default else "",
            "memory": self.limits[0].memory,
            "root_access": self.row.doc.get("RootAccess") == "Enabled",
        }

    def _hooks(self) -> list[Doc]:
        """The lifecycle scripts that run in this start, in order."""
        name = self.row.doc.get("NotebookInstanceLifecycleConfigName")
        if not name:
            return []
        row = self.world.rows.get(
            self.row.account, self.row.region, lifecycle_config.KIND.name, name
        )
        if row is None:
            ctx = self.world.service_ctx(region=self.row.region, account=self.row.account)
            raise Unstartable(lifecycle_config.KIND.say(lifecycle_config.KIND.missing, ctx, name))
        hooks = (
            lifecycle_config.HOOKS[1:]
            if plan_of(self.row).get("created")
            else lifecycle_config.HOOKS
        )
        arn = row.doc[lifecycle_config.KIND.arn_member]
        scripts = [(hook, lifecycle_config.script(row, hook)) for hook in hooks]
        return [{"name": hook, "content": each, "arn": arn} for hook, each in scripts if each]

    def named(self) -> list[str]:
        """The environments that its lifecycle scripts name as AWS does (`pytorch_p310`), of those that
        notebooks have: they are to be built before the scripts run."""
        try:
            scripts = [base64.b64decode(each["content"]) for each in self._hooks()]
        except Unstartable:  # `prepare` raises it again
            return []
        found = {each.decode() for text in scripts for each in CONDA.findall(text)}
        return [each for each in self.world.settings.notebook_environments if each in found]

    def repositories(self) -> list[repositories.Repository]:
        """The repositories to clone. Raises Unstartable."""
        row = self.row
        try:
            return [
                repositories.find(self.world, row.account, row.region, text)
                for text in repositories.of(row)
            ]
        except repositories.Unknown as error:
            raise Unstartable(f"The Git repository could not be cloned: {error}") from error

    def folders(self) -> list[Path]:
        """The project folders of the setting `notebook_folders` to bind. Raises Unstartable."""
        found: list[Path] = []
        if self.row.account != self.world.settings.account:
            return found  # the owner's folders are no other account's
        for each in self.world.settings.notebook_folders:
            name, _, text = each.partition("=")
            path = Path(text).expanduser()
            if name != self.row.name:
                continue
            home = self.world.settings.home.resolve()
            if not path.is_dir() or home in (path.resolve(), *path.resolve().parents):
                raise Unstartable(f"notebook_folders: {path} is not a folder that can be shown.")
            found.append(path)
        return found

    # ---- process

    def spec(self, jupyter: Environment, base: Environment) -> Spec:
        """The Spec of the instance's process. Raises Unstartable."""
        here = launch.place(self.world, self.root)
        limits, banner = self.limits
        return Spec(
            key=self.key,
            argv=(str(jupyter.python), "-P", f"{here.toolkit}/notebook/notebook.py"),
            env=self._environment(jupyter, base, here),
            root=self.root,
            role=self.row.doc["RoleArn"],
            region=self.row.region,
            binds=self._binds(jupyter, base) if here.sandbox else (),
            cwd=here.ml,
            hostname=f"{plan_of(self.row)['id']}.notebook",
            user="ec2-user",
            home=HOME,
            shell="/bin/bash",
            limits=limits,
            listeners=ONLINE if self._online else ("aws", "credentials"),
            port=PORT,
            log_limit=self.world.settings.log_limit,
            banner=banner,
        )

    @property
    def _online(self) -> bool:
        return self.row.doc.get("DirectInternetAccess") != "Disabled"

    def _binds(self, jupyter: Environment, base: Environment) -> tuple[Bind, ...]:
        root = self.world.settings.environments
        wide = tuple(p for e in (jupyter, base) for p in e.prefixes if root not in p.parents)
        found = [
            *launch.shown(self.world, replace(base, prefixes=tuple(dict.fromkeys((root, *wide))))),
            Bind(self.root / "ml" / "home", HOME, read_only=False),
            Bind(self.volume, VOLUME, read_only=False, give=True),
        ]
        for target, parts in SYSTEM.items():
            found.append(Bind(self.root.joinpath("ml", *parts), target, read_only=False))
        for n, each in enumerate(self.repositories()):
            if each.path is not None:
                found.append(Bind(each.path, f"{MIRRORS}/{n}"))
        for path in self.folders():
            found.append(Bind(path, f"{VOLUME}/{path.name}", read_only=False))
        if EXAMPLES.is_dir():
            found.append(Bind(EXAMPLES, f"{HOME}/{SAMPLES}"))
        return tuple(found)

    def _environment(
        self, jupyter: Environment, base: Environment, here: launch.Place
    ) -> dict[str, str]:
        home = HOME if here.sandbox else f"{here.ml}/home"
        bins = f"{base.path / 'bin'}:{jupyter.path / 'bin'}"
        if here.sandbox:  # what `pip install` in a terminal adds comes first
            bins = f"{launch.OVERLAY}/bin:{bins}"
        given = {
            "PATH": f"{home}/.local/bin:{bins}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME": home,
            "USER": "ec2-user",
            "LOGNAME": "ec2-user",
            "SHELL": "/bin/bash",
            "TERM": "xterm-256color",
            "GIT_TERMINAL_PROMPT": "0",
            "JUPYTER_PATH": str(self.world.settings.environments / KERNELS),
            "SAGEMAKER_INTERNAL_IMAGE_URI": clientdata.base_image(self.row.region),
            "SAGEBRUSH_TOOLKIT": here.toolkit,
            "SAGEBRUSH_VOLUME": VOLUME if here.sandbox else str(self.volume),
        }
        if token := plan_of(self.row).get("token"):
            given["JUPYTER_TOKEN"] = token
        if self._online:
            owners = self.row.account == self.world.settings.account
            given |= launch.index_of_pip(passwords=owners)
        env = launch.variables(
            self.world, base, here, self.limits[0], self.row.region, False, given
        )
        return env if self._online else _offline(env)


def _offline(env: Mapping[str, str]) -> dict[str, str]:
    """The environment variables without those of the proxy to the internet."""
    proxies = ("http_proxy", "https_proxy")
    return {k: v for k, v in env.items() if k.lower() not in proxies}


def _outside(repository: repositories.Repository) -> str:
    return str(repository.path) if repository.path else repository.url


def _copy(source: Path, root: int, parts: tuple[str, ...]) -> None:
    """The files of `source` are under `parts`; files that are there already are not changed."""
    with dirfd.opened(source) as fd:
        for found in dirfd.walk(fd):
            if any(part.startswith((".", "__")) for part in found.parts):
                continue
            data = dirfd.read_small(fd, found.parts, 64 << 20)
            if data is None:
                continue
            try:
                with dirfd.created(root, (*parts, *found.parts)) as out:
                    view = memoryview(data)
                    while view:
                        view = view[os.write(out, view) :]
            except FileExistsError:
                continue
