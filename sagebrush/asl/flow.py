"""How a line goes from state to state: entering, leaving, failing, retrying, catching.

Sources: specification, "Transitions", "Errors"; ids of previous events as the service records them.
"""

from __future__ import annotations

from typing import Any

from sagebrush.asl import redrive
from sagebrush.asl.failures import DATA_LIMIT, RESULT_PATH, TOO_LARGE, Failure, StateError, matches
from sagebrush.asl.machine import Assignments, Catcher, Outcome, Retrier, State
from sagebrush.asl.scope import Scope
from sagebrush.asl.steps import End, SetTimer
from sagebrush.asl.turn import NOT_TRUNCATED, Line, Turn
from sagebrush.asl.values import PAYLOAD_LIMIT, fits, write
from sagebrush.errors import Doc

VARIABLES_LIMIT = 10 * 1024 * 1024
"""Bytes of all variables of an execution (guide, "Passing data between states with variables")."""

_KEPT = ("variables", "held", "held_weight", "index")
"""Members of a line that outlast a state."""


def enter(turn: Turn, line: Line) -> State:
    """The line's state is entered; its events follow from there."""
    frame, state = line.frame, line.state
    text = frame.pop("text", None)
    frame["before"] = frame["previous"]
    frame["entered"] = frame["previous"] = turn.emit(
        f"{state.type}StateEntered",
        frame["previous"],
        "stateEnteredEventDetails",
        {
            "name": state.name,
            "input": text or turn.text(turn.input_of(line)),
            "inputDetails": NOT_TRUNCATED,
        },
    )
    frame["at"] = turn.now
    return state


def given(turn: Turn, line: Line, state: State) -> Any:
    """The effective input: a state's input after InputPath."""
    value = turn.input_of(line)
    return value if state.input is None else state.input(turn.scope(line, value))


def leave(turn: Turn, line: Line, result: Any, outcome: Outcome | None = None) -> None:
    """The state ends with a result, and the line goes on. Raises StateError."""
    state, given_input = line.state, turn.input_of(line)
    outcome = outcome or state.outcome
    if state.jsonata:
        scope = turn.scope(line, input=given_input, result=result)
        if state.type in ("Choice", "Wait", "Pass", "Succeed"):
            del scope.states["result"]
        assigned = _evaluated(outcome.assign, scope)
        output = result if outcome.output is None else outcome.output(scope)
        go_on(turn, line, output, assigned, outcome.next)
        return
    scope = turn.scope(line, result)
    selected = result if state.selector is None else state.selector(scope)
    assigned = _evaluated(outcome.assign, scope)
    if state.type in ("Choice", "Wait", "Succeed"):
        output = result
    else:
        output = placed(state, given_input, selected)
    if state.filter is not None:
        output = state.filter(turn.scope(line, output))
    go_on(turn, line, output, assigned, outcome.next)


def placed(state: State, given_input: Any, result: Any) -> Any:
    """A result within the state's input, at ResultPath."""
    path = state.result_path
    if path is None:
        return given_input
    if path.keys == ():
        return result
    try:
        return path.put(given_input, result)
    except LookupError:
        raise StateError(
            RESULT_PATH, f'Unable to apply step "{path.text}" to input {write(given_input)}'
        ) from None


def _evaluated(assign: Assignments, scope: Scope) -> Doc:
    """The values of variables, all made before one is assigned."""
    return {name: evaluate(scope) for name, evaluate in assign}


def go_on(turn: Turn, line: Line, output: Any, assigned: Doc, following: str | None) -> None:
    """The state is left with an output. Raises StateError where that is too large."""
    frame = line.frame
    text = turn.text(output)
    if not fits(text):
        raise StateError(DATA_LIMIT, TOO_LARGE.format(frame["state"]), own=False)
    details: Doc = {"name": frame["state"], "output": text, "outputDetails": NOT_TRUNCATED}
    if assigned:
        details["assignedVariables"] = _assign(turn, line, assigned)
        details["assignedVariablesDetails"] = NOT_TRUNCATED
    previous = turn.emit(
        f"{line.state.type}StateExited", frame["previous"], "stateExitedEventDetails", details
    )
    kept = {name: frame[name] for name in _KEPT if name in frame}
    frame.clear()
    frame.update(kept, previous=previous, state=following, input=output)
    if following is None:
        frame["state"] = details["name"]
        turn.ended.append((line.path, output, text))
    else:
        turn.ready.append(line.path)


def _assign(turn: Turn, line: Line, assigned: Doc) -> Doc:
    """The variables are set; the texts of their values, by name."""
    texts = {name: turn.text(assigned[name]) for name in sorted(assigned)}
    if sum(len(text.encode()) for text in texts.values()) > PAYLOAD_LIMIT:
        raise StateError(DATA_LIMIT, "The assigned variables exceed the maximum size of 256 KiB.")
    variables = {**line.own_variables(), **assigned}
    if len(turn.text(variables)) > VARIABLES_LIMIT:
        raise StateError(DATA_LIMIT, "The variables of the execution exceed 10 MiB.")
    for name in ("held", "held_weight"):
        line.frame.pop(name, None)
    line.frame["variables"] = variables
    return texts


