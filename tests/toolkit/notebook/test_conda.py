"""~/anaconda3 of a notebook instance: real shells over environments whose pip says what it was asked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sagebrush.toolkit.notebook import conda
from sagebrush.toolkit.notebook.furnish import furnish

SITE = f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
PIP = "import os, sys; print(os.path.basename(os.path.realpath(sys.prefix)), *sys.argv[1:])"


class Instance:
    """The home of an instance whose kernels are `python3` and `pytorch`."""

    def __init__(self, root: Path) -> None:
        self.root, self.home, self.profile = root, root / "home", root / "profile.d"
        self.kernels = root / "built" / "kernels"
        self.profile.mkdir()
        for name in ("sdk", "base-1"):
            self.environment(name)
        self.kernel("python3", "base-1")
        self.kernel("pytorch", "torch-1")
        self.furnish()

    def furnish(self) -> conda.Conda:
        return furnish(self.home, self.home / "SageMaker", self.profile, self.kernels)

    def environment(self, name: str) -> Path:
        """A virtual environment with nothing but a pip that repeats its arguments."""
        folder = self.root / name
        if not folder.exists():
            (folder / SITE / "pip").mkdir(parents=True)
            (folder / SITE / "pip" / "__init__.py").touch()
            (folder / SITE / "pip" / "__main__.py").write_text(PIP)
            (folder / "bin").mkdir()
            (folder / "bin" / "python").symlink_to(Path(sys.executable).resolve())
            (folder / "bin" / "activate").write_text("echo the wrong one; exit 1")
        return folder

    def kernel(self, name: str, environment: str) -> None:
        (self.kernels / name).mkdir(parents=True)
        python = str(self.environment(environment) / "bin" / "python")
        argv = [python, "kernel.py", str(self.root / "sdk"), "{connection_file}"]
        (self.kernels / name / "kernel.json").write_text(json.dumps({"argv": argv}))

    def run(self, script: str, *shell: str) -> str:
        """What a script wrote, its paths relative to the home; it may read no unset variable."""
        path = f"{self.home}/.local/bin:{self.root}/base-1/bin:{os.environ['PATH']}"
        done = subprocess.run(
            [*(shell or ("bash", "-eu"))],
            input=script,
            env={"PATH": path, "HOME": str(self.home), "PYTHONDONTWRITEBYTECODE": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.home,
        )
        said = done.stdout.replace(f"{self.home}/", "~/")
        return said if done.returncode == 0 else f"{said}exit {done.returncode}\n"


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    return Instance(tmp_path)


def test_an_environment_is_activated_and_left(instance: Instance) -> None:
    said = instance.run("""
        before=$PATH
        source $HOME/anaconda3/bin/activate pytorch_p36
        echo $CONDA_DEFAULT_ENV $CONDA_PREFIX
        command -v python pip
        pip install it
        source activate python3  # by its name alone, which is on the path
        echo $CONDA_DEFAULT_ENV $CONDA_SHLVL
        pip install it
        conda deactivate
        echo $CONDA_DEFAULT_ENV
        command -v python
        source $HOME/anaconda3/bin/deactivate
        echo "[${CONDA_PREFIX-}] [${CONDA_DEFAULT_ENV-}]"
        [ "$PATH" = "$before" ] || echo $PATH
        echo "[${JUPYTER_PATH-}]"
        source $HOME/anaconda3/bin/deactivate
    """)
    assert said.splitlines() == [
        "pytorch_p36 ~/anaconda3/envs/pytorch_p310",
        "~/anaconda3/envs/pytorch_p310/bin/python",
        "~/anaconda3/envs/pytorch_p310/bin/pip",
        "torch-1-sdk install it",
        "python3 2",
        "base-1-sdk install it",
        "pytorch_p310",
        "~/anaconda3/envs/pytorch_p310/bin/python",
        "[] []",
        "[]",
    ]
    said = instance.run(
        "conda activate pytorch; readlink ${JUPYTER_PATH%%:*}/kernels/python3", "bash", "-l"
    )
    assert said == f"{instance.kernels}/pytorch\n"


@pytest.mark.parametrize(
    ("name", "environment"),
    [
        ("", "base-1-sdk"),
        ("base", "base-1-sdk"),
        ("JupyterSystemEnv", "base-1-sdk"),
        ("$HOME/anaconda3", "base-1-sdk"),
        ("$HOME/anaconda3/envs/JupyterSystemEnv", "base-1-sdk"),
        ("amazonei_pytorch_latest_p37", "torch-1-sdk"),
        ("pytorch", "torch-1-sdk"),
    ],
)
def test_names_and_paths_of_aws_lead_to_environments(
    instance: Instance, name: str, environment: str
) -> None:
    said = instance.run(f"source $HOME/anaconda3/bin/activate {name}; pip list")
    assert said == f"{environment} list\n"


def test_interactive_shells_show_the_environment(instance: Instance) -> None:
    said = instance.run("""
        PS1='$ '
        conda activate pytorch; echo "$PS1|"
        conda activate python3; echo "$PS1|"
        conda deactivate; conda deactivate; echo "$PS1|"
    """, "bash", "-l")  # fmt: skip
    assert said.splitlines() == ["(pytorch) $ |", "(python3) $ |", "$ |"]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("install -y -n pytorch_p310 -c conda-forge a=1.2 b", "torch-1-sdk {} a==1.2.* b"),
        ("install --yes --name=python3 'a>=1,<2'", "base-1-sdk {} a>=1,<2"),
        ("install --quiet a", "base-1-sdk {} -q a"),
        ("update -n base a", "base-1-sdk {} --upgrade a"),
    ],
)
def test_installing_is_done_by_pip(instance: Instance, command: str, said: str) -> None:
    pip = said.format("--disable-pip-version-check install")
    assert instance.run(f"conda {command}") == f"{pip}\n"


def test_a_kernels_own_environment_is_one_of_conda(instance: Instance) -> None:
    """`%conda install` says --prefix; `!conda install` says nothing, and the kernel VIRTUAL_ENV."""
    prefix = instance.home / ".kernels" / "torch-1-sdk"
    assert (prefix / "conda-meta" / "history").exists()
    assert instance.run(f"conda list --prefix {prefix}").startswith("torch-1-sdk ")
    assert instance.run(f"VIRTUAL_ENV={prefix} conda list").startswith("torch-1-sdk ")
    base = instance.home / ".kernels" / "base-1-sdk"
    assert instance.run(f"conda list --prefix {base}").startswith("base-1-sdk ")
    assert "none of this instance's environments" in instance.run("conda list -p /usr")


def test_older_names_have_paths_where_a_script_names_them(instance: Instance) -> None:
    instance.furnish().link(["pytorch_p36", "pytorch_p310", "tensorflow_p36"])
    said = instance.run("$HOME/anaconda3/envs/pytorch_p36/bin/pip check")
    assert said == "torch-1-sdk check\n"
    found = sorted(each.name for each in (instance.home / "anaconda3" / "envs").iterdir())
    assert found == ["JupyterSystemEnv", "python3", "pytorch_p310", "pytorch_p36"]


def test_what_conda_shows_and_refuses(instance: Instance) -> None:
    assert "pytorch_p310              ~/anaconda3/envs/pytorch_p310" in instance.run(
        "conda env list"
    )
    assert "*  ~/anaconda3/envs/python3" in instance.run("conda activate python3; conda info --envs",
                                                         "bash", "-l")  # fmt: skip
    assert instance.run("conda list -n pytorch").startswith("torch-1-sdk ")
    assert instance.run("conda remove -y it").endswith("uninstall -y it\n")
    assert instance.run("conda run -n pytorch_p310 pip check") == "torch-1-sdk check\n"
    for command, why in {
        "create -n mine": "conda create: no environments are made here",
        "activate python3": "source ~/anaconda3/bin/activate first",
        "build .": "conda: Sagebrush's stand-in",
        "install -n chainer_p36 it": "there is no environment chainer_p36 here; there are: Jupyter",
        "install -n tensorflow2_p310 it": "the environment tensorflow2_p310 is not there",
    }.items():
        said = instance.run(f"command conda {command}")
        assert why in said
        assert said.endswith("\nexit 1\n")
        assert said.count("\n") == 2
    assert "no effect" in instance.run("conda config --add channels conda-forge")


def test_an_environment_that_is_built_later_is_there(instance: Instance) -> None:
    instance.kernel("tensorflow", "tf-1")
    assert instance.run("conda run -n tensorflow_p36 pip check") == "tf-1-sdk check\n"
    found = sorted(each.name for each in (instance.home / "anaconda3" / "envs").iterdir())
    assert found == ["JupyterSystemEnv", "python3", "pytorch_p310", "tensorflow2_p310"]


def test_kernels_have_the_names_of_their_environments(instance: Instance) -> None:
    folder = instance.home / ".local" / "share" / "jupyter" / "kernels"
    assert (folder / "conda_pytorch_p36").resolve() == instance.kernels / "pytorch"
    assert (folder / "conda_python3" / "kernel.json").exists()
    assert not (folder / "conda_tensorflow2_p310").exists()
    instance.kernel("tensorflow", "tf-1")
    assert (folder / "conda_tensorflow2_p310").exists()


@pytest.mark.parametrize(
    ("spec", "requirement"),
    [
        ("scipy", "scipy"),
        ("scipy=1.2", "scipy==1.2.*"),
        ("scipy=1.2.*", "scipy==1.2.*"),
        ("scipy=1.2.3=py36_0", "scipy==1.2.3.*"),
        ("scipy==1.2.3", "scipy==1.2.3"),
        ("conda-forge::scipy>=1.2", "scipy>=1.2"),
        ("pytorch=2.0", "torch==2.0.*"),
    ],
)
def test_a_specification_of_conda_is_one_of_pip(spec: str, requirement: str) -> None:
    assert conda.requirement(spec) == requirement
