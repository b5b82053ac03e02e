"""The objects within Map states, and Retry and Catch: their fields, and what these must be.

Sources: Step Functions developer guide, "Map state in Distributed mode", "ItemReader", "ItemBatcher",
"ResultWriter", "ProcessorConfig"; specification, "Errors".
"""

from __future__ import annotations

import re
from typing import Any

from sagebrush.asl import fields
from sagebrush.asl.diagnostics import Report
from sagebrush.asl.fields import Check
from sagebrush.asl.values import is_number
from sagebrush.errors import Doc


def errors(report: Report, value: Any, location: str, jsonata: bool) -> None:
    if not isinstance(value, list) or not value:
        report.error("Array must have at least 1 item", location)
        return
    for at, name in enumerate(value):
        if not isinstance(name, str):
            report.error("Expected value of type [STRING]", f"{location}[{at}]")
    if "States.ALL" in value and len(value) > 1:
        report.error("States.ALL must appear alone in ErrorEquals", location)


def backoff(report: Report, value: Any, location: str, jsonata: bool) -> None:
    if not is_number(value) or value < 1:
        report.error("Value should be a number of at least 1.0", location)


def headers(report: Report, value: Any, location: str, jsonata: bool) -> None:
    fields.listed(report, value, location, jsonata)
    for at, name in enumerate(value if isinstance(value, list) else ()):
        if not isinstance(name, str):
            report.error("Expected value of type [STRING]", f"{location}[{at}]")


def input_type(report: Report, value: Any, location: str, jsonata: bool) -> None:
    """A reader's InputType: all of AWS's but Parquet, for which the control plane has no library."""
    if value == "PARQUET":
        report.error("Sagebrush does not read Parquet files (InputType PARQUET) yet.", location)
    else:
        _INPUT_TYPES(report, value, location, jsonata)


_INPUT_TYPES = fields.one_of("CSV", "JSON", "JSONL", "PARQUET", "MANIFEST")
RETRIER: dict[str, Check] = {
    "ErrorEquals": errors,
    "IntervalSeconds": fields.whole(1),
    "MaxAttempts": fields.whole(0),
    "BackoffRate": backoff,
    "MaxDelaySeconds": fields.whole(1, 31_622_400),
    "JitterStrategy": fields.one_of("FULL", "NONE"),
    "Comment": fields.anything,
}
CATCHER: dict[str, Check] = {
    "ErrorEquals": errors,
    "Next": fields.string,
    "ResultPath": fields.result_path,
    "Output": fields.anything,
    "Assign": fields.anything,
    "Comment": fields.anything,
}
CONFIG: dict[str, Check] = {
    "Mode": fields.one_of("INLINE", "DISTRIBUTED"),
    "ExecutionType": fields.one_of("STANDARD", "EXPRESS"),
}
READER: dict[str, Check] = {
    "InputType": input_type,
    "CSVHeaderLocation": fields.one_of("FIRST_ROW", "GIVEN"),
    "CSVHeaders": headers,
    "CSVDelimiter": fields.one_of("COMMA", "PIPE", "SEMICOLON", "SPACE", "TAB"),
    "MaxItems": fields.whole(0, 100_000_000),
    "MaxItemsPath": fields.reference,
    "ManifestType": fields.one_of("ATHENA_DATA", "S3_INVENTORY"),
    "ItemsPointer": fields.string,
    "Transformation": fields.one_of("NONE", "LOAD_AND_FLATTEN"),
}
BATCHER: dict[str, Check] = {
    "MaxItemsPerBatch": fields.whole(1),
    "MaxItemsPerBatchPath": fields.reference,
    "MaxInputBytesPerBatch": fields.whole(1, 262_144),
    "MaxInputBytesPerBatchPath": fields.reference,
    "BatchInput": fields.template,
}
WRITER_CONFIG: dict[str, Check] = {
    "Transformation": fields.one_of("NONE", "COMPACT", "FLATTEN"),
    "OutputType": fields.one_of("JSON", "JSONL"),
}
READERS = ("arn:aws:states:::s3:listObjectsV2", "arn:aws:states:::s3:getObject")
WRITER = "arn:aws:states:::s3:putObject"
LABEL = re.compile(r"""[^\s<>{}\[\]?*"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f]{1,40}""")
"""Guide, "Map state in Distributed mode", Label: up to 40 characters without these."""


