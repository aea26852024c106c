"""What the documents report, and the names that they use, where more than one script needs them."""

THESIS_LOSSES = {  # the thesis's training losses, in nats: data, latent dimensions
    "mnist": {2: 135.98, 10: 97.53, 20: 95.79, 50: 97.21},
    "frey-face": {2: 347.80, 20: 346.75},
}
THESIS_EPOCHS = (1, 10, 20, 40, 50)
THESIS_HISTORIES = {  # of MNIST: latent dimensions, and by epoch the loss and the seconds
    2: {1: (177.767873, 21.549743), 10: (143.696704, 22.116709), 20: (139.802531, 20.147452),
        40: (136.943999, 18.044507), 50: (135.980511, 16.660365)},
    10: {1: (147.226382, 14.806759), 10: (104.356407, 15.259352), 20: (100.918969, 16.421852),
         40: (98.265996, 17.473157), 50: (97.528469, 17.868237)},
    20: {1: (148.805110, 24.638738), 10: (101.593139, 26.233851), 20: (98.604531, 27.217925),
         40: (96.426431, 26.405099), 50: (95.786946, 26.767085)},
    50: {1: (161.469195, 15.308746), 10: (103.025157, 18.058111), 20: (99.912300, 16.702869),
         40: (97.802639, 16.864400), 50: (97.214724, 16.530946)},
}  # fmt: skip
CLOTHES = (  # the classes of Fashion-MNIST, 0 to 9
    "T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip
