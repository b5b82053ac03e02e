"""A machine or an execution, found by its name or ARN; what is said of a name that none has."""

from __future__ import annotations

import argparse
import contextlib
import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sagebrush.commands import beside, places, running
from sagebrush.commands.running import CommandError, Server
from sagebrush.commands.states.tree import Tree
from sagebrush.settings import Settings
from sagebrush.store import census

Doc = Mapping[str, Any]
SERVICE = "stepfunctions"
ABSENT = ("ExecutionDoesNotExist", "StateMachineDoesNotExist", "InvalidArn", "ValidationException")
SEARCHED = 10
"""How many executions of each machine, newest first, are compared with an unknown name."""
PAGE = 1000
"""Events that GetExecutionHistory answers with at most."""


class Unanswered(CommandError):
    """The server did not answer; it may be about to start again."""


@dataclass(frozen=True)
class Found:
    """What a name means. `execution` is "" for a machine without any."""

    client: Any
    machine: str
    execution: str

    @property
    def name(self) -> str:
        return (self.execution or self.machine).rpartition(":")[2]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds NAME, `--region` and `--account`."""
    words = "a machine (its latest execution), an execution, MACHINE/EXECUTION, or an ARN"
    parser.add_argument("name", metavar="NAME", help=words)
    places.add_argument(parser)


def one(args: argparse.Namespace) -> Found:
    """What the arguments name, in the region that has it; raises CommandError where nothing does."""
    chosen = running.settings()
    server = places.server(chosen, args)
    name: str = args.name
    parts = name.split(":")
    asked = parts[3] if name.startswith("arn:") and len(parts) > 6 else args.region
    where = [asked] if asked else regions(chosen, server)
    clients = {each: running.client(chosen, server, SERVICE, each) for each in where}
    with told():
        found = [one for client in clients.values() for one in _look(client, name)]
        if len(found) == 1:
            return found[0]
        if found:
            ways = "\n".join(f"  sagebrush states show {each.execution}" for each in found)
            raise CommandError(f"{len(found)} executions are named {name}; say which:\n{ways}")
        raise CommandError(unknown(clients, name, args.region))


def regions(chosen: Settings, server: Server) -> list[str]:
    """The server's region, then the others in which the account has anything."""
    with beside.database(chosen) as stored:
        found = census.resources(stored.read, server.account)
    return list(dict.fromkeys([server.region, *sorted(found)]))


@contextlib.contextmanager
def told() -> Iterator[None]:
    """An error of the service is the command's, in its words."""
    try:
        yield
    except ClientError as error:
        raise CommandError(error.response["Error"].get("Message") or str(error)) from error
    except BotoCoreError as error:
        raise Unanswered(f"the server did not answer: {error}") from error


def _look(client: Any, name: str) -> Iterator[Found]:
    """The machine of that name or ARN, else every execution of that name."""
    if name.startswith("arn:"):
        yield from _by_arn(client, name)
        return
    machine, _, execution = name.rpartition("/")
    arns = {each["name"]: each["stateMachineArn"] for each in machines(client)}
    if not machine and name in arns:
        yield latest(client, arns[name])
        return
    for arn in [arns[machine]] if machine in arns else () if machine else arns.values():
        wanted = f"{arn.replace(':stateMachine:', ':execution:', 1)}:{execution}"
        if _there(client, wanted):
            yield Found(client, arn, wanted)


def _by_arn(client: Any, arn: str) -> Iterator[Found]:
    if ":stateMachine:" in arn:
        try:
            client.describe_state_machine(stateMachineArn=arn)
        except ClientError as error:
            if _code(error) not in ABSENT:
                raise
            return
        yield latest(client, arn)
    elif _there(client, arn):
        machine = arn.rpartition(":")[0].replace(":execution:", ":stateMachine:", 1)
        yield Found(client, machine, arn)


def latest(client: Any, machine: str) -> Found:
    """The machine with its newest execution, if there is one that can be listed."""
    found = executions(client, machine, 1)
    return Found(client, machine, found[0]["executionArn"] if found else "")


def machines(client: Any) -> list[Doc]:
    """All state machines of the client's region."""
    pages = client.get_paginator("list_state_machines").paginate()
    return [each for page in pages for each in page["stateMachines"]]