def known(report: Report, doc: Any, at: str, checks: dict[str, Check], jsonata: bool) -> bool:
    """Checks the members of an object by a table; whether it is an object."""
    if not isinstance(doc, dict):
        report.error("Expected value of type [OBJECT]", at)
        return False
    for name, value in doc.items():
        if name in checks:
            checks[name](report, value, f"{at}/{name}", jsonata)
        else:
            report.error(f"Field '{name}' is not supported", at)
    fields.exclusive(report, doc, at)
    return True


def processor(report: Report, config: Any, at: str) -> None:
    if not known(report, config, at, CONFIG, False):
        return
    if config.get("Mode", "INLINE") == "INLINE" and "ExecutionType" in config:
        report.error("Field 'ExecutionType' is only supported in DISTRIBUTED mode", at)
    if config.get("Mode") == "DISTRIBUTED" and "ExecutionType" not in config:
        report.error("These fields are required: [ExecutionType]", at)


def handler(report: Report, doc: Any, at: str, checks: dict[str, Check], last: bool) -> None:
    """A retrier or a catcher."""
    if not known(report, doc, at, checks, False):
        return
    required = [name for name in ("ErrorEquals", "Next") if name in checks and name not in doc]
    if required:
        report.error(f"These fields are required: [{', '.join(required)}]", at)
    if not last and doc.get("ErrorEquals") == ["States.ALL"]:
        report.error("States.ALL must be in the last entry", f"{at}/ErrorEquals")


def catcher(report: Report, doc: Doc, at: str, jsonata: bool) -> None:
    foreign = "ResultPath" if jsonata else "Output"
    if foreign in doc:
        one, two = ("JSONata", "JSONPath") if jsonata else ("JSONPath", "JSONata")
        report.error(
            f"The QueryLanguage is set to '{one}', but field '{foreign}' is only supported for the "
            f"'{two}' QueryLanguage",
            at,
        )
    if "Assign" in doc:
        fields.assignments(report, doc["Assign"], f"{at}/Assign", jsonata)
    if jsonata:
        fields.template(report, doc.get("Output"), f"{at}/Output", True)


def _reader(report: Report, config: Doc, at: str) -> None:
    """What lists files of items must say of which type they are (guide, "ItemReader (Map)")."""
    flat = config.get("Transformation") == "LOAD_AND_FLATTEN"
    lists = flat or config.get("ManifestType") == "ATHENA_DATA"
    if lists and config.get("InputType", "MANIFEST") == "MANIFEST":
        report.error("These fields are required: [InputType]", at)


def map_state(report: Report, doc: Doc, at: str, jsonata: bool, distributed: bool) -> None:
    """The fields that only Distributed mode has."""
    for name in ("ItemReader", "ItemBatcher", "ResultWriter", "Label"):
        if name in doc and not distributed:
            report.error(f"Field '{name}' is only supported in DISTRIBUTED mode", at)
    arguments = "Arguments" if jsonata else "Parameters"
    if isinstance(doc.get("ItemReader"), dict):
        where = f"{at}/ItemReader"
        checks = {"Resource": fields.one_of(*READERS), arguments: fields.template}
        checks["ReaderConfig"] = fields.record
        reader = doc["ItemReader"]
        known(report, reader, where, checks, jsonata)
        if "Resource" not in reader:
            report.error("These fields are required: [Resource]", where)
        config = reader.get("ReaderConfig", {})
        if known(report, config, f"{where}/ReaderConfig", READER, jsonata):
            _reader(report, config, f"{where}/ReaderConfig")
    if isinstance(doc.get("ItemBatcher"), dict):
        batcher = doc["ItemBatcher"]
        known(report, batcher, f"{at}/ItemBatcher", BATCHER, jsonata)
        limits = [name for name in batcher if name.startswith("Max")]
        if not limits:
            names = "MaxItemsPerBatch, MaxInputBytesPerBatch"
            report.error(f"One of these fields is required: [{names}]", f"{at}/ItemBatcher")
    if isinstance(doc.get("ResultWriter"), dict):
        checks = {"Resource": fields.one_of(WRITER), arguments: fields.template}
        checks["WriterConfig"] = fields.record
        writer = doc["ResultWriter"]
        known(report, writer, f"{at}/ResultWriter", checks, jsonata)
        config = writer.get("WriterConfig", {})
        known(report, config, f"{at}/ResultWriter/WriterConfig", WRITER_CONFIG, jsonata)
    label = doc.get("Label", "x")
    if isinstance(label, str) and not LABEL.fullmatch(label):
        report.error("Label must have 1 to 40 characters without special ones", f"{at}/Label")
