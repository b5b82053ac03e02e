"""sagemaker v2: deploy(endpoint_type=INFERENCE_COMPONENT_BASED), two models on one endpoint."""

import sys

import sagemaker
from multiplier_model import uploaded
from sagemaker.compute_resource_requirements.resource_requirements import ResourceRequirements
from sagemaker.deserializers import JSONDeserializer
from sagemaker.enums import EndpointType
from sagemaker.predictor import Predictor
from sagemaker.serializers import JSONSerializer
from sagemaker.sklearn import SKLearnModel

code = sys.argv[1]
session = sagemaker.Session()
bucket = session.default_bucket()
endpoint = sagemaker.utils.name_from_base("components")


def deployed(name: str, by: float) -> Predictor:
    model = SKLearnModel(
        model_data=uploaded(bucket, f"v2-components/{name}", by),
        role=sagemaker.get_execution_role(),
        entry_point=f"{code}/inference.py",
        framework_version="1.2-1",
        py_version="py3",
    )
    return model.deploy(
        initial_instance_count=1,
        instance_type="ml.m5.large",
        endpoint_name=endpoint,
        endpoint_type=EndpointType.INFERENCE_COMPONENT_BASED,
        inference_component_name=sagemaker.utils.name_from_base(name),
        managed_instance_scaling={
            "Status": "ENABLED",
            "MinInstanceCount": 1,
            "MaxInstanceCount": 2,
        },
        resources=ResourceRequirements(requests={"num_cpus": 1, "memory": 512, "copies": 1}),
        serializer=JSONSerializer(),
        deserializer=JSONDeserializer(),
    )


double, triple = deployed("double", 2.0), deployed("triple", 3.0)
assert double.predict([1.0, 2.0]) == [2.0, 4.0]
assert triple.predict([1.0, 2.0]) == [3.0, 6.0]
assert len(double.list_related_models()) == 2
double.update_predictor(
    resources=ResourceRequirements(requests={"num_cpus": 1, "memory": 256, "copies": 1})
)
session.wait_for_inference_component(double.component_name, poll=1)
assert double.predict([5.0]) == [10.0]
for each in (double, triple):
    each.delete_predictor(wait=True)
session.delete_endpoint(endpoint)
print("v2 components: all well")
