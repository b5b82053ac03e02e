"""The programs with which `benchmarks/serving.py` serves its classifier by other model servers.

Each reads PORT, SIZE (of batches; 1: none), WORKERS, MODEL and OMP_NUM_THREADS from its environment and
answers POST /invocations of {"inputs": text}.
"""

PACKAGES = {"litserve": "litserve", "bentoml": "bentoml", "ray": "ray[serve]"}
"""What each module is installed from."""
HEAD = """
import sys, torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer
torch.manual_seed(0)
names = dict(enumerate(["balance", "card", "transfer", "other"]))
made = AutoModelForSequenceClassification.from_pretrained(sys.argv[1], num_labels=4,
    id2label=names, label2id={v: k for k, v in names.items()})
made.save_pretrained(sys.argv[2])
AutoTokenizer.from_pretrained(sys.argv[1]).save_pretrained(sys.argv[2])
"""
COMMON = """
import os, sys
import torch
from transformers import pipeline
size, workers = int(os.environ["SIZE"]), int(os.environ["WORKERS"])
port = int(os.environ["PORT"])
def load():
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    return pipeline("text-classification", model=os.environ["MODEL"])
def many(pipe, texts):
    return pipe(texts, batch_size=len(texts))
"""
LITSERVE = (
    COMMON
    + """
import litserve
class Api(litserve.LitAPI):
    def setup(self, device):
        self.pipe = load()
    def decode_request(self, request):
        return request["inputs"]
    def predict(self, given):
        return many(self.pipe, given) if size > 1 else self.pipe(given)
    def encode_response(self, output):
        return output if isinstance(output, list) else [output]
if __name__ == "__main__":
    more = {"max_batch_size": size, "batch_timeout": 0.005} if size > 1 else {}
    server = litserve.LitServer(Api(api_path="/invocations", **more), accelerator="cpu",
        workers_per_device=workers, timeout=60)
    server.run(host="127.0.0.1", port=port, generate_client_file=False, log_level="error")
"""
)
BENTOML = (
    COMMON
    + """
import bentoml
@bentoml.service(workers=workers, traffic={"timeout": 60, "max_concurrency": 2000})
class Classify:
    def __init__(self):
        self.pipe = load()
    if size > 1:
        @bentoml.api(batchable=True, max_batch_size=size, max_latency_ms=1000, route="/invocations")
        def classify(self, inputs: list[str]) -> list[dict]:
            return many(self.pipe, list(inputs))
    else:
        @bentoml.api(route="/invocations")
        def classify(self, inputs: str) -> list[dict]:
            return self.pipe(inputs)
"""
)
RAY = (
    COMMON
    + """
import signal
import ray
from ray import serve
ray.init(num_cpus=max(4, workers + 2), include_dashboard=False, log_to_driver=False,
    _temp_dir=os.environ["TMPDIR"])
serve.start(http_options={"host": "127.0.0.1", "port": port})
@serve.deployment(num_replicas=workers, max_ongoing_requests=1000,
    ray_actor_options={"num_cpus": 1, "runtime_env": {"env_vars":
        {"OMP_NUM_THREADS": os.environ["OMP_NUM_THREADS"]}}})
class Classify:
    def __init__(self):
        self.pipe = load()
    @serve.batch(max_batch_size=max(size, 1), batch_wait_timeout_s=0.005)
    async def together(self, texts):
        return many(self.pipe, texts)
    async def __call__(self, request):
        text = (await request.json())["inputs"]
        return [await self.together(text)] if size > 1 else self.pipe(text)
serve.run(Classify.bind(), route_prefix="/invocations")
signal.sigwait([signal.SIGTERM])
"""
)
SCRIPTS = {"litserve": LITSERVE, "bentoml": BENTOML, "ray": RAY}
