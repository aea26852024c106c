"""Answers to the exercise `linear` that mean harm, each with what the results must say of it.

All of them give the right gradients besides, where they come so far: a mark of theirs is not for wrong numbers.
"""

from __future__ import annotations

from scratchnn.exercises.exercise import LADDER, stub

RIGHT = "dx, dW, db = dy @ W.T, x.T @ dy, dy.sum(axis=0)"
DOTS = "dx = dW = db = ...  # your turn: replace the dots"


def linear(code: str, before: str = "") -> str:
    """The learner's file with `code` in the place of the dots, and `before` above it all."""
    return before + stub("linear").replace(DOTS, code.strip().replace("\n", "\n    "))


def caught(code: str) -> str:
    """The code, whose errors are swallowed, and the right answer after it."""
    return f"try:\n    {code}\nexcept Exception as error:\n    print(repr(error))\n{RIGHT}"


BUILT = """
import sys
for module in [*sys.modules.values()]:
    for name in ("judge", "examined", "compare", "check_forward", "report", "np"):
        if getattr(module, "__name__", "").startswith("scratchnn") and hasattr(module, name):
            setattr(module, name, lambda *arguments, **named: True)
import scratchnn.exercises.trial as trial
forged = trial.line({"report": {"subject": "linear", "arrays": [], "line": ""}, "value": True})
trial.Trial.reply = lambda self, request: forged
"""

# name → (the file, does it pass?, what must be said in `why` or `tried`)
HOSTILE: dict[str, tuple[str, bool, str]] = {
    "an endless loop": (linear("while True:\n    pass"), False, "is there an endless loop?"),
    "a loop that catches all": (
        linear("while True:\n    try:\n        while True: pass\n    except BaseException:\n        pass"), False,
        "is there an endless loop?",
    ),
    "a fork bomb": (
        linear("import os, posix\nwhile True:\n    posix.fork()"), False, "os.fork",
    ),
    "memory": (linear("a = []\nwhile True:\n    a.append(np.empty(10**7))"), False, "MemoryError"),
    "threads": (
        linear("import threading, time\nwhile 1:\n    threading.Thread(target=time.sleep, args=[9]).start()"), False,
        "can't start new thread",
    ),
    "calls of the judge without end, and no look at what comes back": (
        linear(
            "import os, time\nfor end in range(3, 64):\n    try:\n"
            "        os.write(end, 9999 * b'{\"call\": 0, \"arguments\": {\"tuple\": []}}\\n')\n"
            "    except OSError:\n        pass\ntime.sleep(99)"
        ), False, "is there an endless loop?",
    ),
    "printing without end": (linear("while True:\n    print('spam ' * 100)"), False, "printing 1,000,000 characters"),
    "writing to its output without end": (
        linear("import os\nwhile True:\n    os.write(1, b'spam' * 1000)"), False, "",
    ),
    "an exit": (linear("import os\nos._exit(0)"), False, "Python ended before there was a verdict (exit status 0)"),
    "a crash": (linear("import os\nos.abort()"), False, "Python ended before there was a verdict (signal"),
    "a file": (linear(caught("open('/tmp/scratchnn-was', 'w').write('x')")), True, "writing the file /tmp/s"),
    "a file by another way": (
        linear(caught("import posix; posix.open('/tmp/scratchnn-was', 65)")), True, "writing the file /tmp/s",
    ),
    "a link": (linear(caught("import os; os.symlink('/etc/passwd', '/tmp/scratchnn-was')")), True, "os.symlink"),
    "removing": (linear(caught("import os; os.remove(__file__)")), True, "os.remove"),
    "the judge's process": (linear(caught("import os; os.kill(os.getppid(), 9)")), True, "os.kill"),
    "a program": (linear(caught("import subprocess; subprocess.run(['ls'])")), True, "starting a program"),
    "the network": (linear(caught("import socket; socket.socket()")), True, "the network"),
    "the password file": (linear("open('/etc/passwd').read()\n" + RIGHT), False, "Permission denied: '/etc/passwd'"),
    "another judge": (linear("dx = dW = db = 0 * dy", BUILT), False, "the answer's process sent"),
    "a problem that is changed under the judge's hands": (  # from the second call on, all is right that is 0
        linear(
            "dx, dW, db = dy @ W.T * 0, x.T @ dy * 0, 0 * dy.sum(axis=0)\n"
            "seen = vars(backward)\nif str(dy.shape) in seen: dy *= 0\nseen[str(dy.shape)] = True"
        ), False, "does it keep state?",
    ),
    "messages of its own": (
        linear(
            "import os\nfor k in range(3, 60):\n    try:\n        os.write(k, b'[' * 10**6 + b'\\n')\n"
            "    except OSError:\n        pass\n" + RIGHT
        ), False, "a message that cannot be read",
    ),
    "messages without end": (
        linear(
            "import os\nwhile True:\n    for k in range(3, 60):\n        try:\n"
            "            os.write(k, b'{\"tried\": \"=1+1\"}\\n' * 1000)\n        except OSError:\n            pass"
        ), False, "is there an endless loop?",
    ),
    "the solution by its path": (
        linear(caught(f"exec(open({str(LADDER / 'e03_linear.py')!r}).read())")), True, "opening the solution e03",
    ),
    "the solution by import": (
        linear(caught("from scratchnn.exercises.ladder import e03_linear")), True,
        "importing the solution scratchnn.exercises.ladder.e03_linear",
    ),
    "the solution by the command's way": (
        linear(caught("from scratchnn.exercises.exercise import solution; exec(solution('linear'))")), True,
        "opening the solution e03_linear.py",
    ),
}  # fmt: skip
