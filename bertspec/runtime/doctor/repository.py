"""The line on a repository that is not there."""

from bertspec.core.program import Answer
from bertspec.runtime.doctor.line import Line, State


def no_repository(group: str, answer: Answer, none: str, more: str, *, needed: bool) -> Line:
    """The line on a repository that the program of `group` did not find or cannot read.

    `none` is what it says where there is none, and `more` a command that says more.
    """
    facts = {"root": None}
    if none not in answer.err:
        advice = f"put right what {group} says; {more} says more"
        return Line(group, "repository", State.WRONG, answer.problem, advice, facts)
    if needed:
        advice = "`bertspec init` makes one and touches nothing that is there"
        return Line(group, "repository", State.WRONG, "this is none", advice, facts)
    return Line(group, "repository", State.NOTE, "this is none", facts=facts)
