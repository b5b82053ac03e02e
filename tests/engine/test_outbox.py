"""The outbox: what is put arrives once it is committed, as who sends may, or goes to the dead letters."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from sagebrush.app import App, build
from sagebrush.engine.outbox import AHEAD, EACH, GIVE_UP, Outbox
from sagebrush.errors import AwsError, Doc
from sagebrush.settings import Settings
from sagebrush.store.deliveries import Delivery
from sagebrush.store.events import Event, Events, Interest
from sagebrush.world import Ctx, World
from tests.conftest import Clock
from tests.waiting import until

RULE = "arn:aws:events:us-east-1:000000000000:rule/x"
EVENTS = "events.amazonaws.com"


class Fixture:
    """A world whose outbox runs when told, with queues by their names."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.clock = clock
        self.app: App = build(settings, clock)
        self.world: World = self.app.world
        self.consumers: list[Callable[[World, Event], Sequence[Delivery]]] = []
        self.world.events = Events(self.world.db, clock, {}, Interest(always=True))
        self.outbox = Outbox(self.world, [self._consume], lambda: 1.0)
        self.ctx: Ctx = self.world.service_ctx()

    def _consume(self, world: World, event: Event) -> list[Delivery]:
        return [each for consumer in self.consumers for each in consumer(world, event)]

    def queue(self, name: str, *services: str) -> str:
        """The ARN of a new queue to which the services may send for RULE."""
        arn = f"arn:aws:sqs:{self.ctx.region}:{self.ctx.account}:{name}"
        given: Doc = {"QueueName": name}
        if services:
            given["Attributes"] = {"Policy": policy(arn, "sqs:SendMessage", *services)}
        self.ctx.call("sqs", "CreateQueue", given)
        return arn

    def delivery(self, target: str, payload: str = "text", **given: Any) -> Delivery:
        whole = {"source_arn": RULE, **given}
        return Delivery(self.ctx.account, self.ctx.region, target, payload, EVENTS, **whole)

    def put(self, *deliveries: Delivery) -> None:
        self.world.deliveries.put(deliveries).result()

    def bodies(self, name: str) -> list[str]:
        """The messages of the queue, in the order in which they were sent; they stay."""
        return [each.body for each in self.messages(name)]

    def messages(self, name: str) -> list[Any]:
        row = self.world.rows.get(self.ctx.account, self.ctx.region, "queue", name)
        assert row is not None
        return self.world.messages.peek(row.id, 0, 1000)

    def answers(self, service: str, name: str, with_: Callable[[Ctx, Doc], Doc]) -> None:
        """The operation is another."""
        self.world.operations[service, name] = with_


def policy(arn: str, action: str, *services: str) -> str:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": list(services)},
        "Action": action,
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": RULE}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture
def things(settings: Settings, clock: Clock) -> Iterator[Fixture]:
    made = Fixture(settings, clock)
    yield made
    made.outbox.stop()
    made.app.stop()


def event(number: int = 0) -> Event:
    return Event("000000000000", "us-east-1", "mine", "Made", {"number": number})


def said(message: Any) -> dict[str, str]:
    return {k: v["StringValue"] for k, v in message.more["attributes"].items()}


# Sending ------------------------------------------------------------------------------------------


def test_an_event_becomes_its_deliveries_once(things: Fixture) -> None:
    first, second = things.queue("a", EVENTS), things.queue("b", EVENTS)

    def consume(world: World, event: Event) -> list[Delivery]:
        return [things.delivery(each, json.dumps(event.detail)) for each in (first, second)]

    things.consumers = [consume, lambda world, event: []]
    things.world.events.put([event(1), event(2)]).result()
    assert things.outbox.run_once() == 4
    assert things.outbox.run_once() == 0
    assert things.bodies("a") == things.bodies("b") == ['{"number": 1}', '{"number": 2}']
    assert things.world.events.next_due() is None


