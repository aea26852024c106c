"""Makes the gradient check wrong in many ways, one at a time: do its tests notice?

    python tests/mutate_the_check.py          all, half an hour
    python tests/mutate_the_check.py 3 17     some, by number

Each mutation is a way in which a check could pass what is wrong, refuse what is right, or say what is not so, and
nothing else would show it. They were chosen before any of them was run. A text that is to be replaced must occur once
in its module: where the code has changed, the list has to change with it.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

ROOT = Path(__file__).parent.parent
PLACE = Path("scratchnn", "gradcheck")


class Mutation(NamedTuple):
    """A change of a module, and what a broken check it makes; `equivalent`: why nothing can notice it, if so."""

    module: str
    old: str
    new: str
    broken: str
    equivalent: str = ""


# module → the tests that should notice, the quick ones first: tests/test_….py
TESTS = {
    "numeric": ("gradcheck", "gradcheck_points"),
    "check": ("gradcheck_given", "gradcheck_points", "gradcheck", "diagnosis"),
    "problem": ("gradcheck_given", "gradcheck_shapes", "gradcheck_points", "gradcheck", "diagnosis"),
    "another": ("gradcheck_points", "gradcheck_given", "diagnosis"),
    "report": ("own_code", "gradcheck", "diagnosis"),
    "learned": ("gradcheck_given", "gradcheck"),
    "given": ("gradcheck_given", "own_code", "diagnosis"),
    "shapes": ("gradcheck_shapes",),
    "diagnosis": ("gradcheck_given", "diagnosis"),
    "facts": ("gradcheck_given", "own_code", "diagnosis"),
    "edits": ("gradcheck_edits", "own_code", "diagnosis"),
    "graph": ("gradcheck_edits", "own_code"),
    "line": ("gradcheck_given", "gradcheck_line", "own_code"),
    "recording": ("gradcheck_given", "gradcheck_line"),
    "intermediates": ("gradcheck_line", "own_code"),
    "cause": ("gradcheck_given", "own_code", "gradcheck_line", "gradcheck_edits", "diagnosis"),
}

# tests that are left out, by parts of their names: they take minutes, and what they notice the others are to notice too
SLOW = (
    "EveryEntryOfTheWindow", "mutants_are", "eight_in_ten", "no_passing_report", "two_mistakes",
    "solution_passes", "generic_mistakes",
)  # fmt: skip

MUTATIONS = [
    # ---- how far a derivative can be trusted
    Mutation(
        "numeric",
        "return self.truncation + self.noise",
        "return 1000 * (self.truncation + self.noise)",
        "error bars a thousand times too wide",
    ),
    Mutation("numeric", "return self.truncation + self.noise", "return self.noise", "truncation is not in the bar"),
    Mutation(
        "numeric",
        "own = ROUNDINGS * EPSILON * np.maximum(np.abs(y_below), np.abs(y_above))",
        "own = ROUNDINGS * EPSILON * np.ones_like(y)",
        "the rounding of an output does not grow with it",
    ),
    Mutation(
        "numeric", "deviation = 6 * np.sqrt(", "deviation = 0 * np.sqrt(", "noise beyond rounding is not measured"
    ),
    Mutation(
        "numeric",
        "np.where(moved, own + shared, still)",
        "np.where(moved, own + shared, 0.0)",
        "an output that stands still has no rounding",
    ),
    Mutation(
        "numeric",
        "kinks[0].error + kinks[0].width / 2",
        "kinks[0].error + kinks[0].width",
        "at a kink, slopes beyond the two sides pass",
    ),
    Mutation(
        "numeric",
        "kinks[0].error + kinks[0].width / 2",
        "kinks[0].error",
        "at a kink, only the mean of the two slopes is right",
    ),
    Mutation("numeric", "abs(near) > 0.75 * abs(jump) > sure", "False", "no kink is recognised"),
    Mutation("numeric", "h = STEP * max(1.0, x)", "h = STEP", "the step does not follow the size of x"),
    Mutation(
        "numeric",
        "central, jump, near = (right + left) / 2,",
        "central, jump, near = right,",
        "a one-sided difference in place of a central one",
    ),
    Mutation("numeric", "return float(array[index]) - x", "return step", "divides by the step it meant to make"),
    Mutation(
        "numeric",
        "best = min(smooth or inside, key=lambda t: t.error)",
        "best = min(smooth or inside, key=lambda t: t.h)",
        "the shortest step counts, not the surest",
    ),
    Mutation("numeric", '"" if measured else "noise"', '""', "what drowns in noise is called measured"),
    Mutation(
        "numeric",
        "np.where(kinks, np.inf, error)",
        "error",
        "along a direction that crosses kinks, a slope is called wrong",
    ),
    # ---- what one problem does not show
    Mutation("check", "    expect_linear(here, upstreams)\n    expect_own", "    expect_own", "what is clipped passes"),
    Mutation("check", "LARGE = 2.0**14", "LARGE = 2.0", "what is clipped at large values passes"),
    Mutation(
        "check",
        "for there in tried:",
        "for there in ():",
        "no problem of other sizes is looked at",
    ),
    Mutation("check", "for again in range(POINTS):", "for again in range(0):", "no other values are looked at"),
    Mutation("check", "with moved(parameters):", "with moved(()):", "parameters have one value in all problems"),
    Mutation(
        "check",
        "if any((repeated[name] != answers[name]).any() for name in answers):",
        "if False:",
        "the first problem is not seen again after the others",
    ),
    Mutation(
        "check",
        "for array in second.arrays) > ROOM:",
        "for array in second.arrays) > 1e99:",
        "the numbers of the second problem are not judged",
    ),
    Mutation(
        "report",
        "return ROUNDINGS * EPSILON * max(",
        "return 1e6 * ROUNDINGS * EPSILON * max(",
        "backward may round a million times more",
    ),
    Mutation("check", "    if not report.measured:", "    if False:", "passes where nothing could be measured"),
    Mutation(
        "check",
        "drawn = [rng.standard_normal(array.shape) for _ in range(count)]",
        "drawn = [np.ones(array.shape) for _ in range(count)]",
        "errors that add up to 0 pass along directions",
    ),
    # ---- the contract
    Mutation("problem", '    own("backward")\n', "", "backward may write into the inputs"),
    Mutation(
        "problem",
        "return [rng.standard_normal(np.shape(y)) for y in outputs]",
        "return [np.ones(np.shape(y)) for y in outputs]",
        "an upstream gradient of ones",
    ),
    Mutation("problem", "    expect_one_answer(problem, upstreams, answer)\n", "", "backward may use up its cache"),
    Mutation(
        "problem", "    expect_untouched(problem, upstreams)\n", "", "backward may write into what forward was given"
    ),
    Mutation(
        "problem",
        "if gradient.shape != array.shape:",
        "if gradient.size != array.size:",
        "a gradient may have another shape of the same size",
    ),
    Mutation("problem", 'if gradient.dtype.kind != "f":', "if False:", "a gradient of whole numbers is taken"),
    Mutation("problem", "if not np.isfinite(gradient).all():", "if False:", "NaN is not called so"),
    Mutation("problem", "if dtype == np.float64:", "if dtype in (np.float64, np.float32):", "float32 is taken"),
    Mutation("problem", "if (answer[name] != again[name]).any():", "if False:", "gradients may add up over calls"),
    Mutation(
        "problem",
        "if any((a != b).any() for a, b in zip(first, problem.forward(), strict=True)):",
        "if False:",
        "forward may draw noise",
    ),
    Mutation(
        "problem",
        "if any((a != b).any() for a, b in zip(upstreams, given, strict=True)):",
        "if False:",
        "backward may write into the upstream gradient",
    ),
    # ---- the second problem
    Mutation(
        "another",
        "return 9 if 5 <= length <= 7 else length + (length > 1)",
        "return length",
        "only the rows have another length",
    ),
    Mutation(
        "another",
        "return 9 if 5 <= length <= 7 else length + (length > 1)",
        "return length + (length > 1)",
        "lengths may become N ± 1, for which they are taken",
    ),
    Mutation(
        "another",
        "rows = 7 if n != 7 else 13",
        "rows = n",
        "there are as many examples as before",
    ),
    Mutation(
        "another",
        "between = one + rng.uniform(0.05, 0.95, one.shape) * (other - one)",
        "between = one",
        "the entries are those of the first problem",
    ),
    Mutation("another", "if not np.isfinite(y).all():", "if False:", "a second problem may be outside of the domain"),
    Mutation(
        "another",
        "if (np.sort(constant) == np.arange(length)).all():",
        "if False:",
        "with a permutation, no other sizes are looked at",
    ),
    # ---- the verdict
    Mutation("report", "(self.excess <= 0).all()", "(self.excess <= 0).any()", "one right entry is enough"),
    Mutation(
        "report",
        "RELATIVE_TOLERANCE * np.abs(self.numeric.value) +",
        "RELATIVE_TOLERANCE * np.abs(self.numeric.value).max() +",
        "the tolerance of all entries is that of the largest",
    ),
    Mutation(
        "report", "RELATIVE_TOLERANCE = 1e-8", "RELATIVE_TOLERANCE = 1e-4", "a tolerance ten thousand times too large"
    ),
    Mutation(
        "report",
        " & ((size > self.rounding) | (size == 0))",
        "",
        "entries below the rounding of backward are called measured",
    ),
    Mutation("report", "return all(report.passed for", "return any(report.passed for", "one right gradient is enough"),
    Mutation(
        "report",
        "np.abs(self.analytic - self.numeric.value)",
        "np.abs(np.abs(self.analytic) - np.abs(self.numeric.value))",
        "signs do not matter",
    ),
    # ---- which arrays, by which names
    Mutation("learned", "elif changes:", "elif False:", "an array without a gradient is passed over in silence"),
    Mutation(
        "learned", "return array is value, True", "return True, False", "an array that cannot be moved is passed over"
    ),
    Mutation("learned", 'kind in "fc"', 'kind in "f"', "complex parameters are passed over in silence"),
    Mutation("learned", "gradient in self.written and", "", "a step dt is taken for the gradient of a time t"),
    Mutation(
        "learned",
        "own = (gradient for gradient, array in names.items() if array == name)",
        "own = ()",
        "the names that the user gives are not used",
    ),
    Mutation(
        "learned", 'value.dtype.kind == "f"', "value.dtype == np.float64", "parameters of float32 are passed over"
    ),
    Mutation("given", "if len(returned) == len(names) and all(", "if all(", "keys too many in a dict are not told"),
    Mutation("given", "    return np.array(x)\n", "    return x\n", "two inputs that are one array are moved together"),
    # ---- what is said: shapes
    Mutation(
        "shapes",
        "if len(arguments) > 1 and raises(expression, frame):",
        "if len(arguments) > 1:",
        "names an operation that fits",
    ),
    Mutation(
        "shapes",
        "fitting.append((wanted is not None and shape != wanted, changes, turned, text, shape))",
        "fitting.append((False, changes, turned, text, shape))",
        "advises what has not the shape that is wanted",
    ),
    Mutation("shapes", "= min(fitting, key", "= max(fitting, key", "prefers what has not the shape that is wanted"),
    # ---- what is said: relations
    Mutation(
        "diagnosis",
        "            if claim.label in seconds:\n"
        "                return Diagnosis(first.name, claim.label, claim.fact, seconds[claim.label].fact, claim.place)",
        "            return Diagnosis(first.name, claim.label, claim.fact, claim.fact, claim.place)",
        "relations are believed on one problem",
    ),
    Mutation(
        "diagnosis", "if 0 < len(wrong) <= e.answer.size // 5:", "if 0 < len(wrong):", "most entries are called few"
    ),
    Mutation(
        "diagnosis",
        "if wrong[~inside].any() or wrong.sum() < 0.9",
        "if wrong.sum() < 0.9",
        "wrong only in a set, although wrong elsewhere too",
    ),
    Mutation(
        "diagnosis",
        "if right.any() and e.matches(right):",
        "if right.any() and right.shape == e.answer.shape:",
        "any gradient of the shape of another is called exchanged",
    ),
    Mutation("facts", "MATCH = 1e-8", "MATCH = 1e-2", "what differs by a hundredth is called equal"),
    Mutation("facts", "NAMED = 1e-6", "NAMED = 1e-1", "0.95 is called 1"),
    Mutation("facts", "[self.judged].all())", "[self.judged].any())", "a relation need hold for one entry only"),
    Mutation("facts", "return wrong & self.judged", "return wrong", "entries on a kink are called wrong"),
    # ---- what is said: the change
    Mutation(
        "edits",
        "shared = [claim for claim in claims if claim.label in seconds]",
        "shared, seconds = claims, {claim.label: claim for claim in claims}",
        "changes are believed on one problem",
    ),
    Mutation("edits", "> allowed) & ~numeric.kink", "> allowed)", "entries on a kink must be as in the change"),
    Mutation("edits", "if changed < few or any(", "if any(", "one wrong entry is explained by a change"),
    Mutation("edits", "lambda d, a: a * (1 - a)", "lambda d, a: a * (1 + a)", "a (1 + a) is called a (1 − a)"),
    Mutation(
        "graph",
        "if not (off[~numeric.kink] <= 0).all():",
        "if False:",
        "a recorded forward with other gradients is believed",
    ),
    Mutation("graph", "if not (off[~numeric.kink] <= 0).all():", "if not (off <= 0).all():", "gives up on a kink"),
    Mutation(
        "graph",
        "np.allclose(y.node.value, p, rtol=1e-12, atol=1e-14)",
        "True",
        "a recorded forward with other outputs is believed",
    ),
    # ---- what is said: the line
    Mutation("line", "if suspects and (judge.final(k) or judge.repairs(k)):", "if suspects:", "lines without a trial"),
    Mutation(
        "line",
        "return (False, True) in pairs and (True, False) not in pairs",
        "return (False, True) in pairs",
        "a trial may make wrong what is right",
    ),
    Mutation(
        "line", "(off <= 5 * error + room * scale).all()", "(off <= 5 * error + room * scale).any()", "one right entry"
    ),
    Mutation(
        "line",
        "if not first or not second or [*first.lines] != [*second.lines]:",
        "if not first or not second:",
        "two problems may name two lines",
    ),
    Mutation(
        "line",
        'return header.header == "For" and all(map(turned, header.writes))',
        'return header.header == "For"',
        "a loop is never wrong",
    ),
    Mutation("line", "RELATIVE, CLEARLY = 1e-8, 1e-5", "RELATIVE, CLEARLY = 1e-8, 1e-1", "small mistakes have no line"),
    Mutation(
        "recording",
        "in_place = old is value and changed",
        "in_place = False",
        "what is written in place is taken for new",
    ),
    Mutation(
        "recording",
        "changed = new is None or old is not value or not np.array_equal(new, now, equal_nan=True)",
        "changed = old is not value",
        "what is written in place is not seen",
    ),
    Mutation(
        "intermediates",
        "if self.moved != (place, run):",
        "if self.moved is None or self.moved[0] != place:",
        "all passes of a loop are moved at once",
    ),
    Mutation(
        "intermediates",
        "        if not same:\n",
        "        if False:\n",
        "a rewritten forward with other outputs is believed",
    ),
    Mutation("intermediates", "same = code in made or (", "same = True or (", "reads a file that has changed since"),
    # ---- what is said: all of it
    Mutation("cause", "diagnose(here, there, FIRST)", "diagnose(here, here, FIRST)", "first relations on one problem"),
    Mutation(
        "cause",
        "diagnosed(first.search, second.search, name)",
        "diagnosed(first.search, first.search, name)",
        "changes on one problem",
    ),
    Mutation(
        "cause", "line = agreed(first.line, second.line, one, change)", "line = first.line", "the line of one problem"
    ),
    Mutation(
        "cause",
        "if not is_right(answers[name], numeric, upstreams):",
        "if False:",
        "in numbers, all is right",
    ),
]


def outcome(mutation: Mutation, folder: Path, limit: float) -> tuple[str, str]:
    """Whether the tests notice a mutation of the copy in `folder`, and the first test that does."""
    file = folder / PLACE / f"{mutation.module}.py"
    text = file.read_text(encoding="utf-8")
    tests = [f"tests/test_{name}.py" for name in TESTS[mutation.module]]
    options = ["-x", "-q", "-n0", "--tb=no", "-p", "no:cacheprovider", "-p", "no:randomly", "--hypothesis-seed=0"]
    options += ["-k", f"not ({' or '.join(SLOW)})"]
    file.write_text(text.replace(mutation.old, mutation.new), encoding="utf-8")
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *options, *tests], cwd=folder, capture_output=True, text=True,
            timeout=limit, env={**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return "timed out", ""
    finally:
        file.write_text(text, encoding="utf-8")
    if done.returncode not in (0, 1):
        raise RuntimeError(f"pytest could not run the tests:\n{done.stdout}{done.stderr}")
    failed = re.search(r"^(?:FAILED|ERROR) tests/(\S+)", done.stdout, re.MULTILINE)
    return ("noticed", failed[1] if failed else "") if done.returncode else ("NOT noticed", mutation.equivalent)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Makes the gradient check wrong in many ways: do its tests notice?")
    parser.add_argument("numbers", nargs="*", type=int, help="of the mutations to try; without any, all")
    parser.add_argument("--limit", type=float, default=600, help="seconds for the tests of one (%(default)s)")
    args = parser.parse_args(arguments)
    for mutation in MUTATIONS:
        text = (ROOT / PLACE / f"{mutation.module}.py").read_text(encoding="utf-8")
        assert text.count(mutation.old) == 1, f"{mutation.module}.py has {text.count(mutation.old)} × {mutation.old!r}"
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "copy")
        shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(".git", "__pycache__", ".hypothesis"))
        for number in (bar := tqdm(args.numbers or range(1, len(MUTATIONS) + 1), unit="mutation")):
            mutation, began = MUTATIONS[number - 1], time.perf_counter()
            verdict, how = outcome(mutation, folder, args.limit)
            counts["equivalent" if mutation.equivalent else verdict] += 1
            seconds = time.perf_counter() - began
            bar.write(f"{number:3} {mutation.module:13} {verdict:11} {seconds:5.0f} s  {mutation.broken}  [{how}]")
    print(", ".join(f"{count} {verdict}" for verdict, count in counts.most_common()))
    print(f"Python {platform.python_version()}, NumPy {np.__version__}")


if __name__ == "__main__":
    main()
