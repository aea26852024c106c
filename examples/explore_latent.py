"""A walk through the latent space of a trained VAE (thesis, Fig. 38): two sliders, the mouse, the arrow keys.

On the left lie the means of q(z|x) of the test images, on the right is the image that the chosen point decodes to. A
latent space of more than two dimensions is seen in a plane: by default that of the two dimensions whose means vary most
over the test images; the other coordinates stay at 0, or at those of a test image.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from shared.trained_vae import load_vae

from scratchnn.scripts import cli, explore
from scratchnn.scripts.trained import held_out_images
from scratchnn.training import runs

EXAMPLES = """\
  python examples/vae.py && python examples/explore_latent.py runs/vae-digits-z2-seed0
  python examples/explore_latent.py runs/vae-mnist-z20-seed0 --dims 3 7 --image 17
  python examples/explore_latent.py runs/vae-mnist-z2-seed0 --z 1.0 -0.5 --out point.png    no window needed
"""


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.parser(__doc__ or "", EXAMPLES)
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a run of examples/vae.py, or its checkpoint")
    parser.add_argument(
        "--dims", type=cli.positive_int, nargs=2, metavar="K", help="the two latent dimensions of the plane, from 1"
    )
    parser.add_argument("--image", type=int, metavar="K", help="start where test image K lies, counted from 0")
    parser.add_argument("--z", type=float, nargs=2, metavar="Z", help="start at this point of the plane")
    parser.add_argument("--out", type=Path, metavar="FILE.png", help="write a picture instead of opening a window")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    args = options(arguments)
    model, settings = load_vae(
        args.run, ", and this is for a VAE: scratchnn explore shows the latent space of an autoencoder, too"
    )
    images, image_shape, names = held_out_images(settings)
    if args.out is not None:
        runs.prepare_folder(args.out.parent)

    def draw(figure: explore.Figure) -> explore.LatentExplorer:
        return explore.LatentExplorer(figure, model, images, image_shape, names, args.dims, args.image, args.z)

    try:
        explore.show(draw, args.out)
    except explore.ExploreError as error:
        raise runs.OptionError(str(error)) from error
    if args.out is not None:
        print(f"written: {args.out}")


if __name__ == "__main__":
    cli.run(main)
