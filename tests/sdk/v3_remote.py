"""sagemaker v3: @remote where neither image nor requirements are given."""

from sagemaker.core.helper.session_helper import get_execution_role
from sagemaker.core.remote_function import remote


@remote(role=get_execution_role(), instance_type="ml.m5.large")
def divide(x, y):
    import getpass

    return x / y, getpass.getuser()


assert divide(3, 2) == (1.5, "root")
print("all well")
