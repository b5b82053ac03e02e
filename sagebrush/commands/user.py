"""`user`: IAM users for a team that shares the server: added with their keys, listed, removed."""

from __future__ import annotations

import argparse
from typing import Any

from sagebrush.commands import env, running
from sagebrush.commands.running import CommandError, Server
from sagebrush.settings import Settings

EXAMPLE = "AmazonSageMakerFullAccess"


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `user`."""
    commands = parser.add_subparsers(
        dest="what", metavar="add | list | keys | remove", required=True
    )
    added = commands.add_parser("add", help="a user, its access key, and the shell lines for it")
    added.add_argument("name", metavar="NAME")
    added.add_argument(
        "--policy",
        action="append",
        default=[],
        metavar="ARN_OR_NAME",
        help=f"a managed policy, AWS's or the account's ({EXAMPLE}); may be repeated",
    )
    added.add_argument(
        "--group", action="append", default=[], metavar="G", help="a group; may be repeated"
    )
    keys = commands.add_parser("keys", help='eval "$(sagebrush user keys NAME)"')
    keys.add_argument("name", metavar="NAME")
    removed = commands.add_parser("remove", help="the user, its keys and its own policies")
    removed.add_argument("name", metavar="NAME")
    listed = commands.add_parser("list", help="every user, with keys, policies and groups")
    for each in (added, keys, removed, listed):
        each.add_argument("--account", default="", metavar="A", help="an account's id or name")
    for each in (added, keys):
        each.add_argument("--shell", choices=("sh", "fish", "powershell"), default="sh")


def run(args: argparse.Namespace) -> int:
    """Runs the subcommand as the account's administrator; raises CommandError."""
    from botocore.exceptions import ClientError, ParamValidationError

    chosen = running.settings()
    server = running.require(chosen)
    account = running.account(chosen, server, args.account)
    iam = running.client(chosen, server, "iam", access_key=account["AccessKeyId"])
    try:
        if args.what == "list":
            return _list(iam)
        if args.what == "remove":
            return _remove(iam, args.name)
        if args.what == "keys":
            return _keys(args, chosen, server, iam)
        return _add(args, chosen, server, iam)
    except ClientError as error:
        raise CommandError(error.response["Error"].get("Message", str(error))) from error
    except ParamValidationError as error:
        raise CommandError(str(error)) from error


def _add(args: argparse.Namespace, chosen: Settings, server: Server, iam: Any) -> int:
    arns = [_policy(iam, each) for each in args.policy]
    for group in args.group:
        iam.get_group(GroupName=group)  # says so before the user exists
    user = iam.create_user(UserName=args.name)["User"]
    for arn in arns:
        iam.attach_user_policy(UserName=args.name, PolicyArn=arn)
    for group in args.group:
        iam.add_user_to_group(UserName=args.name, GroupName=group)
    key = iam.create_access_key(UserName=args.name)["AccessKey"]
    given = (key["AccessKeyId"], key["SecretAccessKey"])
    print(f"# User {user['Arn']}")
    print(f"#   access key id     {given[0]}")
    print(f"#   secret access key {given[1]}")
    held = [*(arn.rsplit("/", 1)[-1] for arn in arns), *(f"group {g}" for g in args.group)]
    if held:
        print(f"# It may do what these allow: {', '.join(held)}")
    else:
        arn = f"arn:aws:iam::aws:policy/{EXAMPLE}"
        print("# It may do nothing yet. Attach a policy, for example:")
        print(f"#   aws iam attach-user-policy --user-name {args.name} --policy-arn {arn}")
    number = user["Arn"].split(":")[4]
    print(f"# A role that its jobs can have: arn:aws:iam::{number}:role/{chosen.role}")
    print("#   (an administrator; for less, aws iam create-role, and let it pass that one alone)")
    if running.state(chosen).get("isolation") == "process":
        print(
            "# CAUTION: jobs are not isolated here (process mode): whoever may start one can read"
        )
        print("# this server's files, all keys among them. `sagebrush doctor` tells the cure.")
    _explain(args, chosen, server)
    print(env.script(env.elsewhere(chosen, server, given), args.shell))
    return 0


