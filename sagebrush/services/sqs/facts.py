"""The facts of tasks that move messages, which run no process."""

from __future__ import annotations

from sagebrush.facts import WithoutProcesses

MOVE_TASK = WithoutProcesses(
    service="sqs",
    kind="message-move-task",
    noun="MessageMoveTask",
    label="message move task",
    listed="",  # ListMessageMoveTasks answers those of one queue
    busy=(),
    ended=(),
)