def test_a_topic_passes_it_on(things: Fixture) -> None:
    topic = things.ctx.call("sns", "CreateTopic", {"Name": "t"})["TopicArn"]
    things.put(things.delivery(topic, "refused"))
    things.ctx.call(
        "sns",
        "SetTopicAttributes",
        {
            "TopicArn": topic,
            "AttributeName": "Policy",
            "AttributeValue": policy(topic, "sns:Publish", EVENTS),
        },
    )
    queue = things.queue("q")
    statement = json.loads(policy(queue, "sqs:SendMessage", "sns.amazonaws.com"))
    statement["Statement"][0]["Condition"] = {"ArnEquals": {"aws:SourceArn": topic}}
    url = f"https://sqs/{things.ctx.account}/q"
    attributes = {"Policy": json.dumps(statement)}
    things.ctx.call("sqs", "SetQueueAttributes", {"QueueUrl": url, "Attributes": attributes})
    things.ctx.call(
        "sns", "Subscribe", {"TopicArn": topic, "Protocol": "sqs", "Endpoint": queue,
                             "Attributes": {"RawMessageDelivery": "true"}}
    )  # fmt: skip
    things.put(things.delivery(topic, "passed", options={"Subject": "s"}))
    things.outbox.run_once()
    assert things.bodies("q") == ["refused", "passed"]


def test_without_a_policy_of_the_target_nothing_arrives(things: Fixture) -> None:
    dead = things.queue("dead", EVENTS)
    for target in (things.queue("q"), things.queue("other", "s3.amazonaws.com")):
        things.put(things.delivery(target, target, dead_letter=dead))
    things.outbox.run_once()
    assert things.bodies("q") == things.bodies("other") == []
    letters = {each.body: said(each) for each in things.messages("dead")}
    assert [each["ERROR_CODE"] for each in letters.values()] == ["NO_PERMISSIONS"] * 2
    assert all(
        each["RULE_ARN"] == RULE and each["TARGET_ARN"] == arn for arn, each in letters.items()
    )
    assert all("EXHAUSTED_RETRY_CONDITION" not in each for each in letters.values())


def test_a_role_sends_what_it_may_where_the_service_may_assume_it(things: Fixture) -> None:
    def role(name: str, service: str, action: str) -> str:
        trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        given = {"RoleName": name, "AssumeRolePolicyDocument": document}
        arn = things.ctx.call("iam", "CreateRole", given)["Role"]["Arn"]
        allowed = {"Effect": "Allow", "Action": action, "Resource": "*"}
        things.ctx.call(
            "iam", "PutRolePolicy", {"RoleName": name, "PolicyName": "p", "PolicyDocument":
                                     json.dumps({"Version": "2012-10-17", "Statement": [allowed]})}
        )  # fmt: skip
        return arn

    target, dead = things.queue("q"), things.queue("dead", EVENTS)
    roles = [
        role("good", EVENTS, "sqs:SendMessage"),
        role("strange", "s3.amazonaws.com", "sqs:SendMessage"),
        role("poor", EVENTS, "sqs:ReceiveMessage"),
        f"arn:aws:iam::{things.ctx.account}:role/none",
    ]
    things.put(*(things.delivery(target, arn, role=arn, dead_letter=dead) for arn in roles))
    things.outbox.run_once()
    assert things.bodies("q") == roles[:1]
    codes = {each.body: said(each)["ERROR_CODE"] for each in things.messages("dead")}
    assume = "FAILED_TO_ASSUME_ROLE"
    assert codes == dict(zip(roles[1:], (assume, "NO_PERMISSIONS", assume), strict=True))


# Failures -----------------------------------------------------------------------------------------


def test_what_throttles_is_tried_again_until_it_does_not(things: Fixture) -> None:
    target, operation = things.queue("q", EVENTS), things.world.operations["sqs", "SendMessage"]
    left = [AwsError("ThrottlingException", "slow", 400), AwsError("InternalFailure", "x", 500)]

    def send(ctx: Ctx, request: Doc) -> Any:
        if left:
            raise left.pop()
        return operation(ctx, request)

    things.answers("sqs", "SendMessage", send)
    things.put(things.delivery(target))
    assert [things.outbox.run_once() for _ in range(2)] == [1, 0]
    things.clock.forward(1.0)
    assert [things.outbox.run_once() for _ in range(2)] == [1, 0]
    things.clock.forward(1.0)
    assert things.outbox.run_once() == 0, "pauses grow"
    things.clock.forward(1.0)
    assert things.outbox.run_once() == 1
    assert things.bodies("q") == ["text"]
    assert things.world.deliveries.count() == 0