def _explain(args: argparse.Namespace, chosen: Settings, server: Server) -> None:
    """Says where the lines that follow are for, and what else they need."""
    if server.host in env.LOCAL:
        of = f" --account {args.account}" if args.account else ""
        print("# The lines below are for any login of this machine: the server listens on no other")
        print("# address. In your own shell, with what the SageMaker SDKs need besides:")
        print(f'#   eval "$(sagebrush user keys {args.name}{of})"')
        return
    if not (chosen.insecure and not chosen.tls_only):
        print(
            f"# Give the user {chosen.home / 'keys' / 'ca-bundle.pem'} as {env.BUNDLE}: it is how"
        )
        print("# the server is known. The lines below are for any machine that reaches it:")
    else:
        print("# The lines below are for any machine that reaches the server, over plain HTTP:")


def _keys(args: argparse.Namespace, chosen: Settings, server: Server, iam: Any) -> int:
    found = iam.list_access_keys(UserName=args.name)["AccessKeyMetadata"]
    active = [each["AccessKeyId"] for each in found if each["Status"] == "Active"]
    if not active:
        raise CommandError(
            f"{args.name} has no active access key (aws iam create-access-key"
            f" --user-name {args.name})"
        )
    given = (active[0], running.secret_of(chosen, active[0]))
    print(env.script(env.variables(chosen, server, given=given), args.shell))
    return 0


def _policy(iam: Any, wanted: str) -> str:
    """The ARN of the managed policy that an ARN or a name means; raises CommandError."""
    if wanted.startswith("arn:"):
        return iam.get_policy(PolicyArn=wanted)["Policy"]["Arn"]
    for scope in ("Local", "AWS"):
        for page in iam.get_paginator("list_policies").paginate(Scope=scope):
            for each in page["Policies"]:
                if each["PolicyName"] == wanted:
                    return each["Arn"]
    raise CommandError(f"there is no managed policy {wanted} (aws iam list-policies)")


def _list(iam: Any) -> int:
    rows = []
    for page in iam.get_paginator("list_users").paginate():
        for user in page["Users"]:
            name = user["UserName"]
            keys = iam.list_access_keys(UserName=name)["AccessKeyMetadata"]
            held = [p["PolicyName"] for p in _attached(iam, name)]
            held += [f"{p} (inline)" for p in _inline(iam, name)]
            groups = [g["GroupName"] for g in iam.list_groups_for_user(UserName=name)["Groups"]]
            told = [
                f"{k['AccessKeyId']}{'' if k['Status'] == 'Active' else ' (off)'}" for k in keys
            ]
            rows.append((name, *(", ".join(each) or "-" for each in (told, held, groups))))
    if not rows:
        print("no users (sagebrush user add NAME)")
        return 0
    print("\n".join(running.columns([("USER", "ACCESS KEYS", "POLICIES", "GROUPS"), *rows])))
    return 0


def _attached(iam: Any, name: str) -> list[dict[str, str]]:
    return iam.list_attached_user_policies(UserName=name)["AttachedPolicies"]


def _inline(iam: Any, name: str) -> list[str]:
    return iam.list_user_policies(UserName=name)["PolicyNames"]


def _remove(iam: Any, name: str) -> int:
    """The user is gone, its keys first: from then on it can do nothing."""
    for key in iam.list_access_keys(UserName=name)["AccessKeyMetadata"]:
        iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
    for held in _attached(iam, name):
        iam.detach_user_policy(UserName=name, PolicyArn=held["PolicyArn"])
    for inline in _inline(iam, name):
        iam.delete_user_policy(UserName=name, PolicyName=inline)
    for group in iam.list_groups_for_user(UserName=name)["Groups"]:
        iam.remove_user_from_group(UserName=name, GroupName=group["GroupName"])
    iam.delete_user(UserName=name)
    print(f"user {name} is removed, and its keys no longer work")
    return 0
