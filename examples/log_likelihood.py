"""How probable does a trained VAE make images that it has never seen? log p(x) by importance weights.

The estimate is derived in scratchnn/evaluation/bounds.py; the command is examples/shared/log_likelihood.py.
"""

from shared.log_likelihood import main

from scratchnn.scripts import cli

if __name__ == "__main__":
    cli.run(main)
