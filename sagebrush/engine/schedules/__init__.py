"""Schedules as AWS writes them: what an expression means (pure), and a row that fires by one."""
