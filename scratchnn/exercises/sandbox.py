"""What a process gives up before it runs a stranger's answer, without a way back; on Linux alone.

The kernel refuses, whatever the code does, and whoever has started it:

    Landlock   opens nothing but what may be read, and writes nothing; in newer kernels: no network, no signals
    seccomp    no other process is made, ended or looked into; nothing is sent; no mode, owner or date of a file changes
    limits     what is printed; how many files are open and, as another user, threads; of memory, `apart` in verdict.py
    user       where this is root, a number that no account has

None of these needs privileges but the last. `watched` tells what was tried. It is Python that says so, and what has got
around Python meets the kernel all the same.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import struct
import sys
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

ABSENT = "this needs {}: grade on Linux 5.13 or newer with libseccomp, or in a virtual machine that has both"
FILES = 64  # open at a time
THREADS = 200  # of the user of a room together
USERS = 60600  # the first of the numbers that no account has (systemd's list of users and groups leaves them free)
NO_NEW_PRIVILEGES, DEATH_OF_PARENT = 38, 1
CREATE, ADD, RESTRICT = 444, 445, 446  # Landlock's system calls, the same numbers everywhere
READ_FILE, READ_DIR = 1 << 2, 1 << 3
ALLOW, REFUSE, NO_SUCH_CALL = 0x7FFF0000, 0x00050000 | 1, 0x00050000 | 38  # with EPERM, with ENOSYS
THREAD, MASKED_EQUAL = 0x10000, 7
REFUSED = """
    fork vfork execve execveat unshare setns setsid setpgid ptrace kcmp personality
    kill tkill tgkill pidfd_open pidfd_send_signal pidfd_getfd rt_sigqueueinfo rt_tgsigqueueinfo
    process_vm_readv process_vm_writev process_madvise process_mrelease
    socket socketpair connect bind listen accept accept4 sendto sendmsg sendmmsg
    memfd_create memfd_secret shmget shmat msgget msgsnd semget mq_open add_key request_key keyctl
    chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat utime utimes utimensat futimesat
    setxattr lsetxattr fsetxattr setxattrat removexattr lremovexattr fremovexattr removexattrat
    setpriority sched_setaffinity sched_setscheduler sched_setparam sched_setattr ioprio_set
    mount umount2 move_mount pivot_root chroot open_by_handle_at bpf perf_event_open userfaultfd
    io_uring_setup io_uring_enter inotify_init inotify_init1 fanotify_init
"""
# Python's audit events, by their first part, and what they are called here
TRIED = {
    "ctypes": "calling C by ctypes", "gc": "going through the objects of its process", "socket": "using the network",
    "shutil": "moving files", "subprocess": "starting a program", "signal": "sending a signal",
}  # fmt: skip
TRIED_OF_OS = {
    "chmod", "chown", "exec", "fork", "forkpty", "kill", "killpg", "link", "lockf", "mkdir", "posix_spawn", "putenv",
    "remove", "removexattr", "rename", "rmdir", "setxattr", "spawn", "symlink", "system", "truncate", "utime",
}  # fmt: skip
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class AbsentError(Exception):
    """This system cannot confine a process."""


def libraries() -> tuple[Any, Any, int]:
    """C's, that of seccomp, and the version of Landlock; AbsentError if one is not there."""
    if sys.platform != "linux":
        raise AbsentError(ABSENT.format("Linux"))
    c = ctypes.CDLL(None, use_errno=True)
    version = c.syscall(CREATE, None, ctypes.c_size_t(0), 1)
    if version < 1:
        raise AbsentError(ABSENT.format("Landlock, which this kernel does not have or does not allow"))
    try:
        seccomp = ctypes.CDLL("libseccomp.so.2")
    except OSError:
        raise AbsentError(ABSENT.format("libseccomp, which is not installed")) from None
    seccomp.seccomp_init.restype = ctypes.c_void_p
    return c, seccomp, version


