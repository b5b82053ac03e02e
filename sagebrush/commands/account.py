"""`account`: adds accounts to the server, lists them, prints the shell lines of one's key."""

from __future__ import annotations

import argparse

from sagebrush.commands import env, running
from sagebrush.commands.running import Server
from sagebrush.settings import Settings


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `account`."""
    commands = parser.add_subparsers(dest="what", metavar="add | list | env", required=True)
    added = commands.add_parser("add", help="a further account, and its administrator's key")
    added.add_argument(
        "which", nargs="?", default="", metavar="NAME_OR_ID", help="12 digits; made if not given"
    )
    added.add_argument("--name", default="", help="a name beside an ID")
    commands.add_parser("list", help="every account, the setting's first")
    shown = commands.add_parser("env", help='eval "$(sagebrush account env NAME_OR_ID)"')
    shown.add_argument("which", metavar="NAME_OR_ID")
    for each in (added, shown):
        each.add_argument("--shell", choices=("sh", "fish", "powershell"), default="sh")


def run(args: argparse.Namespace) -> int:
    """Runs the subcommand; raises CommandError."""
    chosen = running.settings()
    server = running.require(chosen)
    if args.what == "list":
        listed = running.page(chosen, server, running.ACCOUNTS)["Accounts"]
        rows = [(each["Id"], each["Name"] or "-", each["AccessKeyId"]) for each in listed]
        print("\n".join(running.columns([("ACCOUNT", "NAME", "ADMINISTRATOR'S KEY"), *rows])))
        return 0
    if args.what == "env":
        found = running.account(chosen, server, args.which)
        print(_lines(chosen, server, found["AccessKeyId"], args.shell))
        return 0
    number = args.which if args.which.isdigit() else ""
    name = args.name or ("" if number else args.which)
    made = running.page(chosen, server, running.ACCOUNTS, {"Id": number, "Name": name})
    key = made["AccessKeyId"]
    print(f"# Account {made['Id']}{f' ({name})' if name else ''}. Its administrator's key:")
    print(f"#   access key id     {key}")
    print(f"#   secret access key {running.secret_of(chosen, key)}")
    print(f"# Its execution role: arn:aws:iam::{made['Id']}:role/{chosen.role}")
    print(f"# Users in it: sagebrush user add NAME --account {name or made['Id']}")
    print(f'# The lines below again: eval "$(sagebrush account env {name or made["Id"]})"')
    print(_lines(chosen, server, key, args.shell))
    return 0


def _lines(chosen: Settings, server: Server, key: str, shell: str) -> str:
    given = (key, running.secret_of(chosen, key))
    return env.script(env.variables(chosen, server, given=given), shell)
