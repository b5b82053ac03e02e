"""sagemaker v2: ModelBuilder with an InferenceSpec, built, deployed and asked."""

import json
import sys
from pathlib import Path

import sagemaker
from sagemaker.serve import InferenceSpec, ModelBuilder, SchemaBuilder
from sagemaker.serve.utils.types import ModelServer


class Scales(InferenceSpec):
    """A model of one's own: one number in a file."""

    def load(self, model_dir):
        import json
        import os

        with open(os.path.join(model_dir, "weights.json")) as file:
            return json.load(file)

    def invoke(self, input_object, model):
        return [value * model["by"] for value in input_object]


folder = Path(sys.argv[1]) / "model"
folder.mkdir()
(folder / "weights.json").write_text(json.dumps({"by": 3.0}))
builder = ModelBuilder(
    inference_spec=Scales(),
    model_path=str(folder),
    schema_builder=SchemaBuilder([1.0, 2.0], [3.0, 6.0]),
    role_arn=sagemaker.get_execution_role(),
    image_uri=sagemaker.image_uris.retrieve("sklearn", "us-east-1", version="1.2-1"),
    model_server=ModelServer.TORCHSERVE,
)
model = builder.build()
predictor = model.deploy(initial_instance_count=1, instance_type="ml.m5.large")
said = predictor.predict([1.0, 2.0])
assert said == [3.0, 6.0], said
predictor.delete_endpoint()
print("v2 ModelBuilder: all well")