@pytest.mark.parametrize(
    ("terms", "condition", "retried"),
    [
        ({"retries": 2}, "MaximumRetryAttempts", "2"),
        ({"max_age": 60.0}, "MaximumEventAgeInSeconds", "1"),
    ],
)
def test_what_stays_throttled_is_given_up(
    things: Fixture, terms: Doc, condition: str, retried: str
) -> None:
    topic = "arn:aws:sns:us-east-1:000000000000:t"

    def publish(ctx: Ctx, request: Doc) -> Doc:
        raise AwsError("ThrottledException", "slow", 429)

    things.answers("sns", "Publish", publish)
    things.put(things.delivery(topic, dead_letter=things.queue("dead", EVENTS), **terms))
    for _ in range(4):
        things.outbox.run_once()
        things.clock.forward(61.0)
    (letter,) = things.messages("dead")
    assert letter.body == "text"
    assert said(letter)["EXHAUSTED_RETRY_CONDITION"] == condition
    assert said(letter)["RETRY_ATTEMPTS"] == retried
    assert said(letter)["ERROR_CODE"] == "THROTTLING"


def test_a_target_that_is_gone_and_a_dead_letter_queue_that_is(things: Fixture) -> None:
    gone = "arn:aws:sqs:us-east-1:000000000000:gone"
    things.put(
        things.delivery(gone, "first", dead_letter=things.queue("dead", EVENTS)),
        things.delivery(gone, "second", dead_letter=gone),
        things.delivery(gone, "third"),
    )
    things.outbox.run_once()
    assert things.world.deliveries.count() == 0
    (letter,) = things.messages("dead")
    assert (letter.body, said(letter)["ERROR_CODE"]) == ("first", "NO_RESOURCE")
    assert "The specified queue does not exist." in said(letter)["ERROR_MESSAGE"]


def test_a_consumer_that_raises_is_asked_again(things: Fixture) -> None:
    target = things.queue("q", EVENTS)
    raised: list[int] = []

    def consume(world: World, event: Event) -> list[Delivery]:
        if event.detail["number"] == 1 or not raised:
            raised.append(event.detail["number"])
            raise ValueError("a bad rule")
        return [things.delivery(target, str(event.detail["number"]))]

    things.consumers = [consume]
    things.world.events.put([event(0), event(1), event(2)]).result()
    assert things.outbox.run_once() == 1, "one bad event holds up no other"
    for _ in range(GIVE_UP):
        things.clock.forward(61.0)
        things.outbox.run_once()
    assert things.bodies("q") == ["2", "0"]
    assert raised == [0] + [1] * GIVE_UP
    assert things.world.events.next_due() is None


# Running ------------------------------------------------------------------------------------------


def test_a_slow_target_holds_up_no_other(things: Fixture) -> None:
    slow, quick = things.queue("slow", EVENTS), things.queue("quick", EVENTS)
    operation, go = things.world.operations["sqs", "SendMessage"], threading.Event()
    most, now, guard = [0], [0], threading.Lock()

    def send(ctx: Ctx, request: Doc) -> Any:
        if request["QueueUrl"].endswith("/slow"):
            with guard:
                now[0] += 1
                most[0] = max(most[0], now[0])
            assert go.wait(20)
            with guard:
                now[0] -= 1
        return operation(ctx, request)

    things.answers("sqs", "SendMessage", send)
    things.put(*(things.delivery(slow, str(n)) for n in range(100)))
    things.outbox.start()
    things.put(*(things.delivery(quick, str(n)) for n in range(50)))
    until(lambda: len(things.bodies("quick")) == 50, "it arrives")
    assert len(things.bodies("quick")) == 50
    assert (things.bodies("slow"), most[0]) == ([], EACH)
    assert len(things.outbox._lanes[slow].ready) <= AHEAD, "what waits is read a few at a time"
    go.set()
    until(things.outbox.idle, "all is sent")
    assert sorted(map(int, things.bodies("slow"))) == list(range(100))
    assert things.world.deliveries.count() == 0


