"""All formula lines of the lesson and of the exercises: python -m formulas [FILE …] [--todo]

With each line its einsum, where it is a sum of products, or that it was executed in another way, or why it was not;
with --todo only those that were not parsed, executed or joined to a line of code.
"""

from __future__ import annotations

import argparse

from formulas.find import PACKAGE
from formulas.table import Row, table
from scratchnn.scripts import cli


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m formulas", description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("files", nargs="*", help="below scratchnn/, such as layers/dense.py; by default all")
    parser.add_argument("--todo", action="store_true", help="only lines not parsed, not executed or not joined")
    options = parser.parse_args()
    missing = [name for name in options.files if not (PACKAGE / name).is_file()]
    if missing:
        parser.error(f"there is no file scratchnn/{missing[0]}: name files below scratchnn/, such as layers/dense.py")
    rows = table([PACKAGE / name for name in options.files] or None)
    for row in rows:
        unjoined = row.unjoined()
        if options.todo and row.parsed and row.outcome.executed and not unjoined:
            continue
        print(f"{row.line.place}\n    " + row.line.text.replace("\n", "\n    "))
        print(f"        {state(row)}" + f"; no line computes {', '.join(unjoined)}" * bool(unjoined))
    print(summary(rows))


def state(row: Row) -> str:
    if not row.parsed:
        return f"not parsed: {row.outcome.reason}"
    if row.outcome.wrong:
        return f"WRONG: {row.outcome.reason}"
    if not row.outcome.executed:
        return f"not executed: {row.outcome.reason}"
    return "executed" + f" as einsum {row.einsum}" * bool(row.einsum)


def summary(rows: list[Row]) -> str:
    """How many of how many lines, in words."""
    counted = [row for row in rows if row.counts]
    executed = sum(row.outcome.executed for row in counted)
    forms = sum(row.outcome.matrix_forms for row in counted)
    all_forms = sum(len(row.parsed.matrix_forms) for row in counted if row.parsed)
    return (
        f"{sum(row.parsed is not None for row in rows)} of {len(rows)} formula lines parsed\n"
        f"{executed} of the {len(counted)} in classes with a backward, optimisers and exercises executed "
        f"({executed / max(1, len(counted)):.0%}), and {forms} of their {all_forms} matrix forms\n"
        f"{sum(bool(row.unjoined()) for row in counted)} of these lines with a left-hand name that no line computes"
    )


if __name__ == "__main__":
    cli.forgiving_terminal()
    main()
