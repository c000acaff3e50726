"""Names that a model would drop silently are problems, just where the schema refuses them too."""

from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import AliasChoices, AliasPath, BaseModel, ConfigDict, Field, ValidationError

from synapse_spec.plugins.params import unknown_params
from synapse_spec.plugins.schemas import params_schema


class Choices(BaseModel):
    one: int = Field(0, validation_alias=AliasChoices("a", "b"))
    two: int = Field(0, alias="c")
    three: int = Field(0, validation_alias=AliasChoices("d", AliasPath("e", 0)))


class ByName(BaseModel):
    model_config = ConfigDict(populate_by_name=True)
    one: int = Field(alias="a")
    b: int = Field(0, alias="b")


class Allowing(BaseModel):
    model_config = ConfigDict(extra="allow")
    one: int = Field(0, validation_alias=AliasChoices("a", "b"))


@pytest.mark.parametrize(
    ("model", "params", "said"),
    [
        (Choices, {"a": 1, "c": 1, "d": 1, "e": [1]}, []),
        (Choices, {"b": 1, "e": [1]}, []),
        (Choices, {"a": 1, "b": 1}, ["another name of 'a', which is given too"]),
        (Choices, {"one": 1}, ["unknown param"]),
        (ByName, {"a": 1, "one": 1}, ["another name of 'a', which is given too"]),
        (ByName, {"one": 1, "b": 2}, []),
        (ByName, {"onne": 1}, ["unknown param; did you mean 'one'?"]),
        (Allowing, {"a": 1, "b": 1, "x": 1}, []),
    ],
)
def test_names(model: type[BaseModel], params: dict[str, Any], said: list[str]) -> None:
    assert [problem["message"] for problem in unknown_params(model, params)] == said


@pytest.mark.parametrize("model", [Choices, ByName, Allowing])
def test_the_schema_takes_the_same_names(model: type[BaseModel]) -> None:
    class Holder:
        params_model = model
        result_model = None

    validator = jsonschema_rs.Draft202012Validator(params_schema(Holder))  # type: ignore[arg-type]

    @settings(max_examples=100, deadline=None)
    @given(st.dictionaries(st.sampled_from(["a", "b", "c", "d", "e", "one", "two", "x"]), st.just(1)))
    def same(params: dict[str, Any]) -> None:
        try:
            model.model_validate(params)
        except ValidationError:
            taken = False
        else:
            taken = not unknown_params(model, params)
        assert validator.is_valid(params) == taken

    same()