def test_message_groups_keep_their_order(things: Fixture) -> None:
    seen: dict[str, list[int]] = {}
    failed: set[str] = set()
    guard = threading.Lock()

    def send(ctx: Ctx, request: Doc) -> Doc:
        group, number = request["MessageGroupId"], int(request["MessageBody"])
        with guard:
            if number == 3 and group not in failed:
                failed.add(group)
                raise AwsError("ThrottlingException", "slow")
            seen.setdefault(group, []).append(number)
        return {"MessageId": "x", "MD5OfMessageBody": "x"}

    things.answers("sqs", "SendMessage", send)
    fifo = things.delivery("arn:aws:sqs:us-east-1:000000000000:q.fifo")
    fifo = replace(fifo, role="")
    things.put(
        *(
            replace(fifo, payload=str(number), options={"MessageGroupId": f"g{group}"})
            for number in range(6)
            for group in range(20)
        )
    )
    things.outbox.start()
    until(things.outbox.idle, "all is sent")
    assert seen == {f"g{group}": [0, 1, 2] for group in range(20)}
    things.clock.forward(2.0)
    things.put(replace(fifo, payload="0", options={"MessageGroupId": "new"}))
    until(lambda: things.world.deliveries.count() == 0, "it arrives")
    assert seen == {f"g{group}": list(range(6)) for group in range(20)} | {"new": [0]}


def test_what_another_server_left_is_sent(settings: Settings, clock: Clock) -> None:
    things = Fixture(settings, clock)
    target = things.queue("q", EVENTS)
    things.put(things.delivery(target))
    things.world.events.put([event()]).result()
    things.app.stop()
    things = Fixture(settings, clock)
    things.consumers = [lambda world, event: [things.delivery(target, "event")]]
    things.outbox.start()
    until(lambda: len(things.bodies("q")) == 2, "it arrives")
    assert sorted(things.bodies("q")) == ["event", "text"]
    things.outbox.stop()
    things.app.stop()


# Faults -------------------------------------------------------------------------------------------


def test_a_server_that_dies_between_the_send_and_its_note_sends_again(things: Fixture) -> None:
    target = things.queue("q", EVENTS)
    things.put(things.delivery(target))
    done = things.world.deliveries.done

    class Killed(BaseException):
        """The end of the process."""

    def die(number: int) -> None:
        raise Killed

    things.world.deliveries.done = die  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(Killed):
        things.outbox.run_once()
    things.world.deliveries.done = done  # pyright: ignore[reportAttributeAccessIssue]
    Outbox(things.world, []).run_once()
    assert things.bodies("q") == ["text", "text"]
    assert things.world.deliveries.count() == 0


def test_a_clock_that_was_set_back_delays_nothing(things: Fixture) -> None:
    topic = "arn:aws:sns:us-east-1:000000000000:t"

    def publish(ctx: Ctx, request: Doc) -> Doc:
        if tried.append(1) is None and len(tried) == 1:
            raise AwsError("ThrottledException", "slow", 429)
        return {}

    tried: list[int] = []
    things.answers("sns", "Publish", publish)
    things.queue("q")
    things.app.loop.run_once()
    things.put(things.delivery(topic))
    things.outbox.run_once()
    things.clock.forward(-7200.0)
    assert things.outbox.run_once() == 0
    things.app.loop.run_once()
    assert things.outbox.run_once() == 1
    assert things.world.deliveries.count() == 0


def test_what_no_server_could_send_in_time_is_tried_once(things: Fixture) -> None:
    target = things.queue("q", EVENTS)
    things.put(things.delivery(target, max_age=60.0))
    things.clock.forward(200_000.0)
    things.outbox.run_once()
    assert things.bodies("q") == ["text"]


def test_nothing_of_before_arrives_after_the_accounts_were_emptied(things: Fixture) -> None:
    target, operation = things.queue("q", EVENTS), things.world.operations["sqs", "SendMessage"]
    there, go = threading.Event(), threading.Event()

    def send(ctx: Ctx, request: Doc) -> Any:
        there.set()
        assert go.wait(20)
        return operation(ctx, request)

    things.answers("sqs", "SendMessage", send)
    things.outbox.start()
    things.put(*(things.delivery(target, str(n)) for n in range(50)))
    assert there.wait(10)
    things.world.reset()
    things.queue("q", EVENTS)
    go.set()
    things.put(things.delivery(target, "new"))
    until(lambda: things.bodies("q"), "it arrives")
    until(things.outbox.idle, "all is sent")
    assert things.bodies("q") == ["new"]
    assert things.world.deliveries.count() == 0


# Other targets ------------------------------------------------------------------------------------


