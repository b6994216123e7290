from __future__ import annotations

from warmbuild.cache import problems
from warmbuild.cache.problems import Kind, Problem

ADVICE = Problem(kind=Kind.ADVICE, text="it is large")
READ = Problem(kind=Kind.READ, text="r.io/a is not read: 403")
WRITE = Problem(kind=Kind.WRITE, text="no cache is written to r.io/a: 403; log in", cause="403")
PLAIN = Problem(kind=Kind.WRITE, text="r.io/a is not written: it is an image")
HISTORY = Problem(kind=Kind.HISTORY, text="r.io/a.1 is not written")
ALL = (ADVICE, READ, WRITE, PLAIN, HISTORY)


def test_every_problem_is_one_warning() -> None:
    assert problems.texts((*ALL, READ)) == tuple(problem.text for problem in ALL)


def test_advice_is_no_loss() -> None:
    assert problems.losses(ALL) == tuple(problem.text for problem in ALL[1:])


def test_the_error_of_the_write_is_its_cause() -> None:
    assert problems.write_error((*ALL, WRITE)) == "403; r.io/a is not written: it is an image"
    assert problems.write_error((ADVICE, READ, HISTORY)) == ""
