"""What ValidateStateMachineDefinition says of a definition.

Source: API reference, "ValidateStateMachineDefinitionDiagnostic" (the codes); wordings as the service
writes them where they are recorded (localstack test_sfn_api_validation and test_base_scenarios), and
plain ones where they are not.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sagebrush.errors import Doc

SCHEMA = "SCHEMA_VALIDATION_FAILED"


@dataclass(frozen=True)
class Diagnostic:
    """`location` is a JSON pointer in AWS's form: names are not escaped; "" where there is none."""

    severity: str
    code: str
    message: str
    location: str = ""

    def document(self) -> Doc:
        found = {"severity": self.severity, "code": self.code, "message": self.message}
        return {**found, "location": self.location} if self.location else found

    def __str__(self) -> str:
        """As InvalidDefinition quotes it."""
        told = f"{self.code}: {self.message}"
        return f"{told} at {self.location}" if self.location else told


@dataclass
class Report:
    """Diagnostics, gathered while a definition is walked."""

    found: list[Diagnostic] = field(default_factory=list)

    def error(self, message: str, location: str, code: str = SCHEMA) -> None:
        self.found.append(Diagnostic("ERROR", code, message, location or "/"))

    def warning(self, code: str, message: str, location: str) -> None:
        self.found.append(Diagnostic("WARNING", code, message, location))

    def errors(self) -> list[Diagnostic]:
        return [one for one in self.found if one.severity == "ERROR"]
