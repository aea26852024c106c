"""The main job of this project: the variational autoencoder of the thesis (Annex D), trained, measured and drawn.

The network is in scratchnn/scripts/thesis.py, what happens to it in scratchnn/scripts/train.py, and the same command is
`scratchnn train` where only the package is installed. To read first: examples/tiny_vae.py, the same model in forty
lines of library calls.
"""

from scratchnn.scripts import cli
from scratchnn.scripts.train import main

if __name__ == "__main__":
    cli.run(main)
