"""The formulas of the docstrings: found, parsed, written as TeX, executed, and joined to the code.

    find.py        where the formula lines stand
    grammar.py     from a line to a tree; CONTRIBUTING.md states the notation
    tree.py        what the tree is made of
    tex.py         from the tree to TeX
    papers.py      a formula in the notation of the papers
    join.py        from the name on the left to the lines of code that compute it
    execute.py     from the tree to numbers, which must agree with one another and with the code
    subjects.py    what the names of a class or an exercise stand for
    table.py       all lines, with what became of each

`python -m formulas` prints that table. The tests use this package, and pages can be made with it; it is no part of the
library.
"""
