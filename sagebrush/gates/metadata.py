"""The EC2 instance metadata service of a job, at 169.254.169.254: versions 1 and 2.

Source: "Instance metadata categories", "Use the Instance Metadata Service" and "Spot Instance
interruption notices" (EC2 user guide).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sagebrush.access import principals
from sagebrush.compute.base import Spec
from sagebrush.compute.shim import network
from sagebrush.credentials import role_of
from sagebrush.errors import AwsError, Doc
from sagebrush.world import World

NOTICE = "notice"
"""The file in a job's directory that says when its instance will be taken away."""
PURPOSE = b"metadata"
LONGEST = 21_600
"""Longest lifetime of a token in seconds."""
TOKEN, TTL = "X-aws-ec2-metadata-token", "X-aws-ec2-metadata-token-ttl-seconds"
Values = dict[str, str | Callable[[], str]]


@dataclass(frozen=True)
class MetadataReply:
    """The answer to a request: status, text, headers."""

    status: int
    body: str = ""
    headers: tuple[tuple[str, str], ...] = ()


class Metadata:
    """The metadata service of one instance."""

    def __init__(self, world: World, spec: Spec) -> None:
        self.world = world
        self.spec = spec

    def answer(self, method: str, path: str, headers: Mapping[str, str]) -> MetadataReply:
        """The reply to one request; names of `headers` are compared without case."""
        wanted = path.strip("/")
        if wanted == "latest/api/token":
            return self._token(headers) if method == "PUT" else MetadataReply(405)
        if method not in ("GET", "HEAD"):
            return MetadataReply(405)
        if (token := headers.get(TOKEN)) is not None and not self._valid(token):
            return MetadataReply(401)
        known = self._values()
        if (value := known.get(wanted)) is not None:
            return MetadataReply(200, value if isinstance(value, str) else value())
        below = [each.removeprefix(f"{wanted}/") for each in known if each.startswith(f"{wanted}/")]
        if not below:
            return MetadataReply(404) if wanted else MetadataReply(200, "latest")
        names = dict.fromkeys(
            each.partition("/")[0] + "/" if "/" in each else each for each in below
        )
        return MetadataReply(200, "\n".join(sorted(names)))

    # -- version 2's tokens

    def _token(self, headers: Mapping[str, str]) -> MetadataReply:
        asked = headers.get(TTL, "")
        if "X-Forwarded-For" in headers:
            return MetadataReply(403)
        if not (asked.isascii() and asked.isdigit() and 1 <= int(asked[:9]) <= LONGEST):
            return MetadataReply(400)
        until = self.world.clock() + int(asked)
        sealed = json.dumps([self.spec.key, until]).encode()
        return MetadataReply(200, self.world.credentials.seal(PURPOSE, sealed), ((TTL, asked),))

    def _valid(self, token: str) -> bool:
        try:
            key, until = json.loads(self.world.credentials.open_seal(PURPOSE, token))
        except AwsError:
            return False
        return key == self.spec.key and self.world.clock() < until

    # -- values

    def _values(self) -> Values:
        """All values of the service: path -> text."""
        spec, region = self.spec, self.spec.region or self.world.settings.region
        kind = spec.limits.name.removeprefix("ml.") or "local"
        address = network.addresses(spec.peers).get(spec.hostname, "127.0.0.1")
        host = f"ip-{address.replace('.', '-')}.{region}.compute.internal"
        number = hashlib.sha256(f"{spec.key}@{spec.root}".encode()).hexdigest()[:17]
        data: Values = {
            "hostname": host,
            "instance-id": f"i-{number}",
            "instance-type": kind,
            "local-hostname": host,
            "local-ipv4": address,
            "placement/availability-zone": f"{region}a",
            "placement/region": region,
            "services/domain": "amazonaws.com",
            "services/partition": "aws",
        }
        data |= self._role() | self._notice()
        found: Values = {f"latest/meta-data/{name}": value for name, value in data.items()}
        identity = {
            "accountId": role_of(self.spec.role)[0] or self.world.settings.account,
            "availabilityZone": f"{region}a",
            "instanceId": data["instance-id"],
            "instanceType": kind,
            "privateIp": address,
            "region": region,
            "version": "2017-09-30",
        }
        found["latest/dynamic/instance-identity/document"] = json.dumps(identity, indent=2)
        return found

    def _role(self) -> Values:
        """The values about the job's role, in the form of an instance profile."""
        role = self.spec.role
        return (
            {f"iam/security-credentials/{role.rpartition('/')[2]}": self._session} if role else {}
        )

    def _session(self) -> str:
        given = principals.service_credentials(self.world, self.spec.role)
        now = dt.datetime.fromtimestamp(self.world.clock(), dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        document = {
            "Code": "Success",
            "LastUpdated": now,
            "Type": "AWS-HMAC",
            **{part: given[part] for part in ("AccessKeyId", "SecretAccessKey", "Token")},
            "Expiration": given["Expiration"],
        }
        return json.dumps(document, indent=2)

    def _notice(self) -> Values:
        """The values of a spot instance's interruption notice; none without a notice."""
        try:
            notice: Doc = json.loads((self.spec.root / NOTICE).read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return {}
        return {"spot/instance-action": json.dumps(notice), "spot/termination-time": notice["time"]}
