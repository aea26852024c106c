"""One test image, and what several trained classifiers make of it (thesis, Fig. 33): predictions, certainties, bars.

A slider chooses the image; keys jump to the next one on which the classifiers disagree, or that one of them gets wrong.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scratchnn import Classifier
from scratchnn.scripts import cli, explore
from scratchnn.scripts.trained import held_out_images
from scratchnn.training import load_model, runs

EXAMPLES = """\
  python examples/compare_classifiers.py runs/latent-classifier-mnist-seed0/{raw,frozen}
  python examples/compare_classifiers.py runs/latent-classifier-mnist-seed0/*/ --image 17 --out image17.png    no window
"""


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.parser(__doc__ or "", EXAMPLES)
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="folder or checkpoint of a Classifier")
    parser.add_argument(
        "--image", type=int, default=0, metavar="K", help="start with test image K, from 0 (default: 0)"
    )
    parser.add_argument("--out", type=Path, metavar="FILE.png", help="write a picture instead of opening a window")
    return parser.parse_args(arguments)


def load_classifiers(paths: Sequence[Path]) -> tuple[dict[str, Classifier], dict[str, Any]]:
    """The classifiers by the names of their folders, and the settings of the first; all must see the same images."""
    folders = [(run.parent if run.name == "checkpoint.npz" else run).resolve() for run in paths]
    unique = len({folder.name for folder in folders}) == len(folders)
    classifiers: dict[str, Classifier] = {}
    common: dict[str, Any] = {}
    for run, folder in zip(paths, folders, strict=True):
        model, settings = load_model(run)
        if not isinstance(model, Classifier):
            raise runs.OptionError(
                f"{run} holds a model of class {type(model).__name__}, which is no classifier: leave it out"
            )
        name = folder.name if unique else str(run)
        if name in classifiers:
            raise runs.OptionError(f"{run} is given twice: each classifier can be shown once")
        common = common or settings
        for what, usual in (("data", None), ("binarisation", "none")):
            here, there = settings.get(what, usual), common.get(what, usual)
            if here != there:
                raise runs.OptionError(
                    f"{run} was trained on other images than {paths[0]}: its {what} is {here}, and not {there}"
                )
        classifiers[name] = model
    return classifiers, common


def main(arguments: Sequence[str] | None = None) -> None:
    args = options(arguments)
    classifiers, settings = load_classifiers(args.runs)
    images, image_shape, names = held_out_images(settings)
    if args.out is not None:
        runs.prepare_folder(args.out.parent)

    def draw(figure: explore.Figure) -> explore.ClassifierComparison:
        return explore.ClassifierComparison(figure, classifiers, images, image_shape, names, args.image)

    try:
        explore.show(draw, args.out)
    except explore.ExploreError as error:
        raise runs.OptionError(str(error)) from error
    if args.out is not None:
        print(f"written: {args.out}")


if __name__ == "__main__":
    cli.run(main)
