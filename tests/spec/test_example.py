"""Values that fit a schema."""

from typing import Any

import pytest

from synapse_spec.spec.example import example, fits
from synapse_spec.spec.fields import Field as SchemaField
from synapse_spec.spec.fields import fields, written
from tests.spec.test_fields import SCHEMA


@pytest.mark.parametrize("field", fields(SCHEMA, SCHEMA), ids=lambda field: written(field.path))
def test_each_field_has_an_example_that_fits(field: SchemaField) -> None:
    [value] = example(field.schema, SCHEMA)
    assert fits(value, field.schema, SCHEMA)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "integer", "exclusiveMinimum": 5}, 6),
        ({"type": "integer", "exclusiveMaximum": -5}, -6),
        ({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.5}, 0.25),
        ({"type": "number", "maximum": -2}, -2),
        ({"type": "string", "minLength": 6}, "textxx"),
        ({"type": "string", "maxLength": 2}, "te"),
        ({"type": "string", "format": "date"}, "2026-01-31"),
        ({"type": "string", "pattern": "^z+$", "examples": ["no", "zz"]}, "zz"),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 2, "uniqueItems": True}, [1, 2]),
        ({"type": "object", "additionalProperties": {"type": "boolean"}}, {"key": True}),
        ({"anyOf": [{"type": "null"}, {"const": "x"}]}, None),
        ({"enum": ["a", "b"]}, "a"),
    ],
)
def test_examples(schema: dict[str, Any], value: Any) -> None:
    assert example(schema, {}) == [value]


def test_no_example_is_better_than_a_wrong_one() -> None:
    assert example({"type": "string", "pattern": "^z{3}$"}, {}) == []
    assert not fits(float("inf"), {"type": "number"}, {})
    assert not fits("${{ run.name }}", {"type": "string"}, {})
    assert not fits(1, {"type": 5}, {})
