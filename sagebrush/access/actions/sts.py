"""STS (Service Authorization Reference, "AWS Security Token Service")."""

from __future__ import annotations

from sagebrush.access.actions.entries import Permission, RequestTags, Table, given, key
from sagebrush.access.actions.iam import RoleArns

ROLE, TAGS = RoleArns(("RoleArn",)), RequestTags()
SOURCE_IDENTITY = key("sts:SourceIdentity", "SourceIdentity")
TRANSITIVE = key("sts:TransitiveTagKeys", "TransitiveTagKeys", many=True)

TABLE: Table = {
    "AssumeRole": (
        Permission(
            "sts:AssumeRole",
            ROLE,
            keys=(
                key("sts:ExternalId", "ExternalId"),
                key("sts:RoleSessionName", "RoleSessionName"),
                SOURCE_IDENTITY,
                TRANSITIVE,
                TAGS,
            ),
        ),
        Permission("sts:TagSession", ROLE, keys=(TRANSITIVE, TAGS), when=given("Tags")),
        Permission(
            "sts:SetSourceIdentity", ROLE, keys=(SOURCE_IDENTITY,), when=given("SourceIdentity")
        ),
    ),
    "GetAccessKeyInfo": (Permission("sts:GetAccessKeyInfo"),),
    "GetCallerIdentity": (Permission("sts:GetCallerIdentity"),),
    "GetSessionToken": (Permission("sts:GetSessionToken"),),
}
