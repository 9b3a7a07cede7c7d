"""One row of a problem source, checked; what is wrong with it is told in a line."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from selfplay.errors import UserError

Row = Mapping[str, object]


class ProblemRow(BaseModel):
    """One row of a source, checked; fields not named here are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    prompt: str
    id: str | int | None = None
    """The author's own name for the row; must be unique, and is used in messages only."""
    signature: str | None = None
    entry_point: str | None = Field(None, min_length=1)
    reference: str | None = None
    """Used only next to a signature, and so are the tests: without one, the model will choose names of its own."""
    reference_tests: list[str] | None = Field(None, min_length=1)

    @field_validator("prompt", "signature", "reference")
    @classmethod
    def _text(cls, value: str | None) -> str | None:
        """Text that is not blank and can be stored: a lone surrogate can be written in JSON, but not in UTF-8."""
        if value is not None:
            if not value.strip():
                raise ValueError("is empty")
            if any("\ud800" <= character <= "\udfff" for character in value):
                raise ValueError("holds half a surrogate pair, which is not text")
        return value

    @field_validator("signature")
    @classmethod
    def _signature(cls, value: str | None) -> str | None:
        if value is None:
            return None
        text = value.strip().rstrip(":").rstrip() + ":"
        parse_signature(text)
        return text

    @model_validator(mode="after")
    def _agree(self) -> ProblemRow:
        if self.signature is None:
            if self.entry_point is not None:
                raise ValueError("'entry_point' needs a 'signature'")
            return self
        name = parse_signature(self.signature)
        if self.entry_point not in (None, name):
            raise ValueError(f"'entry_point' is {self.entry_point!r}, but the signature defines {name!r}")
        if self.reference is not None:
            tree = _parse(self.reference, "'reference'")
            if not any(isinstance(node, ast.FunctionDef) and node.name == name for node in tree.body):
                raise ValueError(f"'reference' does not define {name!r}")
        for index, test in enumerate(self.reference_tests or ()):
            body = _parse(test, f"'reference_tests[{index}]'").body
            if len(body) != 1 or not isinstance(body[0], ast.Assert):
                raise ValueError(f"'reference_tests[{index}]' is not one assert statement")
        return self


def _parse(source: str, what: str) -> ast.Module:
    try:
        with warnings.catch_warnings(action="ignore"):  # an odd escape in somebody's string is none of our business
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"{what} is not Python: {getattr(error, 'msg', None) or error}") from error


def parse_signature(signature: str) -> str:
    """Return the name that a `def` line ending in a colon defines.

    Raises:
        ValueError: It is not one plain function header.
    """
    body = _parse(signature + " ...", "'signature'").body
    header = body[0] if len(body) == 1 else None
    if (
        not isinstance(header, ast.FunctionDef)
        or header.decorator_list
        or ast.unparse(header).splitlines()[1:] != ["    ..."]
    ):
        raise ValueError("'signature' is not one line such as 'def name(x: int) -> str:'")
    return header.name


def checked(place: str, raw: Row) -> ProblemRow:
    """Return the row, or say in one line what is wrong with it."""
    try:
        return ProblemRow.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"][:1])
        if first["type"] == "missing":
            raise UserError(f"{place}: '{field}' is missing") from error
        message = first["msg"].removeprefix("Value error, ")
        if not field or message.startswith("'"):
            raise UserError(f"{place}: {message}") from error
        raise UserError(f"{place}: '{field}': {message}") from error
