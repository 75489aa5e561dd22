"""Fixtures of the tests of plans."""

from tests.plan.ready import committed, ready

__all__ = ["committed", "ready"]
