"""sagemaker v2: what is wrong with a script is in the SDK's exception, by name.

Side by side in threads: the SDK sleeps between its looks, whoever answers.
"""

import os
import sys
import tarfile
import threading

import sagemaker
from sagemaker.exceptions import UnexpectedStatusException
from sagemaker.pytorch import PyTorch, PyTorchModel
from sagemaker.sklearn import SKLearn, SKLearnModel
from sagemaker.tensorflow import TensorFlowModel

FOLDER, INDEX, OLD = sys.argv[1], sys.argv[2] == "index", sys.argv[3] == "index"
SESSION, ROLE = sagemaker.Session(), sagemaker.get_execution_role()
BUCKET = SESSION.default_bucket()
VERSION = {"framework_version": "2.5.1", "py_version": "py311"}


def written(name, **files):
    """A folder with files; `train__py` is train.py."""
    folder = os.path.join(FOLDER, name)
    os.makedirs(folder)
    for file, text in files.items():
        with open(os.path.join(folder, file.replace("__", ".")), "w") as out:
            out.write(text)
    return folder


def fit(name, entry="train.py", kind=PyTorch, version=None, **files):
    estimator = kind(
        entry_point=entry,
        source_dir=written(name, **files),
        role=ROLE,
        instance_type="ml.m5.large",
        instance_count=1,
        base_job_name=f"wrong-{name}",
        sagemaker_session=SESSION,
        **(version or VERSION),
    )
    estimator.fit(logs=False)


def deploy(name, kind, entry="inference.py", version=None, **files):
    data = written(f"{name}-model", notes__txt="no model\n")
    model = kind(
        model_data=packed(name, data),
        role=ROLE,
        name=f"wrong-{name}",
        sagemaker_session=SESSION,
        **({"entry_point": entry, "source_dir": written(name, **files)} if files else {}),
        **(version or VERSION),
    )
    model.deploy(1, "ml.m5.large", endpoint_name=f"wrong-{name}", wait=False)
    SESSION.wait_for_endpoint(f"wrong-{name}", poll=1)


def packed(name, folder):
    with tarfile.open(f"{folder}.tar.gz", "w:gz") as archive:
        archive.add(folder, ".")
    return SESSION.upload_data(f"{folder}.tar.gz", BUCKET, f"wrong/{name}")


SKLEARN = {"framework_version": "1.2-1", "py_version": "py3"}
CASES = [
    # what is done, words of the exception
    (lambda: fit("raises", train__py="def f():\n    raise ValueError('not 42')\nf()\n"),
     ["ValueError: not 42", "ExecuteUserScriptError", "exit code: 1"]),
    (lambda: fit("syntax", train__py="print('one'\nx = = 1\n"), ["SyntaxError", "train.py"]),
    (lambda: fit("module", train__py="import no_such_module\n"),
     ["ModuleNotFoundError: No module named 'no_such_module'"]),
    (lambda: fit("exits", train__py="import sys\nsys.exit(7)\n"), ["ExitCode 7"]),
    (lambda: fit("entry", entry="absent.py", train__py="pass\n"), ["absent.py"]),
    (lambda: deploy("no-model-fn", SKLearnModel, version=SKLEARN, inference__py="pass\n"),
     ["model_fn"]),
    (lambda: deploy("model-fn-raises", SKLearnModel, version=SKLEARN,
                    inference__py="def model_fn(folder):\n    raise KeyError('weights')\n"),
     ["KeyError: 'weights'"]),
    (lambda: deploy("no-torchscript", PyTorchModel, inference__py="pass\n"),
     ["Exactly one .pth or .pt file is required"]),
    (lambda: deploy("no-saved-model", TensorFlowModel, version={"framework_version": "2.14"}),
     ["SavedModel"]),
]  # fmt: skip
if INDEX:
    CASES += [
        (lambda: fit("package", train__py="pass\n", requirements__txt="no-such-package-of-ours==9\n"),
         ["InstallRequirementsError", "no-such-package-of-ours"]),
        (lambda: deploy("package-served", SKLearnModel, version=SKLEARN, inference__py="pass\n",
                        requirements__txt="no-such-package-of-ours==9\n"),
         ["no-such-package-of-ours"]),
    ]  # fmt: skip
if OLD:
    # Resolved by this very job; the script is right for the version that it asks for.
    CASES += [
        (lambda: fit("stands-in", kind=SKLearn, version={**SKLEARN, "framework_version": "0.20.0"},
                     train__py="from sklearn.externals import joblib\n"),
         ["ImportError", "asked for", "scikit-learn 0.20.0", ", ran ", "sklearn.externals is gone"]),
    ]  # fmt: skip


def refused(failed, what, words):
    said = "nothing was refused"
    try:
        what()
    except (UnexpectedStatusException, ValueError) as error:
        said = str(error)
    except BaseException as error:
        said = f"another exception: {error!r}"
    print("told:", said[:700], flush=True)
    failed += [f"{word!r} is not in: {said}" for word in words if word not in said]


def main():
    failed = []
    threads = [threading.Thread(target=refused, args=(failed, *case)) for case in CASES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        sys.exit("\n".join(failed))
    print("v2 wrong scripts: all well")


main()
