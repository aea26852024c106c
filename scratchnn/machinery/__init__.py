"""What stands behind the lessons, and what a reader of the lessons can leave out.

parameters.py   one flat vector for all that a model learns, and the views into it that are called W and dW
memory.py       what a module owns: its arrays and its parts; copying, pickling, casting them
checks.py       what layers refuse, in one sentence
logarithm.py    log(1 + x) in less time
files.py        files written whole, and a lock
images.py       how images lie in memory, and sizes that are pairs
summary.py      the table that print(model) shows
extras.py       packages that only some of the library needs: what to say where one is missing
"""