def confine(readable: Iterable[Path], user: int | None) -> Callable[[int], None]:
    """Leaves nothing to open but what is `readable`, and becomes the user; what makes no more processes either.

    What is returned is called in every process that is made of this one, with the bytes that it may write.
    """
    c, seccomp, version = libraries()
    files = (1 << (13 + (version >= 2) + (version >= 3))) - 1 | (1 << 15 if version >= 5 else 0)
    network, scope = (3 if version >= 4 else 0), (3 if version >= 6 else 0)
    size = 8 if version < 4 else 16 if version < 6 else 24
    rules = c.syscall(CREATE, struct.pack("QQQ", files, network, scope), ctypes.c_size_t(size), 0)
    expect(rules >= 0, "landlock_create_ruleset")
    for path in readable:
        try:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue  # there is nothing, or nothing for this user
        access = READ_FILE | READ_DIR if path.is_dir() else READ_FILE
        expect(c.syscall(ADD, rules, 1, struct.pack("=Qi", access, place), 0) == 0, f"landlock_add_rule for {path}")
        os.close(place)
    if user is not None:
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)
    expect(c.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0, "prctl")
    expect(c.syscall(RESTRICT, rules, 0) == 0, "landlock_restrict_self")
    os.close(rules)

    class Argument(ctypes.Structure):
        _fields_ = [
            ("number", ctypes.c_uint),
            ("compare", ctypes.c_int),
            ("a", ctypes.c_uint64),
            ("b", ctypes.c_uint64),
        ]

    context = ctypes.c_void_p(seccomp.seccomp_init(ALLOW))
    for name in REFUSED.split():
        call = seccomp.seccomp_syscall_resolve_name(name.encode())
        if call >= 0:  # others are not on this processor
            expect(seccomp.seccomp_rule_add_array(context, REFUSE, call, 0, None) == 0, name)
    clone, clone3 = (seccomp.seccomp_syscall_resolve_name(name) for name in (b"clone", b"clone3"))
    thread = Argument(0, MASKED_EQUAL, THREAD, 0)  # Python's own clock is one
    expect(seccomp.seccomp_rule_add_array(context, REFUSE, clone, 1, ctypes.byref(thread)) == 0, "clone")
    if clone3 >= 0:
        expect(seccomp.seccomp_rule_add_array(context, NO_SUCH_CALL, clone3, 0, None) == 0, "clone3")

    def shut(written: int) -> None:
        for kind, limit in (
            (resource.RLIMIT_FSIZE, written),
            (resource.RLIMIT_NOFILE, FILES),
            (resource.RLIMIT_CORE, 0),
        ):
            resource.setrlimit(kind, (limit, limit))
        if user is not None:  # another's limit would count what else that user runs
            resource.setrlimit(resource.RLIMIT_NPROC, (THREADS, THREADS))
        end_with_parent(signal.SIGKILL)
        expect(seccomp.seccomp_load(context) == 0, "seccomp_load")

    return shut


def end_with_parent(number: signal.Signals) -> None:
    """From now on this process gets the signal when the one that has made it ends."""
    expect(ctypes.CDLL(None, use_errno=True).prctl(DEATH_OF_PARENT, number, 0, 0, 0) == 0, "prctl")


def expect(done: bool, call: str) -> None:
    if not done:
        raise OSError(ctypes.get_errno(), f"{call} failed")


def watched(tell: Callable[[str], None], forbidden: Collection[str]) -> None:
    """From now on `tell` is called with what Python is asked to do and may not, and that is refused.

    `forbidden` are folders of which nothing may be opened, with a / at the end.
    """
    folders = tuple(forbidden)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if what := tried(event, arguments, folders):
            tell(what)
            raise PermissionError(f"{what} is refused while an answer is graded")

    sys.addaudithook(hook)


def tried(event: str, arguments: tuple[Any, ...], forbidden: tuple[str, ...]) -> str:
    """What an audit event is called if it is refused, else ""."""
    if event == "open" and not isinstance(arguments[0], int):
        path = os.path.realpath(os.fsdecode(arguments[0]))
        if path.startswith(forbidden):
            return f"opening the solution {Path(path).name}"
        return f"writing the file {path}" if arguments[2] & WRITES else ""
    if event == "import":
        return f"importing the solution {arguments[0]}" if ".exercises.ladder." in arguments[0] else ""
    kind, _, rest = event.partition(".")
    if kind == "os":
        return f"os.{rest}" if rest in TRIED_OF_OS else ""
    return TRIED.get(kind, "")
