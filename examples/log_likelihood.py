"""How probable does a trained VAE make images that it has never seen? log p(x) by importance weights.

The estimate is derived in scratchnn/evaluation/bounds.py; the command is scratchnn/scripts/log_likelihood.py.
"""

from scratchnn.scripts import cli
from scratchnn.scripts.log_likelihood import main

if __name__ == "__main__":
    cli.run(main)
