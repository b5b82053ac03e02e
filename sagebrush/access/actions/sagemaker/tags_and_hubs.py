"""Tags of resources, and what hubs hold."""

from __future__ import annotations

from sagebrush.access.actions.entries import Permission, Table, key
from sagebrush.access.actions.sagemaker.targets import (
    TAGS,
    ByArn,
    Hub,
    plain,
)

HUB = Hub("hub")
HUB_CONTENT = Hub("hub-content", ("HubName", "HubContentType", "HubContentName"))

TABLE: Table = {
    "DescribeHubContent": (
        Permission("sagemaker:DescribeHubContent", HUB),
        Permission("sagemaker:DescribeHubContent", HUB_CONTENT),
    ),
    **plain(HUB, "ListHubContents"),
    "AddTags": (Permission("sagemaker:AddTags", ByArn(), keys=(TAGS,)),),
    "DeleteTags": (
        Permission(
            "sagemaker:DeleteTags", ByArn(), keys=(key("aws:TagKeys", "TagKeys", many=True),)
        ),
    ),
    "ListTags": (Permission("sagemaker:ListTags", ByArn()),),
}
