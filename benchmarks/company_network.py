"""A fresh machine behind a company's TLS proxy: the README's commands in a network of their own.

    python benchmarks/company_network.py [--python PYTHON] [COMMAND...]

As root on Linux, with `ip`, `unshare` and `nsenter`. COMMAND (`./run quickstart`, else) runs in a
clone of this repository, with an empty home and a network namespace without any way out but a proxy
that ends every TLS connection with certificates of its own. Its authority is in the system's store
of that mount namespace, put there by update-ca-certificates, and nowhere else; no variable names a
certificate, and pip is configured for nothing. Without names: there is no DNS.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.company_proxy import Authority, CompanyProxy

HERE, THERE = "10.213.7.1", "10.213.7.2"
PORT = 3128
STORE = "/usr/local/share/ca-certificates"
SETUP = """
set -eu
mount --make-rprivate /
for place in /etc/ssl {store}; do
    mkdir -p "{work}/own$place"
    cp -a "$place/." "{work}/own$place/"
    mount --bind "{work}/own$place" "$place"
done
for place in /etc/xdg/pip /etc/xdg/uv /etc/uv /opt/wheels /opt/pypi /opt/pypi-more; do
    if [ -d "$place" ]; then mount -t tmpfs none "$place"; fi
done
for file in /etc/pip.conf /etc/resolv.conf; do
    if [ -e "$file" ]; then mount --bind /dev/null "$file"; fi
done
cp "{authority}" {store}/company.crt
update-ca-certificates >/dev/null
ip link set lo up
cd "{work}/clone"
exec "$@"
"""


@contextlib.contextmanager
def network(name: str) -> Iterator[None]:
    """A network namespace exists that reaches one address of this machine, and nothing else."""
    outer, inner = f"{name[:10]}-o", f"{name[:10]}-i"
    try:
        for line in (
            f"ip netns add {name}",
            f"ip link add {outer} type veth peer name {inner} netns {name}",
            f"ip addr add {HERE}/30 dev {outer}",
            f"ip link set {outer} up",
            f"ip -n {name} addr add {THERE}/30 dev {inner}",
            f"ip -n {name} link set {inner} up",
        ):
            subprocess.run(line.split(), check=True)
        yield
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=False)
        subprocess.run(["ip", "link", "delete", outer], check=False, stderr=subprocess.DEVNULL)


def main() -> int:
    """The command's exit status."""
    parser = argparse.ArgumentParser(description=__doc__, add_help=False)
    parser.add_argument("--python", default="/usr/bin/python3", help="SAGEBRUSH_PYTHON there")
    parser.add_argument("--refuse", action="store_true", help="without the authority in the store")
    parser.add_argument("--keep", help="a folder that is kept, for a further command")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    args = parser.parse_args()
    command = args.command or ["./run", "quickstart"]
    work = Path(args.keep or tempfile.mkdtemp(prefix="company-"))
    work.mkdir(exist_ok=True)
    root = Path(__file__).resolve().parent.parent
    if not (work / "clone").exists():
        subprocess.run(["git", "clone", "-q", str(root), str(work / "clone")], check=True)
    home, certificates = work / "home", work / "proxy"
    home.mkdir(exist_ok=True)
    certificates.mkdir(exist_ok=True)
    proxy = CompanyProxy(Authority(certificates))
    authority = "/dev/null" if args.refuse else str(proxy.authority.pem)
    script = SETUP.format(work=work, store=STORE, authority=authority)
    given = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "SAGEBRUSH_PYTHON": args.python,
        "HTTPS_PROXY": f"http://{HERE}:{PORT}",
        "HTTP_PROXY": f"http://{HERE}:{PORT}",
    }
    name = f"sb{os.getpid()}"
    # not `ip netns exec`: its /sys lacks the control groups
    inside = ["nsenter", f"--net=/run/netns/{name}", "unshare", "-m", "sh", "-c", script, "sh"]
    inside += command
    began = time.monotonic()
    with network(name), proxy.serving(HERE, PORT):
        status = subprocess.run(inside, env=given, check=False).returncode
    hosts = ", ".join(f"{host} ({proxy.asked.count(host)})" for host in sorted(set(proxy.asked)))
    print(f"{' '.join(command)} ended with {status} after {time.monotonic() - began:.0f} s")
    print(f"tunnels by host: {hosts or 'none'}")
    if not args.keep:
        shutil.rmtree(work, ignore_errors=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
