"""The page of questions: its commands exist, and what looks for its numbers finds and misses what it should."""

from __future__ import annotations

import pytest

from tests.questions import ROOT, SCRIPT, answers, is_rounded, not_found

PAGE = answers((ROOT / "docs/questions.md").read_text(encoding="utf-8"))


def test_every_answer_with_numbers_of_the_digits_names_its_command():
    scripts = {script for answer in PAGE.values() for script in SCRIPT.findall(answer)}
    assert len(PAGE) > 10 and len(scripts) > 7 and all((ROOT / script).is_file() for script in scripts)


@pytest.mark.parametrize("exact, number, there", [
    ("23.9949", "23.99", True), ("23.9951", "23.99", False), ("23.99", "23.985", False), ("6.4e-8", "6e-8", True),
    ("6.6e-8", "6e-8", False), ("3648.3", "3648", True), ("0", "1e-10", False),
])  # fmt: skip
def test_a_number_is_there_if_one_is_rounded_to_it(exact, number, there):
    assert is_rounded(exact, number) == there


def test_what_is_not_printed_is_named():
    answer = "With 64 pixels the loss is 1,234.50, and −0.42 more.\n\n`python examples/lectures/elbo_tour.py --z 7`\n"
    assert not_found(answer, "pixels 64\nloss 1234.4999\n -0.415") == []
    assert not_found(answer, "pixels 64\nloss 1234.40\n -0.43") == ["1234.50", "0.42"]
