"""What the documents report, and the names that they use, where more than one script needs them."""

THESIS_LOSSES = {  # the thesis's training losses, in nats: data, latent dimensions
    "mnist": {2: 135.98, 10: 97.53, 20: 95.79, 50: 97.21},
    "frey-face": {2: 347.80, 20: 346.75},
}
CLOTHES = (  # the classes of Fashion-MNIST, 0 to 9
    "T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip
