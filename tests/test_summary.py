"""print(model): the table, against a network worked out by hand."""

from __future__ import annotations

import re

import numpy as np

from scratchnn import (
    VAE,
    BatchNorm,
    Bernoulli,
    Classifier,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    MaxPool2D,
    ReLU,
    Reshape,
    Sequential,
)
from scratchnn.machinery.summary import summary


def lines(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in text.splitlines()]


def test_the_table_of_a_convolutional_classifier(rng):
    layers = [
        Reshape((1, 6, 4)),
        Conv2D(1, 3, 3, rng),
        BatchNorm(3),
        ReLU(),
        MaxPool2D(2),
        Dropout(0.5, rng),
        Flatten(),
    ]
    model = Classifier(Sequential([*layers, Dense(6, 10, rng)]))
    rule = "─" * len(str(model).splitlines()[0])
    assert lines(str(model)) == [
        ["layer", "output", "parameters"],
        [rule],
        ["network:"],
        ["Reshape((1, 6, 4))", "(N, 1, 6, 4)", "0"],
        ["Conv2D(1, 3, 3)", "(N, 3, 4, 2)", "30"],  # 3·1·3·3 weights and 3 biases
        ["BatchNorm(3, momentum=0.1, eps=1e-05)", "(N, 3, 4, 2)", "6"],
        ["ReLU()", "(N, 3, 4, 2)", "0"],
        ["MaxPool2D(2)", "(N, 3, 2, 1)", "0"],
        ["Dropout(0.5)", "(N, 3, 2, 1)", "0"],
        ["Flatten()", "(N, 6)", "0"],
        ["Dense(6, 10)", "(N, 10)", "70"],
        [rule],
        ["106 parameters, float32"],
    ]


def test_showing_a_model_changes_nothing(rng):
    model = Classifier(Sequential([Dense(4, 3, rng), BatchNorm(3), Dropout(0.5, rng)]))
    state, buffers = rng.bit_generator.state, {name: array.copy() for name, array in model.buffers.items()}
    x = np.ones((5, 4), np.float32)
    model.forward(x, np.zeros(5, int))
    state = rng.bit_generator.state
    buffers = {name: array.copy() for name, array in model.buffers.items()}
    print(model)
    assert rng.bit_generator.state == state
    for name, array in model.buffers.items():
        np.testing.assert_array_equal(array, buffers[name])
    model.backward(np.ones(5, np.float32))  # what forward kept is still there


def test_a_vae_is_two_chains(rng):
    model = VAE(Sequential([Dense(1200, 4, rng)]), Sequential([Dense(2, 1200, rng)]), Bernoulli(), 2)
    text = lines(str(model))
    assert text[2:6] == [
        ["encoder:"], ["Dense(1200, 4)", "(N, 4)", "4,804"], ["decoder:"], ["Dense(2, 1200)", "(N, 1200)", "3,600"],
    ]  # fmt: skip
    assert text[-1] == ["8,404 parameters, float32"]


def test_a_decoder_is_given_z_and_not_what_the_encoder_returns(rng):
    decoder = Sequential([BatchNorm(2), ReLU(), Dense(2, 9, rng)])
    text = lines(str(VAE(Sequential([Dense(9, 4, rng)]), decoder, Bernoulli(), 2)))
    assert [row[1] for row in text[5:8]] == ["(N, 2)", "(N, 2)", "(N, 9)"]


def test_chains_within_a_chain_have_rows_of_their_own(rng):
    inner = Sequential([Dense(6, 4, rng), Sequential([ReLU(), Flatten()])])
    model = Classifier(Sequential([inner, Dense(4, 3, rng)]))
    rows = str(model).splitlines()[2:-2]
    assert [re.split(r"(?<=\S)   ", row)[0] for row in rows] == [
        "network:",
        "  Sequential:",
        "    Dense(6, 4)",
        "    Sequential:",
        "      ReLU()",
        "      Flatten()",
        "  Dense(4, 3)",
    ]
    assert [row.split("  ")[-1].strip() for row in rows if "(N, " in row] == ["28", "0", "0", "15"]
    assert ["(N, 4)" in row for row in rows[2:]] == [True, False, True, True, False]
    assert all(row == row.rstrip() for row in str(model).splitlines())


def test_a_model_that_has_seen_nothing_is_shown_in_evaluation_mode_too(rng):
    model = Sequential([Dense(4, 3, rng), BatchNorm(3)])
    shown = str(model)
    model.train(False)
    assert str(model) == shown and not model.layers[1].training


def test_an_image_of_unknown_size_is_asked_for(rng):
    model = Sequential([Conv2D(2, 3, 2, rng), ReLU()])
    assert [row[1] for row in lines(str(model))[2:4]] == ["?", "?"]
    assert [row[1] for row in lines(summary(model, (2, 5, 4)))[2:4]] == ["(N, 3, 4, 3)"] * 2


def test_sizes_that_do_not_fit_have_no_shape_and_the_table_is_shown(rng):
    """One prints a model to see where its sizes do not fit."""
    text = str(Sequential([Reshape((1, 4, 4)), Conv2D(1, 1, 5, rng), Flatten(), Dense(3, 2, rng)]))
    rows = [row for row in lines(text) if row and row[0].startswith(("Conv", "Flatten", "Dense"))]
    assert [row[1] for row in rows] == ["?", "?", "(N, 2)"]
