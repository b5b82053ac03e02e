"""sagemaker v2: @remote and RemoteExecutor, with an image, with requirements, and with nothing given."""

import sys

import sagemaker
from sagemaker.remote_function import RemoteExecutor, remote

folder = sys.argv[1]
how = {"role": sagemaker.get_execution_role(), "instance_type": "ml.m5.large"}
image = "236514542706.dkr.ecr.us-east-1.amazonaws.com/sagemaker-base-python-310:1.0"
with open(f"{folder}/requirements.txt", "w") as file:
    file.write("sagemaker>=2.156.0,<3\n")


def divide(x, y):
    import getpass

    return x / y, getpass.getuser()


@remote(**how)
def fails():
    raise KeyError("no such column")


given = remote(divide, image_uri=image, dependencies=f"{folder}/requirements.txt", **how)
assert given(3, 2) == (1.5, "root")
with RemoteExecutor(max_parallel_jobs=2, **how) as executor:
    futures = [executor.submit(divide, n, 2) for n in (1, 2)]
    assert [future.result() for future in futures] == [(0.5, "root"), (1.0, "root")]
error = None
try:
    fails()
except KeyError as raised:  # the function's own
    error = raised
assert "no such column" in str(error), error
print("all well")
