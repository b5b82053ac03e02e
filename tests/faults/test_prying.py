"""What a job may try: read what is not its own, trace others, reach the host, act as another."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sagebrush.environments.environment import Environment
from tests.faults.stand import BUCKET, ROLE, Stand

pytestmark = [pytest.mark.sandbox, pytest.mark.ordinary]
SECRET = "the-host's-own-secret"

PRY = r"""
import ctypes, errno, glob, http.client, json, os, socket, sys, urllib.request

HOME, HOST, PORT = sys.argv[1], sys.argv[2], int(sys.argv[3])

def read(path):
    try:
        if os.path.isdir(path):
            return sorted(os.listdir(path))
        with open(path, "rb") as file:
            return repr(file.read(200))
    except OSError as error:
        return errno.errorcode[error.errno]

def write(path):
    try:
        open(path, "w").write("x")
        return "written"
    except OSError as error:
        return errno.errorcode[error.errno]

def connect(host, port):
    try:
        socket.create_connection((host, port), 3).close()
        return "ok"
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))

def ask(method, path, headers=()):
    connection = http.client.HTTPConnection("127.0.0.1", 4566, timeout=10)
    connection.request(method, path, headers=dict(headers))
    answer = connection.getresponse()
    return [answer.status, answer.read(4000).decode(errors="replace")]

def trace(pid):
    libc = ctypes.CDLL(None, use_errno=True)
    return libc.ptrace(16, pid, 0, 0), ctypes.get_errno()

paths = [HOME, HOME + "/keys", HOME + "/server.json", HOME + "/sagebrush.db", HOME + "/jobs",
         HOME + "/objects", HOST, HOST + "/secret", "/root", "/home", "/etc/shadow", "/etc/ssh",
         "/var/run/docker.sock", "/run/docker.sock", "/dev/mem", "/dev/sda", "/dev/vda",
         "/proc/kcore", "/sys/kernel/security", "/proc/1/environ", "/proc/1/root/root",
         "/proc/1/cwd", "/proc/1/mem"]
told = {"read": {p: read(p) for p in paths}}
told["keys beneath"] = glob.glob("**/*.pem", root_dir="/opt/sagebrush", recursive=True)
told["write"] = {p: write(p) for p in [
    "/opt/sagebrush/toolkit/training/train.py", os.path.dirname(os.__file__) + "/os.py", "/etc/passwd",
    "/proc/sys/kernel/core_pattern", "/proc/self/oom_score_adj", "/usr/x", "/x"]}
told["processes"] = [int(p) for p in os.listdir("/proc") if p.isdigit()]
told["trace"] = {p: trace(p)[0] for p in [1, os.getppid()]}
told["net"] = {str(a): connect(*a) for a in [
    ("127.0.0.1", PORT), ("::1", PORT), ("169.254.169.254", 81), ("10.0.0.1", 80),
    ("172.17.0.1", PORT), ("1.1.1.1", 53)]}
try:  # what stands for EC2's metadata is the platform's own
    with urllib.request.urlopen("http://169.254.169.254/latest/meta-data/hostname", timeout=5) as r:
        told["metadata"] = r.read().decode()
except Exception as error:
    told["metadata"] = repr(error)
