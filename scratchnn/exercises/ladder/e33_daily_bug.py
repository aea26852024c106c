"""Find the bug of the day.

This file is another one every day, with another bug; see `stub` below. Above the line stands only what all have.
"""


def wrong_line():
    # begin solution: line
    line = bug(day()).line
    # end solution
    return line


# ==== below this line: for the checker ====

import datetime
import textwrap
from typing import Any

import numpy as np

from scratchnn.exercises.bugs import Bug, bug, found, gradients, lines_of, mended, with_line
from scratchnn.exercises.exercise import Finding, Judged, outputs_of, reference, road_sign, values_of
from scratchnn.gradcheck.problem import as_tuple
from scratchnn.machinery.parameters import Array

TASK = '''"""Find the bug of {day}: one line of this backward pass is wrong, and every day another.

It is that of the exercise {name}, {title}. Its lines have numbers: give that of the
wrong one in `wrong_line`, and mend the line. Do not rewrite it all.
{right}

{sign}
"""
'''


def day() -> str:
    return datetime.date.today().isoformat()


def stub() -> str:
    return stub_of(day())


def solution() -> str:
    today = day()
    return (
        f"line = {bug(today).line}   # of the bug of {today}, where it must say:\n{bug(today).right}\n"
        "# a file of another day has another bug: `reset daily_bug` writes that of today"
    )


def stub_of(seed: str) -> str:
    """The file of a day: task, forward, the wrong backward, and what is to be filled in."""
    each = bug(seed)
    source = with_line(each.exercise, each.line, each.wrong)
    code = source[source.index('"""\n', 3) + 4 :].strip("\n")
    given, right = gradients(each.exercise, source, 0), gradients(each.exercise, None, 0)
    names = outputs_of(each.exercise)
    fine = [n for n, a, b in zip(names, given, right, strict=True) if np.allclose(a, b, rtol=1e-6)]
    clear = f"Right as they are: {', '.join(fine)}." if fine else "None of its gradients is right."
    task = TASK.format(
        day=seed, name=each.exercise, title=reference(each.exercise).EXERCISE.title, right=clear,
        sign=road_sign("daily_bug")[0],
    )  # fmt: skip
    asked = f"""
        def day():
            return {seed!r}


        def wrong_line():
            line = ...  # your turn: replace the dots
            return line
    """
    return task + "\n" + code + "\n\n\n" + textwrap.dedent(asked).strip() + "\n"


def mended_file(seed: str) -> str:
    """The file of a day, with its solution."""
    each = bug(seed)
    text = stub_of(seed).replace("line = ...  # your turn: replace the dots", f"line = {each.line}")
    before, after = (with_line(each.exercise, each.line, line) for line in (each.wrong, each.right))
    for wrong, right in zip(before.splitlines(), after.splitlines(), strict=True):
        if wrong.partition("  # line ")[0] != right.partition("  # line ")[0]:
            text = text.replace(wrong, right)
    return text


def backward(dy: Any, cache: Any) -> Any:
    """The right backward pass of today's exercise: what a mended file has."""
    return reference(bug(day()).exercise).backward(dy, cache)


def problem(each: Bug, which: int, seed: int) -> tuple[Any, Any, tuple[Array, ...], tuple[Array, ...]]:
    """dy, the cache, the right gradients, and those of the bug."""
    module = reference(each.exercise)
    y, cache = module.forward(**values_of(module.EXERCISE, which, seed))
    rng = np.random.default_rng([seed, which, 33])
    dy = tuple(rng.normal(size=part.shape) for part in as_tuple(y))
    upstream = dy if isinstance(y, tuple) else dy[0]
    wrong: dict[str, Any] = {}
    exec(compile(with_line(each.exercise, each.line, each.wrong), "bug", "exec"), wrong)
    return upstream, cache, as_tuple(module.backward(upstream, cache)), as_tuple(wrong["backward"](upstream, cache))


def judge(answer: Any, seed: int) -> list[Finding]:
    each = bug(str(answer.day()))
    findings = [found(answer.wrong_line(), each.line, len(lines_of(each.exercise)))]
    for which in (0, 1):
        dy, cache, right, before = problem(each, which, seed)
        findings += mended(
            answer.backward(dy, cache), right, before, outputs_of(each.exercise), f"on problem {which + 1}"
        )
    return findings


EXERCISE = Judged(
    title="find the bug of the day",
    function="wrong_line",
    judge=judge,
    hints=(
        "Which gradients are right? The lines that they come from are right, too.",
        "Go from the last line to the first, with the exercise's formulas beside you: of what is each the gradient?",
        "The exercise's own solution has one line that is different: that of another name, factor, sign or axis.",
    ),
    derivation="""
        A backward pass that runs is not a backward pass that is right. What the gradient check tells is which of the
        gradients are wrong; what they have in common is where to look. reset writes the bug of today.
    """,
)
