"""The instances of one job: their names, keys and groups, what resourceconfig.json says of them.

Source: "How Amazon SageMaker AI Provides Training Information" (developer guide, Distributed
Training Configuration) and "Heterogeneous Clusters".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sagebrush.errors import Doc

GROUP = "homogeneousCluster"
"""The group's name where a request names none."""


@dataclass(frozen=True)
class Member:
    """One instance of a job. `key` names its process tree for the backend."""

    name: str
    """`algo-1` …, unique in the job."""
    key: str
    group: str
    type: str

    @property
    def first(self) -> bool:
        """Whether it is algo-1, whose key is the job's own."""
        return self.name == "algo-1"


def groups(resources: Doc) -> list[Doc]:
    """The instance groups of a ResourceConfig (or ClusterConfig), one where it names none."""
    if found := resources.get("InstanceGroups"):
        return list(found)
    return [
        {
            "InstanceGroupName": GROUP,
            "InstanceType": resources["InstanceType"],
            "InstanceCount": resources.get("InstanceCount", 1),
        }
    ]


def members_of(key: str, resources: Doc) -> list[Member]:
    """The instances of a job whose key is `key`: algo-1 …, group by group.

    algo-1 has the job's own key, algo-N the key `<key>.N`.
    """
    found: list[Member] = []
    for group in groups(resources):
        for _ in range(group["InstanceCount"]):
            n = len(found) + 1
            own = key if n == 1 else f"{key}.{n}"
            name, kind = group["InstanceGroupName"], group["InstanceType"]
            found.append(Member(f"algo-{n}", own, name, kind))
    return found


def owner(key: str) -> str:
    """The job's key of an instance's."""
    return key.partition(".")[0]


def resource_config(job: Sequence[Member], current: Member, interface: str) -> Doc:
    """resourceconfig.json as `current` finds it."""
    names = list(dict.fromkeys(member.group for member in job))
    return {
        "current_host": current.name,
        "current_instance_type": current.type,
        "current_group_name": current.group,
        "hosts": [member.name for member in job],
        "instance_groups": [
            {
                "instance_group_name": name,
                "instance_type": next(m.type for m in job if m.group == name),
                "hosts": [m.name for m in job if m.group == name],
            }
            for name in names
        ],
        "network_interface_name": interface,
        "topology": None,
    }
