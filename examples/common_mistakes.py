"""Shows the mistakes that people make with variational autoencoders: what each does to the numbers and the pictures,
and what catches it.

Every mistake is a wrong version that really runs (examples/mistakes/), one or two lines away from the right one. Both
train the same network, 100 hidden units and 10 latent dimensions, from the same weights on the same batches with the
same noise. Most of them pass a gradient check: their backward pass is the right derivative of the wrong thing.
"""

from __future__ import annotations

import argparse
import re
import textwrap
from collections.abc import Sequence
from pathlib import Path

from mistakes import evaluation, training
from mistakes.lab import HIDDEN, LATENT, Finding, Lab, Mistake, Table
from tqdm import tqdm

from scratchnn.machinery.files import written_whole
from scratchnn.scripts import cli, figures
from scratchnn.training import runs

MISTAKES = (*training.MISTAKES, *evaluation.MISTAKES)
EPOCHS = {"digits": 150, "mnist": 5, "fashion-mnist": 5}

EXAMPLES = """\
  python examples/common_mistakes.py                                  all of them, on the embedded digits
  python examples/common_mistakes.py --list                           their names
  python examples/common_mistakes.py --only mean-over-pixels noise-drawn-again
  python examples/common_mistakes.py --data mnist                     the same on MNIST, minutes
  python examples/common_mistakes.py --page docs/mistakes.md          writes the page and its figures
"""


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.parser(__doc__ or "", EXAMPLES)
    names = [mistake.name for mistake in MISTAKES]
    parser.add_argument("--list", action="store_true", help="say which mistakes there are, and stop")
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", help="these mistakes, see --list")
    parser.add_argument("--data", choices=tuple(EPOCHS), default="digits", help="data set (default: digits)")
    parser.add_argument("--epochs", type=cli.positive_int, help="of each training (default: 150, or 5 for MNIST)")
    parser.add_argument("--seed", type=cli.seed, default=0, help="the same seed gives the same bits (default: 0)")
    parser.add_argument("--out", type=cli.folder, default=Path("runs/common-mistakes"), help="folder for the figures")
    parser.add_argument(
        "--page", type=Path, help="write a page of Markdown as well, its figures into figures/ beside it"
    )
    args = parser.parse_args(arguments)
    if args.page and args.only:
        parser.error("--page writes the page of all mistakes: leave --only out")
    args.epochs = args.epochs or EPOCHS[args.data]
    return args


def main(arguments: Sequence[str] | None = None) -> None:
    args = options(arguments)
    if args.list:
        for mistake in MISTAKES:
            print(f"{mistake.name:26} {mistake.title}")
        return
    chosen = [mistake for mistake in MISTAKES if not args.only or mistake.name in args.only]
    folders = [args.out] if args.page is None else [args.out, args.page.parent / "figures"]
    for folder, option in zip(folders, ("--out", "--page"), strict=False):
        runs.prepare_folder(folder, option)
    lab = Lab(args.data, args.epochs, args.seed)
    print(f"{lab.images}; −ELBO in nats per image, {args.epochs} epochs, seed {args.seed}")
    settings = {"data": args.data, "epochs": args.epochs, "seed": args.seed}
    findings = []
    with tqdm(chosen, unit="mistake", disable=None) as bar:
        for number, mistake in enumerate(bar, start=1):
            bar.set_description(mistake.name)
            finding = mistake.show(lab)
            findings.append(finding)
            bar.write(f"\n{number}. {lecture(mistake, finding)}")
            if finding.figure is not None:
                file = args.out / f"{mistake.name}.png"
                figures.save(finding.figure, file, settings)
                for folder in folders[1:]:
                    with written_whole(folder / f"mistakes-{file.name}") as copy:
                        copy.write(file.read_bytes())
    if any(finding.figure is not None for finding in findings):
        print(f"\nfigures written to {', '.join(map(str, folders))}")
    if args.page is not None:
        runs.write_text(args.page, page(args, chosen, findings))
        print(f"page written to {args.page}")