told["proxy"] = {}
for where in ["127.0.0.1:%d" % PORT, "localhost:%d" % PORT, "169.254.169.254:80", "0.0.0.0:%d" % PORT,
              "[::1]:%d" % PORT, "[::ffff:127.0.0.1]:%d" % PORT, "2130706433:%d" % PORT]:
    with socket.create_connection(("127.0.0.1", 3128), 5) as proxy:
        proxy.settimeout(20)
        proxy.sendall(("CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (where, where)).encode())
        told["proxy"][where] = proxy.recv(200).decode().split("\r\n")[0]
told["unsigned"] = {w: ask(*w.split()) for w in [
    "GET /", "GET /BUCKET", "PUT /BUCKET/x", "GET /_sagebrush/health", "GET /_sagebrush/metrics",
    "GET /_sagebrush/credentials"]}
told["env"] = dict(os.environ)
told["fds"] = [os.readlink("/proc/self/fd/" + f) for f in os.listdir("/proc/self/fd")
               if os.path.exists("/proc/self/fd/" + f)]
told["uid"] = os.getuid()
told["setuid"] = [p for p in ["/bin/su", "/usr/bin/sudo", "/bin/mount"] if os.path.exists(p)]

import boto3, urllib.request
from botocore.exceptions import ClientError
told["me"] = boto3.client("sts").get_caller_identity()["Arn"]
try:
    boto3.client("sts").assume_role(RoleArn="arn:aws:iam::123456789012:role/other-role",
                                    RoleSessionName="prying")
    told["assumed"] = "yes"
except ClientError as error:
    told["assumed"] = error.response["Error"]["Code"]
other = boto3.client("s3", aws_access_key_id="AKIAUSERSOWN", aws_secret_access_key="x")
try:
    other.list_buckets()
    told["foreign key"] = "yes"
except ClientError as error:
    told["foreign key"] = error.response["Error"]["Code"]
def credentials(path):
    try:
        return urllib.request.urlopen("http://169.254.170.2" + path, timeout=5).status
    except urllib.error.HTTPError as error:
        return error.code
told["credentials"] = {p: credentials(p) for p in
                       ["/v2/credentials/job", "/v2/../", "/", "/_sagebrush/health"]}
json.dump(told, open("/opt/ml/model/told.json", "w"))
"""


@pytest.fixture(scope="module")
def pried(stand: Stand) -> tuple[Stand, dict[str, Any]]:
    """A server, run by root or by an ordinary user (CI does both), and what a prying job found."""
    host = stand.home.parent
    (host / "secret").write_text(SECRET)
    stand.serve("other")
    assert stand.in_service("other")["EndpointStatus"] == "InService"
    service = {"Service": "lambda.amazonaws.com"}
    trust = {"Effect": "Allow", "Principal": service, "Action": "sts:AssumeRole"}
    stand.client("iam").create_role(
        RoleName="other-role",
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )
    head = f"import sys; sys.argv[1:] = {[str(stand.home), str(host), str(stand.state['port'])]}\n"
    soon = {"MaxRuntimeInSeconds": 40}
    program = head + PRY.replace("BUCKET", BUCKET)
    found = stand.outcome("pries", program, StoppingCondition=soon)
    assert found["TrainingJobStatus"] == "Completed", found.get("FailureReason")
    told = stand.model("pries")["told.json"]
    assert told is not None
    return stand, json.loads(told)


Pried = tuple[Stand, dict[str, Any]]


def test_nothing_of_the_host_is_there(pried: Pried, base: Environment) -> None:
    stand, told = pried
    shown = {path.parts[2] for path in (base.path, *base.prefixes) if len(path.parts) > 2}
    absent = ("ENOENT", "EACCES", "EPERM")
    for path, found in told["read"].items():
        if path in ("/root", "/home"):
            assert found in absent or set(found) <= shown, (path, found)
        else:
            assert found in absent, (path, found)
    for path, found in told["write"].items():
        if path != "/proc/self/oom_score_adj":
            assert found in ("EROFS", "EACCES", "EPERM", "ENOENT"), (path, found)
    everything = json.dumps(told)
    assert SECRET not in everything
    key, secret = stand.key
    assert secret not in everything
    assert key not in everything


def test_others_can_be_neither_seen_nor_traced(pried: Pried) -> None:
    _, told = pried
    assert len(told["processes"]) <= 4, told["processes"]
    assert set(told["trace"].values()) == {-1}
    assert all("sagebrush-faults" not in link for link in told["fds"]), told["fds"]


def test_the_host_and_its_neighbours_cannot_be_reached(pried: Pried) -> None:
    _, told = pried
    for address, found in told["net"].items():
        assert found in ("ECONNREFUSED", "ENETUNREACH", "EHOSTUNREACH", "EADDRNOTAVAIL"), address
    assert told["metadata"].startswith("ip-127-0-0-1"), told["metadata"]
    for where, line in told["proxy"].items():
        assert line.split()[1] in ("400", "403", "502"), (where, line)
    for where in told["proxy"]:
        if "2130706433" not in where:
            assert told["proxy"][where].split()[1] == "403", told["proxy"]


def test_the_gateway_wants_a_signature(pried: Pried) -> None:
    _, told = pried
    for request, (status, text) in told["unsigned"].items():
        if request == "GET /_sagebrush/health":
            continue  # says that it is there
        assert status in (400, 401, 403, 404), (request, status, text)
        assert "AccessKeyId" not in text


def test_it_acts_as_its_role_and_as_no_other(pried: Pried) -> None:
    _, told = pried
    assert f":assumed-role/{ROLE.rsplit('/')[-1]}/" in told["me"]
    assert told["assumed"] == "AccessDenied"
    assert told["foreign key"] == "InvalidAccessKeyId"
    codes = told["credentials"]
    assert codes.pop("/v2/credentials/job") == 200
    assert set(codes.values()) == {404}


def test_nothing_of_the_servers_environment_is_in_the_jobs(pried: Pried) -> None:
    _, told = pried
    env = told["env"]
    assert "AKIAUSERSOWN" not in json.dumps(env)
    assert "users-own-key" not in json.dumps(env)
    assert "AWS_ACCESS_KEY_ID" not in env
    assert not [name for name in env if name.startswith("SAGEBRUSH_") and name not in (
        "SAGEBRUSH_CLIENT_DATA", "SAGEBRUSH_FRAMEWORK")]  # fmt: skip
