"""Fails when it is imported."""

TABLE = {}
FIRST = TABLE["first"]
