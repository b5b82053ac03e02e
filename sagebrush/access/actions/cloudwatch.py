"""CloudWatch's metrics (Service Authorization Reference, "Amazon CloudWatch"): none has a resource."""

from __future__ import annotations

from sagebrush.access.actions.entries import Permission, Table, key

TABLE: Table = {
    "GetMetricData": (Permission("cloudwatch:GetMetricData"),),
    "GetMetricStatistics": (Permission("cloudwatch:GetMetricStatistics"),),
    "ListMetrics": (Permission("cloudwatch:ListMetrics"),),
    "PutMetricData": (
        Permission("cloudwatch:PutMetricData", keys=(key("cloudwatch:namespace", "Namespace"),)),
    ),
}
