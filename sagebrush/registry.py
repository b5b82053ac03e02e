"""What services are made of: operations by the names of AWS's models, and kinds."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import FunctionType, ModuleType

from sagebrush import services
from sagebrush.access import actions
from sagebrush.aws import models
from sagebrush.engine.kinds import Kind
from sagebrush.engine.outbox import Consumer, Ends
from sagebrush.errors import Doc
from sagebrush.services import SERVICES
from sagebrush.store.derived import Derive
from sagebrush.store.events import Interest, Source
from sagebrush.world import Ctx, Operation, Operations

ROOT = "operations"
"""The name of modules that must define operations."""
BeforeBody = dict[tuple[str, str], Callable[[Ctx, Doc], object]]


Modules = Mapping[str, Sequence[ModuleType]]
"""The modules of every service."""


def modules() -> Modules:
    """Those of every service, imported: to be found once, and given to the functions below."""
    return {service: services.modules(service) for service in SERVICES}


def operations(found: Modules | None = None) -> Operations:
    """Every (service, operation) that is answered, and its function.

    Raises LookupError, also for an operation whose authorisation no table defines (`access.actions`).
    """
    table: Operations = {}
    for service, own in (found or modules()).items():
        table |= collect(service, own, models.known(service))
    actions.require(table)
    return table


def before_body(found: Modules | None = None) -> BeforeBody:
    """What refuses an upload by its headers alone, by (service, operation): modules' BEFORE_BODY."""
    return {
        (service, name): check
        for service, own in (found or modules()).items()
        for module in own
        for name, check in getattr(module, "BEFORE_BODY", {}).items()
    }


def kinds(found: Modules | None = None) -> dict[str, Kind]:
    """`Row.kind` -> the kind, of all services. Raises LookupError when two have one name, or when
    the facts of one are not where `services.running` finds them."""
    every = [module for own in (found or modules()).values() for module in own]
    table = services.by_name(Kind, every, lambda kind: kind.name)
    facts = services.facts_of(every)
    for kind in table.values():
        if kind.running is not None and facts.get(kind.name) is not kind.running:
            raise LookupError(f"the facts of {kind.name} belong in {services.FACTS}.py")
    if lost := facts.keys() - table.keys():
        raise LookupError(f"there are facts of {min(lost)}, but no Kind has them")
    return table


def event_sources(found: Modules | None = None) -> dict[str, Source]:
    """`Row.kind` -> the events of its changes: modules' EVENT_SOURCES. Raises LookupError when two tell
    of one kind."""
    table: dict[str, Source] = {}
    for own in (found or modules()).values():
        for module in own:
            for kind, source in getattr(module, "EVENT_SOURCES", {}).items():
                if table.setdefault(kind, source) is not source:
                    raise LookupError(f"{module.__name__}: two tell of the events of {kind}")
    return table


def derived(found: Modules | None = None) -> dict[str, list[Derive]]:
    """`Row.kind` -> what follows from its changes: modules' DERIVED."""
    table: dict[str, list[Derive]] = {}
    for own in (found or modules()).values():
        for module in own:
            for kind, derive in getattr(module, "DERIVED", {}).items():
                if derive not in table.setdefault(kind, []):
                    table[kind].append(derive)
    return table


def event_consumers(found: Modules | None = None) -> tuple[list[Consumer], Interest]:
    """Modules' EVENT_CONSUMERS, and who of an account is interested in events: the kinds of rows in
    their EVENT_CONSUMER_KINDS, everybody where one of them names none."""
    consumers, kinds, always = list[Consumer](), list[str](), False
    for own in (found or modules()).values():
        for module in own:
            given = getattr(module, "EVENT_CONSUMERS", ())
            named = getattr(module, "EVENT_CONSUMER_KINDS", ())
            consumers += [each for each in given if each not in consumers]
            kinds += [each for each in named if each not in kinds]
            always = always or bool(given and not named)
    return consumers, Interest(always, tuple(kinds))


def delivery_ends(found: Modules | None = None) -> dict[str, Ends]:
    """Who sends -> what is counted of deliveries that their targets never got: modules' DELIVERY_ENDS."""
    every = [module for own in (found or modules()).values() for module in own]
    return {
        principal: ends
        for module in every
        for principal, ends in getattr(module, "DELIVERY_ENDS", {}).items()
    }


def collect(service: str, found: Iterable[ModuleType], known: dict[str, str]) -> Operations:
    """The operations that those of the modules define for `service` that define any.

    An operation is a public function whose parameters begin `(ctx, request)`; its name is the AWS
    name in snake case. A module may add generated ones in a table `OPERATIONS` (AWS name ->
    function). `known` maps snake case to the model's names. Raises LookupError when a function
    in a module that defines operations, or one that begins with a verb of the service's, names none
    of the model, when a module `operations` defines none, when the service has none, or when two
    define the same one.
    """
    table: Operations = {}
    for module in found:
        for aws_name, function in _defined(service, module, known).items():
            if (service, aws_name) in table:
                raise LookupError(f"{service}.{aws_name} is defined twice")
            table[service, aws_name] = function
    if not table:
        raise LookupError(f"nothing defines an operation of {service}")
    return table


def _parameters(function: FunctionType) -> tuple[str, ...]:
    """The names of its positional parameters: inspect.signature takes a hundred times as long."""
    code = inspect.unwrap(function).__code__
    return code.co_varnames[: code.co_argcount]


def _defined(service: str, module: ModuleType, known: dict[str, str]) -> dict[str, Operation]:
    """AWS name -> function, of one module; none of one whose functions only look like some."""
    own = {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, FunctionType)
        and not name.startswith("_")
        and value.__module__ == module.__name__
        and _parameters(value)[:2] == ("ctx", "request")
    }
    generated = dict(getattr(module, "OPERATIONS", {}))
    any_known = generated or not own.keys().isdisjoint(known)
    strange = [name for name in own if name not in known]
    verbs = {name.partition("_")[0] for name in known} if strange else set()
    if lost := [n for n in strange if any_known or n.partition("_")[0] in verbs]:
        raise LookupError(f"{module.__name__}.{lost[0]} names no operation of {service}")
    if module.__name__.rpartition(".")[2] != ROOT and not any_known:
        return {}
    if not any_known:
        raise LookupError(f"{module.__name__} defines no operation of {service}")
    for aws_name in generated:
        if aws_name not in known.values():
            raise LookupError(f"{module.__name__}: {service} has no operation {aws_name}")
    named = {known[name]: function for name, function in own.items()}
    if both := generated.keys() & named.keys():
        raise LookupError(f"{service}.{min(both)} is defined twice")
    return {**generated, **named}
