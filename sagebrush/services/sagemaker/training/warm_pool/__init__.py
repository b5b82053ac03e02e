"""Warm pools: after a job that keeps its instance alive, a process waits for the next matching job.

The sandbox is new, its modules are loaded and no user's code has run in it; the next job takes it
over under its own key, and the one after that finds another. `matching` says which jobs match,
`offers` begins and ends a pool, `claims` gives it to a job, `process` speaks with what waits, `life` is what
the loop does. Source: "Train Using SageMaker AI Managed Warm Pools" (developer guide).
"""
