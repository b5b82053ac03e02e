"""Alarms of CloudWatch: metric, maths and composite."""
