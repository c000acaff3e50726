"""Fixtures of the command line's tests."""

from tests.engine.conftest import project

__all__ = ["project"]
