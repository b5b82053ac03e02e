"""What a notebook instance's home holds before the first lifecycle script: shell files, programs that
scripts written for AWS call, ~/anaconda3, kernelspecs under AWS's names. Standard library only.

The programs in ~/.local/bin say in one line what they do here; they succeed where nothing is lost by
it, and fail where something would be missing.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from sagebrush.toolkit.notebook.conda import Conda, aliased
from sagebrush.toolkit.sudo import SUDO

BASHRC = """# Made anew at each start; what is to last belongs on the volume.
PS1='\\[\\e[32m\\]\\w\\[\\e[0m\\]\\$ '
alias ls='ls --color=auto' ll='ls -l'
. {root}/etc/profile.d/conda.sh
"""
PROFILE = """case ":$PATH:" in *:{home}/.local/bin:*) ;; *) export PATH={path} ;; esac
for each in {profile}/*.sh; do [ ! -r "$each" ] || . "$each"; done
unset each
[ ! -f ~/.bashrc ] || . ~/.bashrc
"""
GITCONFIG = """[safe]
\tdirectory = *
[credential]
\thelper =
[init]
\tdefaultBranch = main
"""
SU = """#!/bin/bash
# su [-] [user] [-c command]: the only user, as with sudo.
login= command=()
while [ $# -gt 0 ]; do
  case "$1" in
    -|-l|--login) login=-i; shift ;;
    -c|--command) command=(bash -c "$2"); shift; shift ;;
    -s|--shell) shift; shift ;;
    *) shift ;;
  esac
done
exec sudo $login "${command[@]}"
"""
CRONTAB = """#!/bin/bash
# Keeps the table in ~/.crontab.
file=~/.crontab
told() {
  echo "crontab: kept, but nothing runs it here; sagebrush notebook idle NAME --minutes N stops an" \\
    "idle instance" >&2
}
case "${1--}" in
  # without one it succeeds: scripts under `set -e` say (crontab -l; echo …) | crontab -
  -l) cat "$file" 2>/dev/null || echo "no crontab for ec2-user" >&2 ;;
  -r) rm -f "$file" ;;
  -) cat >"$file.new" && mv "$file.new" "$file" && told ;;
  -*) echo "crontab: $1 is unknown here: use crontab -l, -r, - or a file" >&2; exit 1 ;;
  *) cat -- "$1" >"$file.new" && mv "$file.new" "$file" && told ;;
esac
"""
SERVICES = """#!/bin/bash
# systemctl, initctl, service and reboot: no init system runs here.
me=${0##*/} words=()
for each in "$@"; do case "$each" in -*) ;; *) words+=("$each") ;; esac; done
if [ "$me" = service ]; then set -- "${words[1]-status}" "${words[0]-}"; else set -- "${words[@]}"; fi
what=${2-}
if [ "$me" = reboot ]; then set -- restart; what=jupyter; fi
case "${1-}:${what%.service}" in
  restart:jupyter*|start:jupyter*|reload:jupyter*|try-restart:jupyter*)
    echo "$me: Jupyter starts after the lifecycle scripts and reads /etc/profile.d then: nothing to $1" ;;
  status:*|is-active:*|show:*) echo "$me: $what: inactive, no services run here"; exit 3 ;;
  stop:*|disable:*|mask:*|daemon-reload:*|reset-failed:*|list-*|:*)
    echo "$me: no services run here: nothing to ${1-do}" ;;
  *) echo "$me: $1 $what: no services run here; start its program with nohup … &" >&2; exit 1 ;;