def told(line: Line, error: StateError) -> Failure:
    """An error of the state itself, whose cause names the state and the event of its entry."""
    if not error.own:
        return Failure(error.name, error.cause)
    return Failure(
        error.name,
        f"An error occurred while executing the state '{line.frame['state']}' (entered at the event "
        f"id #{line.frame['entered']}). {error.cause}",
    )


def failed(turn: Turn, line: Line, error: StateError | Failure, handled: bool = False) -> None:
    """The line's state failed: it is tried again, caught, or fails what is around it.

    `handled`: a Catcher has been tried, so that nothing catches this. What ran within the state is
    gone already (`containers`), and so is its task.
    """
    state, frame = line.state, line.frame
    if isinstance(error, StateError):
        failure = told(line, error)
        if state.jsonata and error.name == "States.QueryEvaluationError":
            _evaluation_failed(turn, line, failure, error.location)
    else:
        failure = error
    if not handled and _retried(turn, line, failure):
        turn.before = None
        return
    catcher = None if handled else _catcher(state, failure)
    if catcher is not None:
        turn.before = None
        frame.pop("wait", None)
        try:
            _caught(turn, line, catcher, failure)
        except StateError as second:
            failed(turn, line, second, handled=True)
        return
    redrive.remember(turn)
    if state.type in ("Map", "Parallel"):
        previous = turn.emit(f"{state.type}StateFailed", frame["previous"])
        frame["previous"] = previous
    turn.failed.append((line.path, failure))


def _evaluation_failed(turn: Turn, line: Line, failure: Failure, location: str) -> None:
    details: Doc = {"error": failure.name, "cause": failure.cause, "state": line.frame["state"]}
    if location:
        details["location"] = location
    frame = line.frame
    previous = frame["before"] if frame["previous"] == frame["entered"] else frame["previous"]
    frame["previous"] = turn.emit(
        "EvaluationFailed", previous, "evaluationFailedEventDetails", details
    )


def _retried(turn: Turn, line: Line, failure: Failure) -> bool:
    """Whether the state is tried again; the first retrier that matches decides."""
    name = failure.matched or failure.name
    for at, retrier in enumerate(line.state.retriers):
        if not matches(retrier.errors, name):
            continue
        counts = dict(line.frame.get("retries", {}))
        done = counts.get(str(at), 0)
        if done >= retrier.attempts:
            return False
        counts[str(at)] = done + 1
        frame = line.frame
        frame["retries"], frame["retried"] = counts, frame.get("retried", 0) + 1
        key = f"{line.path}#{turn.position['events']}:retry"
        frame["wait"] = {"retry": key}
        frame.pop("mapRun", None)
        turn.commands.append(SetTimer(key, turn.now + delay(retrier, done, turn)))
        return True
    return False


def delay(retrier: Retrier, done: int, turn: Turn) -> float:
    """Seconds before the next attempt, after `done` earlier ones (specification, "Retrying")."""
    longest = retrier.longest if retrier.longest is not None else float(31_622_400)
    try:
        seconds = min(retrier.interval * retrier.backoff**done, longest)
    except OverflowError:
        seconds = longest
    return turn.random.uniform(0, seconds) if retrier.jitter else seconds


def _catcher(state: State, failure: Failure) -> Catcher | None:
    name = failure.matched or failure.name
    return next((one for one in state.catchers if matches(one.errors, name)), None)


def _caught(turn: Turn, line: Line, catcher: Catcher, failure: Failure) -> None:
    given_input, error, outcome = turn.input_of(line), failure.output(), catcher.outcome
    if line.state.jsonata:
        scope = turn.scope(line, input=given_input, errorOutput=error)
        output = error if outcome.output is None else outcome.output(scope)
    else:
        scope = turn.scope(line, error)
        path = catcher.result_path
        output = given_input if path is None else _put(path, given_input, error)
    go_on(turn, line, output, _evaluated(outcome.assign, scope), outcome.next)


def _put(path: Any, document: Any, value: Any) -> Any:
    try:
        return path.put(document, value)
    except LookupError:
        cause = f'Unable to apply step "{path.text}" to input {write(document)}'
        raise StateError(RESULT_PATH, cause) from None


def succeed(turn: Turn, line: Line, text: str) -> None:
    """The execution ends well."""
    details = {"output": text, "outputDetails": NOT_TRUNCATED}
    previous = line.frame["previous"]
    turn.emit("ExecutionSucceeded", previous, "executionSucceededEventDetails", details)
    turn.end = End("SUCCEEDED", output=text)


def end_failed(turn: Turn, previous: int, failure: Failure) -> None:
    """The execution fails; what AWS gives no value for is left out."""
    details = {"error": failure.name, "cause": failure.cause}
    turn.emit(
        "ExecutionFailed",
        previous,
        "executionFailedEventDetails",
        {name: value for name, value in details.items() if value is not None},
    )
    turn.end = End("FAILED", error=failure.name, cause=failure.cause)
