"""Executions: started, described, listed, stopped, redriven.

Sources: API reference, "StartExecution", "StartSyncExecution", "DescribeExecution", "ListExecutions",
"StopExecution", "RedriveExecution"; quotas; wordings as recorded (localstack test_sfn_api,
test_sfn_api_express).
"""

from __future__ import annotations

import json
import random
import uuid
from concurrent.futures import Future
from typing import Any

from sagebrush.asl import references
from sagebrush.asl.steps import Stopped
from sagebrush.errors import AwsError, Doc
from sagebrush.services.states import aliases, arns, configuration, payloads, status_events, tokens
from sagebrush.services.states.map_runs import rows as map_rows
from sagebrush.services.states.program import KIND, Plan, plan_of
from sagebrush.services.states.resources import DELETING, Found, find, revised
from sagebrush.store.execution_values import RUNNING, New, Run
from sagebrush.world import Ctx

_draw = random.SystemRandom().random
REDRIVE_DAYS = 14
"""How long after its end an execution can be redriven."""
HISTORY = 24_999
"""Events after which it cannot."""
DAY = 86400.0


def start_execution(ctx: Ctx, request: Doc) -> Future[Doc]:
    """The execution is durable and begins; the same name with the same input, while it runs, is
    answered as it is. Raises InvalidArn, InvalidName, InvalidExecutionInput,
    StateMachineDoesNotExist, StateMachineDeleting, ExecutionAlreadyExists."""
    new = _new(ctx, request, sync=False)
    answer: Future[Doc] = Future()

    def done(future: Future[tuple[Run, bool]]) -> None:
        try:
            run, created = future.result()
        except BaseException as error:
            answer.set_exception(error)
            return
        if not created and (run.status != RUNNING or run.input != new.input):
            words = f"Execution Already Exists: '{new.arn}'"
            answer.set_exception(AwsError("ExecutionAlreadyExists", words))
            return
        answer.set_result({"executionArn": run.arn, "startDate": run.started})

    begun = ctx.world.executing.begin(new, status_events.begun(ctx.world))
    begun.add_done_callback(done)
    return answer


def _new(ctx: Ctx, request: Doc, sync: bool) -> New:
    found = find(ctx, request["stateMachineArn"])
    name, given = request.get("name") or str(uuid.uuid4()), request.get("input", "{}")
    arns.check_name(name)
    payloads.check_input(given)
    machine = found.machine
    if machine.status == DELETING:
        raise arns.being_deleted(machine.doc["stateMachineArn"])
    version = found.version
    if found.alias is not None:
        version = aliases.chosen(ctx, found.alias, _draw())
        if version is None:
            raise arns.no_machine(request["stateMachineArn"])
    doc = (version or machine).doc
    express = doc["type"] == "EXPRESS"
    if sync and not express:
        raise not_supported()
    arn = machine.doc["stateMachineArn"]
    plan = _plan(doc, arn, request, found)
    if version is not None:
        plan["version"] = version.doc["stateMachineArn"]
    if sync:
        plan["sync"] = True
    full = arns.execution_arn(arn, name, express)
    return New(KIND, full, arn, name, doc["definition"], given, {**plan})


def _plan(doc: Doc, arn: str, request: Doc, found: Found) -> Plan:
    plan: Plan = {"role": doc["roleArn"], "machine": arn, "type": doc["type"]}
    if doc["loggingConfiguration"]["level"] != "OFF":
        plan["logging"] = doc["loggingConfiguration"]
    if doc["tracingConfiguration"]["enabled"]:
        plan["tracing"] = True
    if request.get("traceHeader"):
        plan["trace"] = request["traceHeader"]
    if found.alias is not None:
        plan["alias"] = found.alias.doc["stateMachineAliasArn"]
    plan["revision"] = doc.get("revisionId", "")
    plan["revised"] = revised(found)
    return plan


def not_supported() -> AwsError:
    return AwsError(
        "StateMachineTypeNotSupported",
        "This operation is not supported by this type of state machine",
    )


def start_sync_execution(ctx: Ctx, request: Doc) -> Future[Doc]:
    """The Express execution has ended. Raises as `start_execution` does, and
    StateMachineTypeNotSupported."""
    new = _new(ctx, request, sync=True)
    answer: Future[Doc] = Future()
    ended = ctx.world.executing.expect(new.arn)

    def done(future: Future[Run]) -> None:
        if future.cancelled():  # the server stops
            error = AwsError("ServiceUnavailable", "The server is stopping.", 503)
            answer.set_exception(error)
        elif future.exception() is not None:
            answer.set_exception(future.exception())
        else:
            answer.set_result(_outcome(future.result(), request))

    def begun(future: Future[tuple[Run, bool]]) -> None:
        error = future.exception()
        if error is not None:
            ended.cancel()
            answer.set_exception(error)
        else:
            ended.add_done_callback(done)

    ctx.world.executing.begin(new).add_done_callback(begun)
    return answer