def test_a_log_group_gets_each_message_in_the_rules_stream(things: Fixture) -> None:
    things.ctx.call("logs", "CreateLogGroup", {"logGroupName": "/aws/events/x"})
    group = f"arn:aws:logs:{things.ctx.region}:{things.ctx.account}:log-group:/aws/events/x"
    elsewhere = group.replace(things.ctx.account, "111122223333")
    things.put(*(things.delivery(group, text) for text in ("one", "two")))
    dead = things.queue("dead", EVENTS)
    missing = group.replace("/x", "/none")
    things.put(*(things.delivery(arn, arn, dead_letter=dead) for arn in (elsewhere, missing)))
    things.outbox.run_once()
    (stream,) = things.ctx.call("logs", "DescribeLogStreams", {"logGroupName": "/aws/events/x"})[
        "logStreams"
    ]
    found = things.ctx.call(
        "logs", "GetLogEvents",
        {"logGroupName": "/aws/events/x", "logStreamName": stream["logStreamName"]},
    )["events"]  # fmt: skip
    assert [each["message"] for each in found] == ["one", "two"]
    assert found[0]["timestamp"] == round(things.clock() * 1000)
    codes = {each.body: said(each)["ERROR_CODE"] for each in things.messages("dead")}
    assert codes == {elsewhere: "NO_PERMISSIONS", missing: "NO_RESOURCE"}


def test_a_universal_target_is_called_as_its_role(things: Fixture) -> None:
    role = f"arn:aws:iam::{things.ctx.account}:role/{things.app.settings.role}"
    given = json.dumps({"QueueName": "made"})
    scheduled = things.delivery("aws-sdk:sqs:createQueue", given, role=role)
    scheduled = replace(scheduled, principal="scheduler.amazonaws.com")
    dead = things.queue("dead", "scheduler.amazonaws.com")
    bare = replace(scheduled, role="", dead_letter=dead)  # what Scheduler has none of
    wrong = replace(scheduled, payload='{"Strange": 1}', dead_letter=dead)
    things.put(scheduled, bare, wrong)
    things.outbox.run_once()
    assert things.bodies("made") == []
    (refused,) = things.messages("dead")[:1]
    found = {each.body: said(each) for each in things.messages("dead")}
    assert said(refused)["TARGET_ARN"] == "arn:aws:scheduler:::aws-sdk:sqs:createQueue"
    assert {body: each["ERROR_CODE"] for body, each in found.items()} == {
        given: "AccessDeniedException",
        '{"Strange": 1}': "ValidationException",
    }


def test_what_is_not_there_yet_is_refused_for_good(things: Fixture) -> None:
    role = f"arn:aws:iam::{things.ctx.account}:role/{things.app.settings.role}"
    pipeline = f"arn:aws:sagemaker:{things.ctx.region}:{things.ctx.account}:pipeline/p"
    stream = f"arn:aws:kinesis:{things.ctx.region}:{things.ctx.account}:stream/s"
    dead = things.queue("dead", EVENTS)
    for target in (pipeline, stream):
        things.put(things.delivery(target, "{}", role=role, dead_letter=dead))
    things.outbox.run_once()
    found = [said(each) for each in things.messages("dead")]
    assert {each["ERROR_CODE"] for each in found} == {"SDK_CLIENT_ERROR"}
    words = {each["TARGET_ARN"]: each["ERROR_MESSAGE"] for each in found}
    assert "StartPipelineExecution" in words[pipeline]
    assert stream in words[stream]


def test_an_execution_that_an_earlier_try_started_is_started(things: Fixture) -> None:
    machine = f"arn:aws:states:{things.ctx.region}:{things.ctx.account}:stateMachine:m"
    role = f"arn:aws:iam::{things.ctx.account}:role/{things.app.settings.role}"
    names: list[str] = []

    def start(ctx: Ctx, request: Doc) -> Doc:
        names.append(request["name"])
        assert ctx.caller.role == things.app.settings.role
        if len(names) == 1:  # started, but the answer was lost
            raise AwsError("InternalFailure", "x", 500)
        raise AwsError("ExecutionAlreadyExists", "x")

    things.answers("stepfunctions", "StartExecution", start)
    dead = things.queue("dead", EVENTS)
    things.put(things.delivery(machine, "{}", role=role))
    things.put(things.delivery(machine, "no role", dead_letter=dead))
    things.outbox.run_once()
    things.clock.forward(2.0)
    things.outbox.run_once()
    assert len(names) == 2
    assert len(set(names)) == 1
    assert things.world.deliveries.count() == 0
    (letter,) = things.messages("dead")
    assert (letter.body, said(letter)["ERROR_CODE"]) == ("no role", "NO_PERMISSIONS")
