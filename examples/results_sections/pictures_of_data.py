"""The data sets, before anything is learned from them."""

from __future__ import annotations

from results_sections.runs import NAMES, Section, Sources, Written

SHOW = "python examples/show_data.py --data {data}"


def pictures_of_data(sources: Sources) -> Written:
    shown = []
    for name, called in NAMES.items():
        run = sources.one("show-data", data=name)
        share = 100 * run.figures["share_of_0"]
        caption = f"{called}: the first training images; {share:.1f} % of all its training pixels are 0"
        shown.append(sources.show(run, "images", caption))
    first = sources.one("show-data", data="mnist")
    shown.append(sources.show(first, "numbers", "The first of MNIST as its numbers (thesis, Figures 41 and 42)"))
    commands = " and ".join(f"`{SHOW.format(data=name)}`" for name in NAMES)
    return Written(f"## The data\n\n{commands}.\n\n" + "\n\n".join(shown) + "\n")


SECTIONS = (
    Section(
        "data", pictures_of_data, [SHOW.format(data=name) for name in NAMES],
        [{"experiment": "show-data", "data": name} for name in NAMES],
    ),
)  # fmt: skip
