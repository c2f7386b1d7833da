"""Walls that a process builds round itself: Landlock for files, seccomp for the rest (Linux).

They need no rights and no namespaces, so that they stand where a service manager forbids those
(``RestrictNamespaces=``), under bubblewrap as a second row, and in place of it. A kernel without
Landlock (before 5.13) builds what it can. Run by path, so it imports nothing of ours.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 22, 38
_SECCOMP_MODE_FILTER = 2
# linux/landlock.h; the numbers are the same on all machines.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_ONLY, _PATH_BENEATH = 1, 1
_EXECUTE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 2, 1 << 3
# How many rights to files each version of Landlock knows, and what else it can forbid.
_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_TCP_SINCE, _TCP = 4, 0b11
_SCOPES_SINCE, _SCOPES = 6, 0b11
# linux/audit.h, and the numbers of what is forbidden: socket, connect, execve, execveat, kill,
# ptrace, process_vm_readv, process_vm_writev, and io_uring, which would get round them.
_MACHINES: dict[str, tuple[int, Sequence[int]]] = {
    "x86_64": (0xC000003E, (41, 42, 59, 322, 62, 101, 310, 311, 425)),
    "aarch64": (0xC00000B7, (198, 203, 221, 281, 129, 117, 270, 271, 425)),
}
# Where x86-64 has all calls a second time.
_X32 = 0x40000000
# linux/bpf_common.h and linux/seccomp.h
_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050001, 0x80000000
_NUMBER_AT, _MACHINE_AT = 0, 4


class _RulesetAttributes(ctypes.Structure):
    _fields_ = [("files", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64)]


class _BeneathAttributes(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32)]


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("steps", ctypes.c_char_p)]


def see_only(folders: Iterable[Path]) -> bool:
    """Let this process read beneath some folders, and nothing else of any file or port.

    Returns
    -------
    bool
        Whether the kernel knows how.

    Raises
    ------
    OSError
        If the kernel knows how and does not do it.
    """
    version = _LIBC.syscall(_CREATE_RULESET, None, 0, _VERSION_ONLY)
    if version < 1:
        return False
    attributes = _RulesetAttributes(
        (1 << _RIGHTS.get(version, 16)) - 1,
        _TCP if version >= _TCP_SINCE else 0,
        _SCOPES if version >= _SCOPES_SINCE else 0,
    )
    # An older kernel refuses what is longer than it knows, unless the rest is zero.
    size = ctypes.sizeof(attributes)
    ruleset = _checked(_LIBC.syscall(_CREATE_RULESET, ctypes.byref(attributes), size, 0))
    try:
        for folder in folders:
            if folder.is_dir():
                _allow(ruleset, folder)
        _give_up_rights()
        _checked(_LIBC.syscall(_RESTRICT_SELF, ruleset, 0))
    finally:
        os.close(ruleset)
    return True


def refuse_calls(numbers: Sequence[int] | None = None) -> bool:
    """Have this process's calls for sockets, programs and other processes refused (EPERM).

    Parameters
    ----------
    numbers : sequence of int, optional
        The calls to refuse in place of those.

    Returns
    -------
    bool
        Whether the calls of this kind of machine are known here.

    Raises
    ------
    OSError
        If the kernel does not do it.
    """
    machine, known = _MACHINES.get(platform.machine(), (0, ()))
    if not machine:
        return False
    refused = known if numbers is None else numbers
    steps = [
        _step(_LOAD, _MACHINE_AT),
        _step(_JUMP_EQUAL, machine, 1, 0),
        _step(_RETURN, _KILL),
        _step(_LOAD, _NUMBER_AT),
        _step(_JUMP_AT_LEAST, _X32, len(refused) + 1, 0),
        *(_step(_JUMP_EQUAL, each, len(refused) - at, 0) for at, each in enumerate(refused)),
        _step(_RETURN, _ALLOW),
        _step(_RETURN, _REFUSE),
    ]
    program = _Program(len(steps), b"".join(steps))
    _give_up_rights()
    _checked(_LIBC.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0))
    return True


def _allow(ruleset: int, folder: Path) -> None:
    opened = os.open(folder, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = _BeneathAttributes(_EXECUTE | _READ_FILE | _READ_DIR, opened)
        _checked(_LIBC.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0))
    finally:
        os.close(opened)


def _give_up_rights() -> None:
    # Both walls ask for it of who has no rights to give.
    _checked(_LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))


def _step(code: int, value: int, if_so: int = 0, if_not: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_so, if_not, value)


def _checked(answer: int) -> int:
    if answer < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return answer
