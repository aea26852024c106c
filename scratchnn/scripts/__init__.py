"""What serves the scripts: the command line, figures, explorers, the thesis's network and its training."""
