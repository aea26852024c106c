"""python -m scratchnn, where the command `scratchnn` is not on the path."""

import sys

from scratchnn.scripts.command import main

if __name__ == "__main__":
    sys.exit(main(program="python -m scratchnn"))
