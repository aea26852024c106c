"""The sections of docs/results.md, each a function that writes its part of the page from the runs it is about.

    runs.py             finding runs, choosing among them, and what they become on the page
    thesis.py           the thesis's variational autoencoders and classifiers
    dense_autoencoders.py, stacked_autoencoders.py, conv_autoencoders.py, collapsing_code.py
                        the four student works, 003, 000, 004 and 001
    gans.py             generative adversarial networks beside a VAE, and convolutional ones
    missing_pixels.py   missing and noisy pixels, filled in by a VAE
    optimisers.py       gradient descent, momentum and Adam on the thesis's network
    rate_distortion.py  the VAE with other weights of the KL
    pictures_of_data.py the data
    stale.py            which figures of the page have to be drawn again

A function is given `Sources` and takes all it says from there; what it has taken is noted, so that the section can
name the versions behind its own numbers. To add a section: write the function, put it into the module's SECTIONS with
the commands that make its runs, and its two comments, <!-- name --> and <!-- /name -->, into the page.
"""
