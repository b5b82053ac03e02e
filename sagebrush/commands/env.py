"""`env`: prints the shell lines that make AWS's SDKs and command line talk to this server.

Nothing is written under ~/.aws: a file there would redirect real AWS calls in every shell.
"""

from __future__ import annotations

import argparse
import os
import re
import socket
from collections.abc import Mapping
from pathlib import Path

from sagebrush import clientdata
from sagebrush.aws import regions
from sagebrush.commands import running
from sagebrush.commands.running import CommandError, Server
from sagebrush.environments.sources import PROXIES
from sagebrush.settings import Settings

CLIENT = Path(__file__).parent.parent / "toolkit" / "client"
THIS = ("127.0.0.1", "::1", "localhost")
"""This machine, as a server's address and as clients name it."""
LOCAL, EVERYWHERE = ("", *THIS), ("0.0.0.0", "::")
"""The addresses of a server that only this machine reaches; that every interface has."""
BUNDLE = "sagebrush-ca.pem"
"""The file to which users of other machines copy `keys/ca-bundle.pem`."""
STALE = ("AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_SECURITY_TOKEN")
"""Left over from real AWS, any of these would break every call."""
DIRECT = (*THIS, "[::1]", ".localhost", "169.254.169.254")
"""This machine as proxies' exemptions name it, and EC2's instance metadata, which botocore looks for."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `env`."""
    parser.add_argument("--region", default="", help="another region than the setting's")
    parser.add_argument("--shell", choices=("sh", "fish", "powershell"), default="sh")
    parser.add_argument(
        "--no-shim",
        action="store_true",
        help="leave PYTHONPATH alone; the SDKs' hard-coded STS address then stays AWS's own",
    )


def run(args: argparse.Namespace) -> int:
    """Prints one line for each variable for the running server; raises CommandError when none runs."""
    chosen = running.settings()
    server = running.require(chosen)
    if args.region and args.region not in {*regions.served(), server.region}:
        raise CommandError(f"{args.region} is none of AWS's commercial regions")
    found = variables(chosen, server, not args.no_shim, args.region)
    print(script(found, args.shell))
    return 0


def variables(
    chosen: Settings,
    server: Server,
    shim: bool = True,
    region: str = "",
    given: tuple[str, str] | None = None,
) -> dict[str, str]:
    """The variables that a client in `region` (default: the setting's) needs, by name (clients.md,
    traps 1, 7 and 9), with the owner's key or the `given` one and its secret."""
    key, secret = given or running.user_key(chosen)
    client, region = chosen.home / "client", region or server.region
    clientdata.write(client, server.tls_port)
    found = {
        "AWS_ENDPOINT_URL": server.url,
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_DEFAULT_REGION": region,
        "AWS_REGION": region,
        "AWS_CA_BUNDLE": str(chosen.home / "keys" / "ca-bundle.pem"),
        "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
        "SAGEMAKER_USER_CONFIG_OVERRIDE": str(client / "sagemaker.yaml"),
        "SAGEMAKER_INTERNAL_IMAGE_URI": clientdata.base_image(region),
    }
    found |= exempt(os.environ)
    if not shim:
        bucket = f"sagemaker-{region}-{server.account}"
        config = clientdata.with_bucket(client, bucket)
        found["SAGEMAKER_USER_CONFIG_OVERRIDE"] = str(config)
    else:
        found["SAGEBRUSH_CLIENT_DATA"] = str(client / "data")
        found["PYTHONPATH"] = path_with(str(CLIENT), os.environ.get("PYTHONPATH", ""))
    return found


def elsewhere(chosen: Settings, server: Server, given: tuple[str, str]) -> dict[str, str]:
    """The variables for another login of this machine, or for another machine where the server
    listens beyond this one: without files of this data directory, which only its owner can read."""
    local = server.host in LOCAL
    name = next(iter(chosen.hosts), "") if server.host in EVERYWHERE else server.host
    name = name or socket.gethostname()
    plain = chosen.insecure and not chosen.tls_only
    url = server.url if local else f"https://{name}:{server.tls_port}"
    found = {
        "AWS_ENDPOINT_URL": f"http://{name}:{server.port}" if plain and not local else url,
        "AWS_ACCESS_KEY_ID": given[0],
        "AWS_SECRET_ACCESS_KEY": given[1],
        "AWS_DEFAULT_REGION": server.region,
        "AWS_REGION": server.region,
        "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
    }
    return found if local or plain else {**found, "AWS_CA_BUNDLE": BUNDLE}


def exempt(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables by which clients reach this machine directly, where a proxy is named."""
    if not any(environ.get(name) for each in PROXIES for name in (each, each.lower())):
        return {}
    said = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    words = [word.strip() for word in said.split(",") if word.strip()]
    told = ",".join(words + [name for name in DIRECT if name not in words])
    return {"NO_PROXY": told, "no_proxy": told}


def path_with(folder: str, path: str) -> str:
    """The search path with `folder` first, once."""
    return os.pathsep.join([folder, *(p for p in path.split(os.pathsep) if p and p != folder)])


def script(found: Mapping[str, str], shell: str) -> str:
    """The lines for that shell; each ends in `;`, so that an unquoted `eval` works as well."""
    if shell == "powershell":
        lines = [f"$Env:{name} = '{_double(value)}';" for name, value in found.items()]
        lines += [f"Remove-Item Env:{n} -ErrorAction SilentlyContinue;" for n in STALE]
    elif shell == "fish":
        lines = [f"set -e {name};" for name in STALE]  # first: its status shows what was set
        lines += [f"set -gx {name} {_fish(value)};" for name, value in found.items()]
    else:
        lines = [f"export {name}={_sh(value)};" for name, value in found.items()]
        lines += [f"unset {' '.join(STALE)};"]
    return "\n".join(lines)


def _sh(value: str) -> str:
    if re.fullmatch(r"[\w@%+=:,./-]+", value, re.ASCII):
        return value
    return "'" + value.replace("'", "'\"'\"'") + "'"


def _fish(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _double(value: str) -> str:
    """PowerShell writes a quote inside quotes twice."""
    return value.replace("'", "''")