def _outcome(run: Run, request: Doc) -> Doc:
    plan = plan_of(run)
    doc: Doc = {
        "executionArn": run.arn,
        "stateMachineArn": plan.get("machine"),
        "name": run.name,
        "startDate": run.started,
        "stopDate": run.stopped,
        "status": run.status,
        "billingDetails": _billed(run),
        **_data(run, request),
    }
    for member, value in (
        ("error", run.error),
        ("cause", run.cause),
        ("traceHeader", plan.get("trace")),
    ):
        if value is not None:
            doc[member] = value
    return doc


def _billed(run: Run) -> Doc:
    """As AWS would bill: begun 100 ms, in 64 MB ("Pricing"); what AWS measures of memory is not
    measured here."""
    taken = max(0.0, (run.stopped or run.started) - run.started) * 1000
    return {
        "billedDurationInMilliseconds": max(100, -int(-taken // 100) * 100),
        "billedMemoryUsedInMB": 64,
    }


def _data(run: Run, request: Doc) -> Doc:
    """Input and output, unless metadata alone is asked for."""
    included = request.get("includedData", "ALL_DATA") != "METADATA_ONLY"
    doc: Doc = {"inputDetails": {"included": included}}
    if included:
        doc["input"] = run.input
    if run.output is not None:
        doc["outputDetails"] = {"included": included}
        if included:
            doc["output"] = run.output
    return doc


def run_of(ctx: Ctx, arn: str) -> Run:
    """The execution. Raises InvalidArn, ExecutionDoesNotExist."""
    arns.execution(ctx, arn)
    run = ctx.world.executions.find(arn)
    if run is None:
        raise arns.no_execution(arn)
    return run


def describe_execution(ctx: Ctx, request: Doc) -> Doc:
    """The execution as it is. Raises InvalidArn, ExecutionDoesNotExist."""
    run = run_of(ctx, request["executionArn"])
    plan = plan_of(run)
    reason = not_redrivable(ctx, run)
    doc = {
        **_summary(run),
        **_data(run, request),
        "redriveStatus": "REDRIVABLE" if reason is None else "NOT_REDRIVABLE",
    }
    found = {
        "redriveStatusReason": reason,
        "error": run.error,
        "cause": run.cause,
        "traceHeader": plan.get("trace"),
    }
    return {**doc, **{name: value for name, value in found.items() if value is not None}}


def _summary(run: Run) -> Doc:
    plan = plan_of(run)
    doc: Doc = {
        "executionArn": run.arn,
        "stateMachineArn": plan.get("machine"),
        "name": run.name,
        "status": run.status,
        "startDate": run.started,
        "redriveCount": plan.get("redrives", 0),
    }
    found = {
        "stopDate": run.stopped,
        "redriveDate": plan.get("redriven"),
        "mapRunArn": plan.get("map_run"),
        "itemCount": plan.get("items"),
        "stateMachineVersionArn": plan.get("version"),
        "stateMachineAliasArn": plan.get("alias"),
    }
    return {**doc, **{name: value for name, value in found.items() if value}}


def not_redrivable(ctx: Ctx, run: Run) -> str | None:
    """Why the execution cannot be redriven, in the service's words (API reference,
    "DescribeExecution", redriveStatusReason); None where it can."""
    if run.status in (RUNNING, "SUCCEEDED"):
        return f"Execution is {run.status} and cannot be redriven"
    if run.events >= HISTORY:
        return "Execution history event limit exceeded"
    if run.stopped is not None and ctx.world.clock() - run.stopped > REDRIVE_DAYS * DAY:
        return "Execution redrivable period exceeded"
    machine = plan_of(run).get("machine", "").split(":", 6)[-1]
    row = ctx.world.rows.get(run.account, run.region, "state-machine", machine)
    if row is not None and row.status == DELETING:
        return "State machine is in DELETING status"
    return None


def describe_state_machine_for_execution(ctx: Ctx, request: Doc) -> Doc:
    """The state machine as the execution runs it. Raises InvalidArn, ExecutionDoesNotExist."""
    run = run_of(ctx, request["executionArn"])
    plan = plan_of(run)
    text = definition_of(ctx, run)
    machine = plan.get("machine", "")
    doc: Doc = {
        "stateMachineArn": machine,
        "name": machine.rpartition(":")[2],
        "definition": text,
        "roleArn": plan.get("role"),
        "updateDate": plan.get("revised") or run.started,
        "loggingConfiguration": plan.get("logging") or configuration.NO_LOGGING,
        "tracingConfiguration": configuration.tracing({"enabled": plan.get("tracing", False)}),
        "encryptionConfiguration": configuration.ENCRYPTION,
    }
    found = {
        "revisionId": plan.get("revision"),
        "mapRunArn": plan.get("map_run"),
        "label": plan.get("label"),
        "variableReferences": references.variables(text),
    }
    doc |= {name: value for name, value in found.items() if value}
    if request.get("includedData") == "METADATA_ONLY":
        doc["definition"] = ""
        doc.pop("variableReferences", None)
    return doc


def definition_of(ctx: Ctx, run: Run) -> str:
    """The definition that the execution runs: of a map run's child, that of the item processor."""
    text = ctx.world.executions.definition(run.definition)
    path = plan_of(run).get("path")
    return json.dumps(_within(json.loads(text), path)) if path else text


def _within(doc: Doc, path: list[str]) -> Doc:
    for at, name in enumerate(path):
        state = doc["States"][name]
        if state["Type"] == "Map":
            doc = state.get("ItemProcessor") or state["Iterator"]
        else:
            doc = next(b for b in state["Branches"] if path[at + 1] in b["States"])
    return doc


def list_executions(ctx: Ctx, request: Doc) -> Doc:
    """The executions of a state machine, a version, an alias or a map run, the latest first.

    Raises InvalidArn, InvalidToken, StateMachineDoesNotExist, StateMachineTypeNotSupported,
    ValidationException.
    """
    machine, map_run = request.get("stateMachineArn"), request.get("mapRunArn")
    if (machine is None) == (map_run is None):
        raise AwsError(
            "ValidationException", "Exactly one of stateMachineArn and mapRunArn must be specified."
        )
    place = tokens.read(request, float, int)
    owner, where = _listed(ctx, machine, map_run)
    redriven = request.get("redriveFilter")
    if redriven is not None and map_run is not None:
        raise AwsError(
            "ValidationException", "redriveFilter can be used only with stateMachineArn."
        )
    status = request.get("statusFilter")
    if status == "PENDING_REDRIVE" and map_run is None:
        raise AwsError(
            "ValidationException",
            "The status filter PENDING_REDRIVE can be used only with mapRunArn.",
        )
    most = tokens.size(request)
    before = (place[0], place[1]) if place else None
    conditions = dict(where)
    if redriven is not None:
        conditions["redrives"] = redriven == "REDRIVEN"
    runs = ctx.world.executions.listed(owner, status, before, most + 1, conditions)
    page = [_summary(run) for run in runs[:most]]
    more: Doc = {}
    if len(runs) > most:
        more = {"nextToken": tokens.write([runs[most - 1].started, runs[most - 1].id])}
    return {"executions": page, **more}


def _listed(ctx: Ctx, machine: str | None, map_run: str | None) -> tuple[str, dict[str, Any]]:
    """Under which ARN the executions are listed, and what their plans have."""
    if map_run is not None:
        named = arns.read(map_run, "mapRun")
        if map_rows.find(ctx.world, named.account, named.region, map_run) is None:
            raise arns.not_found(map_run)
        return map_run, {}
    assert machine is not None
    found = find(ctx, machine)
    if found.machine.doc["type"] == "EXPRESS":
        raise not_supported()
    owner = found.machine.doc["stateMachineArn"]
    if found.version is not None:
        return owner, {"version": machine}
    return owner, {"alias": machine} if found.alias is not None else {}


def stop_execution(ctx: Ctx, request: Doc) -> Future[Doc]:
    """The execution is ABORTED, or had ended before. Raises InvalidArn, ExecutionDoesNotExist."""
    run = run_of(ctx, request["executionArn"])
    answer: Future[Doc] = Future()
    if run.status != RUNNING:
        answer.set_result({"stopDate": run.stopped})
        return answer
    stopped = Stopped(request.get("error"), request.get("cause"))

    def done(future: Future[bool]) -> None:
        error = future.exception()
        if error is not None:
            answer.set_exception(error)
            return
        ended = ctx.world.executions.run(run.id)
        answer.set_result({"stopDate": ended.stopped if ended else ctx.world.clock()})

    ctx.world.executing.report(run.id, stopped, insists=False).add_done_callback(done)
    return answer


def redrive_execution(ctx: Ctx, request: Doc) -> Doc:
    """The execution goes on from the states that were not successful. Raises InvalidArn,
    ExecutionDoesNotExist, ExecutionNotRedrivable."""
    run = run_of(ctx, request["executionArn"])
    reason = not_redrivable(ctx, run)
    now = ctx.world.clock()
    token = request.get("clientToken")
    if token and plan_of(run).get("redrive_token") == token:
        return {"redriveDate": plan_of(run).get("redriven", now)}
    if reason is not None:
        raise AwsError("ExecutionNotRedrivable", reason)
    changed: Doc = {"redriven": now, "redrives": plan_of(run).get("redrives", 0) + 1}
    if token:
        changed["redrive_token"] = token
    if not ctx.world.executing.redrive(run.id, changed, status_events.begun(ctx.world)).result():
        raise AwsError("ExecutionNotRedrivable", "Execution is RUNNING and cannot be redriven")
    return {"redriveDate": now}
