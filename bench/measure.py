"""Runs commands and says what they cost: CPU seconds, peak memory, wall time, instructions. What is measured, and what of it is wanted, it does
not know.

python3's resource usage is everywhere, GNU time is not.
"""

import os
import platform
import re
import shutil
import statistics
import subprocess
import time
from typing import NamedTuple


class Cost(NamedTuple):
    """What one run of a command cost. Peak memory below some 15 MiB is python's own, which the child had before it became the command."""

    cpu: float
    wall: float
    peak: float


class Spread(NamedTuple):
    """Several measurements of the same."""

    low: float
    median: float
    high: float


def spread(values):
    """The lowest, the middle and the highest."""
    return Spread(min(values), statistics.median(values), max(values))


def run(command, cores=None):
    """The cost of one command, which must succeed; its output is dropped. `cores`: the only ones it may use."""
    pin = (lambda: os.sched_setaffinity(0, cores)) if cores else None
    began = time.monotonic()
    child = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, preexec_fn=pin
    )
    said = child.stderr.read().decode(errors="replace")
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.monotonic() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        failed(command, child.returncode, said)
    return Cost(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024)


def output(command):
    """What a command prints; it must succeed."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    if done.returncode != 0:
        failed(command, done.returncode, done.stderr)
    return done.stdout


class Failed(Exception):
    """A command that did not work: a measurement of it would be none."""


def failed(command, status, said):
    """Says which command it was, and what it said."""
    raise Failed(f"expected success of {' '.join(command)}, found exit status {status}:\n{said}")


def in_turn(times, *jobs):
    """Each job so many times, one after the other and again from the first, so that a machine busy elsewhere hurts all alike. For each
    job what it returned."""
    rounds = [[job() for job in jobs] for _ in range(times)]
    return [list(results) for results in zip(*rounds)]


def instructions(command):
    """Instructions executed in user space, which are the same to 0.1 % from run to run; needs valgrind."""
    valgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    done = subprocess.run([*valgrind, *command], stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or not found:
        failed([*valgrind, *command], done.returncode, done.stderr)
    return int(found.group(1))


def first_line(command):
    """How a program names its version; None if it is not installed."""
    if not shutil.which(command[0]):
        return None
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    return lines[0].strip() if lines else None


def cores():
    """The cores this process may use."""
    return sorted(os.sched_getaffinity(0))


def machine():
    """The processor, what it has, and what runs on it."""
    model = platform.machine()
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        model = next((line.split(":", 1)[1].strip() for line in info if line.startswith("model name")), model)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = os.getloadavg()[0]
    return f"{model}, {len(cores())} cores, {memory:.0f} GiB, Linux {platform.release()}, load {load:.1f}"