esac
"""
YUM = """#!/bin/bash
# yum and dnf: packages of the system are the host's, and nobody is root.
me=${0##*/} words=()
for each in "$@"; do case "$each" in -*) ;; *) words+=("$each") ;; esac; done
case "${words[0]-}" in
  install|localinstall|groupinstall|reinstall)
    missing=()
    for each in "${words[@]:1}"; do command -v -- "$each" >/dev/null || missing+=("$each"); done
    if [ ${#missing[@]} -eq 0 ]; then echo "$me: this machine has ${words[*]:1}"; exit 0; fi
    echo "$me: cannot install ${missing[*]}: nobody is root here. Install it on this machine itself" \\
      "(programs of its /usr are there), Python packages with pip" >&2
    exit 1 ;;
  *) echo "$me: packages of the system are this machine's own: nothing to ${words[0]-do}" ;;
esac
"""
PROGRAMS = {
    "sudo": SUDO,
    "su": SU,
    "crontab": CRONTAB,
    "systemctl": SERVICES,
    "initctl": SERVICES,
    "service": SERVICES,
    "reboot": SERVICES,
    "yum": YUM,
    "dnf": YUM,
}
CONDA = """#!/bin/sh
exec {python} -I -S {conda} {root} {kernels} "$@"
"""
FUNCTION = """# conda for shells: `conda activate` changes the shell that says it.
conda() {{
  case "${{1-}}" in
    activate|deactivate)
      _sagebrush_conda=$({root}/bin/conda shell.posix "$@") || return
      eval "$_sagebrush_conda" ;;
    *) {root}/bin/conda "$@" ;;
  esac
}}
"""
SOURCED = """# To be sourced: source {root}/bin/{verb}
. {root}/etc/profile.d/conda.sh
conda {verb} "$@"
"""
INSIDE = """#!/bin/sh
exec {root}/envs/python3/bin/{program} "$@"
"""
KERNELS = (
    "python3 mxnet_p27 mxnet_p36 mxnet_p37 mxnet_p38 mxnet_latest_p37 amazonei_mxnet_p36"
    " pytorch_p36 pytorch_latest_p36 pytorch_latest_p37 pytorch_p37 pytorch_p38 pytorch_p39"
    " pytorch_p310 pytorch_p311 pytorch_p312 pytorch_p313 amazonei_pytorch_latest_p36"
    " amazonei_pytorch_latest_p37"
    " tensorflow_p36 tensorflow2_p36 tensorflow2_p37 tensorflow2_p38 tensorflow2_p39 tensorflow2_p310"
    " tensorflow2_p311 tensorflow2_p312 tensorflow2_p313 amazonei_tensorflow_p36 amazonei_tensorflow2_p36"
)
"""Environments whose kernels the notebooks of AWS's instances ask for, as `conda_<name>`."""


def furnish(home: Path, volume: Path, profile: Path, kernels: Path) -> Conda:
    """The home directory has the files that a shell, git and scripts expect; its conda.

    `profile` is /etc/profile.d; `kernels` holds the kernelspecs of what is built.
    """
    root = home / "anaconda3"
    words = {name: shlex.quote(str(path)) for name, path in (("home", home), ("root", root))}
    write(home / ".bashrc", BASHRC.format(**words))
    (home / ".jupyter").mkdir(exist_ok=True)
    programs = [str(home / ".local" / "bin"), *os.environ.get("PATH", os.defpath).split(os.pathsep)]
    path = shlex.quote(os.pathsep.join(dict.fromkeys(programs)))
    text = PROFILE.format(path=path, profile=shlex.quote(str(profile)), **words)
    write(home / ".bash_profile", text)
    write(home / ".gitconfig", GITCONFIG)
    for name, program in PROGRAMS.items():
        write(home / ".local" / "bin" / name, program, 0o755)
    place = home / "SageMaker"
    if place != volume and not any(place.iterdir() if place.is_dir() else ()):
        if place.is_dir():
            place.rmdir()
        place.symlink_to(volume)
    _kernelspecs(home / ".local" / "share" / "jupyter" / "kernels", kernels)
    return _conda(home, root, kernels)


def _conda(home: Path, root: Path, kernels: Path) -> Conda:
    """~/anaconda3 looks like conda's, and its programs are on the path."""
    words = {
        "python": shlex.quote(sys.executable),
        "conda": shlex.quote(str(Path(__file__).resolve().with_name("conda.py"))),
        "root": shlex.quote(str(root)),
        "kernels": shlex.quote(str(kernels)),
    }
    write(root / "bin" / "conda", CONDA.format(**words), 0o755)
    write(root / "etc" / "profile.d" / "conda.sh", FUNCTION.format(**words))
    for verb in ("activate", "deactivate"):
        write(root / "bin" / verb, SOURCED.format(verb=verb, **words))
    for program in ("python", "python3", "pip", "pip3"):
        write(root / "bin" / program, INSIDE.format(program=program, **words), 0o755)
    for name in ("conda", "activate", "deactivate"):
        link = home / ".local" / "bin" / name
        if not link.is_symlink():
            link.symlink_to(root / "bin" / name)
    found = Conda(root, kernels)
    found.lay()
    return found


def _kernelspecs(folder: Path, kernels: Path) -> None:
    """Links by which kernels are found under AWS's names, those of environments not yet built too."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in KERNELS.split():
        link = folder / f"conda_{name}"
        if not link.is_symlink():
            link.symlink_to(kernels / aliased(name))


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """`path` has `text`, unless it is there already."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.write_text(text)
        path.chmod(mode)
