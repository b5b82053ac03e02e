"""How long it takes to have an empty account: a server's start, its reset, its end; beside Moto's.

`python benchmarks/reset.py [--moto PATH/moto_server] [--rounds N]`: the peer is pinned in
requirements/bench.txt (its own virtual environment; without --moto it is left out). Medians of N
rounds, in milliseconds; what is reset is told in each line. Jobs need the base environment.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import boto3.session

from sagebrush.testing import Server

BUCKET = "reset-bench"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn"
ENDED, LIVE = "pass", "import time; print('begun', flush=True); time.sleep(600)"


def timed(work: Callable[[], object]) -> float:
    """Milliseconds that `work` took."""
    began = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - began)


def tell(what: str, times: list[float]) -> None:
    print(f"{what:48} {statistics.median(times):8.1f} ms   (best {min(times):.1f})", flush=True)


def objects(s3: Any, size: int) -> None:
    """A bucket with 100 objects of `size` bytes."""
    s3.create_bucket(Bucket=BUCKET)
    for number in range(100):
        s3.put_object(Bucket=BUCKET, Key=f"key-{number}", Body=b"x" * size)


def jobs(server: Server, count: int, program: str) -> None:
    """`count` training jobs have ended, or run and have printed something."""
    s3, sm, logs = (server.account.client(name) for name in ("s3", "sagemaker", "logs"))
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="code/run.py", Body=program.encode())
    where = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/code/"}
    for number in range(count):
        sm.create_training_job(
            TrainingJobName=f"job-{number}",
            AlgorithmSpecification={
                "TrainingImage": IMAGE,
                "TrainingInputMode": "File",
                "ContainerEntrypoint": ["python", "/opt/ml/input/data/code/run.py"],
            },
            InputDataConfig=[{"ChannelName": "code", "DataSource": {"S3DataSource": where}}],
            RoleArn=server.account.role_arn,
            OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/out"},
            ResourceConfig={
                "InstanceType": "ml.m5.large",
                "InstanceCount": 1,
                "VolumeSizeInGB": 1,
            },
            StoppingCondition={"MaxRuntimeInSeconds": 600},
        )
    for number in range(count):
        while True:
            found = sm.describe_training_job(TrainingJobName=f"job-{number}")
            if found["TrainingJobStatus"] != "InProgress":
                break
            if program == LIVE and found["SecondaryStatus"] == "Training":
                group, prefix = "/aws/sagemaker/TrainingJobs", f"job-{number}/"
                given = {"logGroupName": group, "logStreamNamePrefix": prefix}
                if logs.filter_log_events(**given, filterPattern="begun")["events"]:
                    break
            time.sleep(0.05)


def sagebrush(rounds: int) -> None:
    """Prints the figures of Sagebrush."""
    made: list[Server] = []
    starts = [timed(lambda: made.append(Server.start())) for _ in range(5)]
    tell("sagebrush: a server starts", starts)
    tell("sagebrush: it ends", [timed(server.stop) for server in made])
    server = Server.start()
    s3 = server.account.client("s3")
    cases: list[tuple[str, int, Callable[[], object]]] = [
        ("of nothing", rounds, lambda: None),
        ("of 100 objects of 1 kB", rounds, lambda: objects(s3, 1000)),
        ("of 100 objects of 100 kB", rounds, lambda: objects(s3, 100_000)),
        ("of 10 jobs that have ended", 3, lambda: jobs(server, 10, ENDED)),
        ("of a job that runs", 3, lambda: jobs(server, 1, LIVE)),
    ]
    for what, count, fill in cases:
        times = []
        for _ in range(count):
            fill()
            times.append(timed(server.reset))
        tell(f"sagebrush: reset {what}", times)
    server.stop()


def moto(program: str, rounds: int) -> None:
    """Prints the figures of moto_server."""
    port = 5057
    url = f"http://127.0.0.1:{port}"

    def reset() -> None:
        urllib.request.urlopen(
            urllib.request.Request(f"{url}/moto-api/reset", method="POST")
        ).read()

    def start() -> None:
        command = [program, "-p", str(port)]
        made.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        while True:
            try:
                return reset()
            except OSError:
                time.sleep(0.01)

    made: list[subprocess.Popen[bytes]] = []
    tell("moto_server: it starts", [timed(start)])
    s3 = boto3.session.Session("a", "b", None, "us-east-1").client("s3", endpoint_url=url)
    tell("moto_server: reset of nothing", [timed(reset) for _ in range(rounds)])
    times = []
    for _ in range(rounds):
        objects(s3, 1000)
        times.append(timed(reset))
    tell("moto_server: reset of 100 objects of 1 kB", times)
    made[0].terminate()


def main() -> int:
    """Prints all figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--moto")
    parser.add_argument("--rounds", type=int, default=10)
    given = parser.parse_args()
    sagebrush(given.rounds)
    if given.moto:
        moto(given.moto, given.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
