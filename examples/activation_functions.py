"""The seven activation functions of the thesis's Annex A: a table of formulas and ranges, and a figure with the slopes.

Both curves of a function are what the library computes: layer.forward(x), and layer.backward(1), which is dy/dx. Where
the slope is 0, nothing below the layer learns: everywhere for the step, to the left of 0 for the ReLU, and nearly so at
both ends of sigmoid and tanh.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from scratchnn import Exponential, Identity, ReLU, Sigmoid, Softplus, Step, Tanh
from scratchnn.scripts import cli, figures
from scratchnn.scripts.provenance import drawing
from scratchnn.training import runs

TABLE = (  # as in Annex A: the function, its formula, its slope by y or x, and the values it takes
    (Step(), "1 if x ≥ 0, else 0", "0", "{0, 1}"),
    (Identity(), "x", "1", "(−∞, ∞)"),
    (Tanh(), "(e^x − e^−x) / (e^x + e^−x)", "1 − y²", "(−1, 1)"),
    (ReLU(), "max(0, x)", "1 if x > 0, else 0", "[0, ∞)"),
    (Softplus(), "log(1 + e^x)", "1 / (1 + e^−x)", "(0, ∞)"),
    (Sigmoid(), "1 / (1 + e^−x)", "y (1 − y)", "(0, 1)"),
    (Exponential(), "e^x", "y", "(0, ∞)"),
)

EXAMPLES = """\
  python examples/activation_functions.py
  python examples/activation_functions.py --out figures
"""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = cli.parser(__doc__ or "", EXAMPLES)
    parser.add_argument(
        "--out", type=cli.folder, default=Path("runs/activation-functions"), help="folder for the figure"
    )
    args = parser.parse_args(arguments)
    runs.prepare_folder(args.out)

    print(f"{'':12} {'y = f(x)':28} {'slope':20} values of y")
    for layer, formula, slope, values in TABLE:
        print(f"{type(layer).__name__:12} {formula:28} {slope:20} {values}")
    figures.save(curves(), args.out / "activation_functions.png", {})
    print(f"written to {args.out}: activation_functions.png")


@drawing
def curves() -> figures.Figure:
    """Every function of the table with its slope."""
    figure = figures.new_figure(9, 4.6, "Activation functions y = f(x), and what they pass back: the slope f′(x)")
    places = figure.subplots(2, 4).ravel()
    x = np.linspace(-4, 4, 801)  # in steps of 0.01: 0, where some have a kink or a jump, is among them
    for place, (layer, *_) in zip(places, TABLE, strict=False):
        y = layer.forward(x)
        slope = layer.backward(np.ones_like(x))
        place.plot(x, y, color="#3f90da", label="y")
        place.plot(x, slope, color="#bd1f01", linestyle="--", label="slope")
        place.set_title(type(layer).__name__, fontsize=10)
        place.set_ylim(-1.6, 4)
        place.axhline(0, color="black", linewidth=0.5)
        place.grid(alpha=0.25)
    places[-1].set_axis_off()
    places[-1].legend(*places[0].get_legend_handles_labels(), loc="center")
    return figure


if __name__ == "__main__":
    cli.run(main)