def executions(client: Any, machine: str, count: int) -> list[Doc]:
    """Up to `count` executions of a machine, newest first; none of an Express one, which lists none."""
    pages = client.get_paginator("list_executions").paginate(
        stateMachineArn=machine, PaginationConfig={"MaxItems": count}
    )
    try:
        return [each for page in pages for each in page["executions"]]
    except ClientError as error:
        if _code(error) == "StateMachineTypeNotSupported":
            return []
        raise


def _there(client: Any, execution: str) -> bool:
    try:
        client.describe_execution(executionArn=execution)
    except ClientError as error:
        if _code(error) in ABSENT:
            return False
        raise
    return True


def _code(error: ClientError) -> str:
    return error.response["Error"].get("Code", "")


def unknown(clients: Mapping[str, Any], name: str, region: str) -> str:
    """What is said of a name that nothing has: names that are near it, and which machines there are."""
    said = f"there is no state machine or execution {name}{f' in {region}' if region else ''}"
    there: list[str] = []
    listed: list[str] = []
    for client in clients.values():
        for each in machines(client):
            listed.append(each["name"])
            recent = executions(client, each["stateMachineArn"], SEARCHED)
            there += [each["name"], *(one["name"] for one in recent)]
    if not there:
        return f"{said}, and no state machine at all yet"
    wanted = name.rpartition("/")[2].rpartition(":")[2]
    near = difflib.get_close_matches(wanted, there, n=3, cutoff=0.6)
    near += [each for each in there if wanted in each and each not in near][: 3 - len(near)]
    if near:
        said += f"; near it: {', '.join(dict.fromkeys(near))}"
    more = ", …" if len(listed) > SEARCHED else ""
    return f"{said}\nState machines: {', '.join(listed[:SEARCHED])}{more}"


def required(found: Found) -> str:
    """The ARN of the execution; raises CommandError where the machine has had none."""
    if found.execution:
        return found.execution
    with told():
        machine = found.client.describe_state_machine(stateMachineArn=found.machine)
    if machine.get("type") == "EXPRESS":
        words = "keeps no history of its executions: its log group has them, where it logs"
        raise CommandError(f"{machine['name']} is an Express state machine, which {words}")
    raise CommandError(f"{machine['name']} has not been executed yet")


def begin(client: Any, execution: str) -> Tree:
    """The execution's tree as its history is now; raises CommandError in the service's words."""
    with told():
        machine = client.describe_state_machine_for_execution(executionArn=execution)
        made = Tree(json.loads(machine["definition"]))
        pages = client.get_paginator("get_execution_history").paginate(
            executionArn=execution, PaginationConfig={"PageSize": PAGE}
        )
        for page in pages:
            made.add(page["events"])
    return made


def go_on(client: Any, execution: str, tree: Tree) -> bool:
    """The tree has the events that came since; whether there were any."""
    new: list[Doc] = []
    with told():
        pages = client.get_paginator("get_execution_history").paginate(
            executionArn=execution, reverseOrder=True, PaginationConfig={"PageSize": 100}
        )
        for page in pages:
            new += [event for event in page["events"] if event["id"] > tree.last]
            if not page["events"] or page["events"][-1]["id"] <= tree.last:
                break
    tree.add(reversed(new))
    return bool(new)


def map_runs(client: Any, tree: Tree, most: int = 5) -> dict[str, Doc]:
    """ARN -> DescribeMapRun's answer, for the map runs of the tree; `executions` are up to `most` of its
    child executions that failed, then of those that run."""
    arns = {visit.map_run for visit in tree.visits() if visit.map_run}
    found: dict[str, Doc] = {}
    with told():
        for arn in arns:
            run = client.describe_map_run(mapRunArn=arn)
            counts = run.get("executionCounts", {})
            there = [s for s in ("FAILED", "RUNNING") if counts.get(s.lower())]
            children = [each for status in there for each in _children(client, arn, status, most)]
            found[arn] = {**run, "executions": children[:most]}
    return found


def _children(client: Any, map_run: str, status: str, most: int) -> list[Doc]:
    """Child executions; none where they are Express, which are not listed."""
    try:
        found = client.list_executions(mapRunArn=map_run, statusFilter=status, maxResults=most)
    except ClientError:
        return []
    return found["executions"]
