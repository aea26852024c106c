"""Mistakes that people make with variational autoencoders, each as a wrong version that runs.

Read them in this order; each is a class or a function whose docstring tells its story, with the lines that are WRONG
and those that are RIGHT beside each other in its source, and below it the experiment that shows what it does.

    training.py      mistakes in what is trained
    evaluation.py    mistakes in what is reported
    checks.py        what catches them
    lab.py           the network, the data and the seed that all of them share
"""