def lecture(mistake: Mistake, finding: Finding) -> str:
    """A mistake and what it did, for the terminal."""
    parts = [f"{mistake.title}  [{mistake.name}]"]
    parts += [
        textwrap.fill(f"{head}: {body}", 110, initial_indent="  ", subsequent_indent="  ")
        for head, body in mistake.text
    ]
    wrong, right = mistake.code
    parts.append("\n".join([*(f"  wrong   {line}" for line in wrong.splitlines()), f"  right   {right}"]))
    widths = [max(map(len, column)) for column in zip(*finding.table, strict=True)]
    parts.append(
        "\n".join(
            "  " + "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
            for row in finding.table
        )
    )
    parts.append(
        "\n".join(
            f"  {check}\n    wrong   {when_wrong}\n    right   {when_right}"
            for check, (when_wrong, when_right) in finding.checks.items()
        )
    )
    parts.append(textwrap.fill(finding.headline, 110, initial_indent="  ", subsequent_indent="  "))
    return "\n\n".join(parts)


def page(args: argparse.Namespace, chosen: Sequence[Mistake], findings: Sequence[Finding]) -> str:
    """All mistakes as a page of Markdown."""
    seen = {True: "yes", False: "no", None: "—"}
    summary: list[tuple[str, ...]] = [("", "mistake", "what it does", "seen by a gradient check")]
    for number, (mistake, finding) in enumerate(zip(chosen, findings, strict=True), start=1):
        gradients = finding.checks.get("gradient check")
        found = seen[None if gradients is None else not gradients[0].passed]
        summary.append((str(number), f"[{mistake.title}](#{mistake.name})", finding.headline, found))
    versions = runs.versions()
    lines = [
        "# Mistakes on show",
        "",
        filled(
            "Wrong versions that run, each one or two lines away from the right one, with what they do to the numbers "
            "and the pictures, and the test of this repository that catches them. Their source is in "
            "`examples/mistakes/`."
        ),
        "",
        filled(
            f"Written by `{command(args)}`: {args.epochs} epochs of {args.data}, seed {args.seed}, {HIDDEN} hidden "
            f"units, {LATENT} latent dimensions, Python {versions['python']}, NumPy {versions['numpy']}. −ELBO in nats "
            "per image. The last column has a — where no backward pass is concerned."
        ),
        "",
        *markdown(summary),
    ]
    for number, (mistake, finding) in enumerate(zip(chosen, findings, strict=True), start=1):
        wrong, right = mistake.code
        checks: list[tuple[str, ...]] = [("check", "wrong version", "right version")]
        checks += [(name, str(wrong), str(right)) for name, (wrong, right) in finding.checks.items()]
        lines += ["", f'<a id="{mistake.name}"></a>', "", f"## {number}. {mistake.title}", ""]
        for head, body in mistake.text:
            lines += [filled(f"**{head}**: {quoted(body)}"), ""]
        lines += ["```diff", *(f"- {line}" for line in wrong.splitlines()), f"+ {right}", "```", ""]
        lines += [*markdown(finding.table), "", *markdown(checks), "", filled(finding.headline)]
        if finding.figure is not None:
            lines += ["", f"![{mistake.title}](figures/mistakes-{mistake.name}.png)"]
    return "\n".join(lines) + "\n"


def command(args: argparse.Namespace) -> str:
    changed = {"data": "digits", "epochs": EPOCHS[args.data], "seed": 0}
    given = [f"--{name} {getattr(args, name)}" for name, default in changed.items() if getattr(args, name) != default]
    return " ".join(["python examples/common_mistakes.py", *given, f"--page {args.page.as_posix()}"])


def filled(text: str) -> str:
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)


def quoted(text: str) -> str:
    """The names of tests as code."""
    return re.sub(r"tests/\w+\.py::\w+", lambda name: f"`{name[0]}`", text)


def markdown(table: Table) -> list[str]:
    header, *rows = [[cell.replace("|", "\\|") for cell in row] for row in table]
    return [f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header), *rows)]


if __name__ == "__main__":
    cli.run(main)
