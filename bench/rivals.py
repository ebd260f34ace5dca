"""The row `rivals`: other programs on the same Postfix log, run in turn with ours, so that each pair was measured in the same minute. A program that is
not installed is said to be so; nothing is installed here.

None of them does the same work: `bench/README.md` says what each leaves out.
"""

import os
import shutil

import measure
from figures import Wanted, figure, missing

HERE = os.path.dirname(os.path.abspath(__file__))
LOGWATCH = "/usr/share/logwatch/scripts/services/postfix"
PERL = os.path.join(HERE, "two-regexes.pl")

# Name, the program it needs, how it is run on a log, how many times less CPU time we want to need, and how many runs are enough of
# what takes minutes.
RIVALS = [
    ("pflogsumm", "pflogsumm", lambda log: ["pflogsumm", log], Wanted(">=", 15, 25), 5),
    ("logwatch's postfix script", LOGWATCH, lambda log: [LOGWATCH, log], None, 3),
    ("perl, two regexes", "perl", lambda log: ["perl", PERL, log], Wanted(">", 1), 5),
]


def row(plan):
    """CPU time of other programs against ours, paired; then ours against the floor."""
    log = plan.inputs.log("postfix", plan.size)
    for name, program, command, wanted, enough in RIVALS:
        what = f"{name}: CPU time against ours"
        if not installed(program):
            yield missing(what, "not installed", wanted)
            continue
        try:
            measure.run(command(log))
        except measure.Failed:
            yield missing(what, "installed, but fails on it", wanted)
            continue
        ours, theirs = paired(plan, log, command(log), min(plan.runs, enough))
        yield figure(f"{name}: CPU time", "s", theirs)
        yield figure(what, "x", [b / a for a, b in zip(ours, theirs)], wanted)
    ours, floor = paired(plan, log, [plan.inputs.floor, log], plan.runs)
    yield figure("finding line ends (the floor): CPU time", "s", floor)
    yield figure("the floor: ours against it", "x", [a / max(b, 1e-3) for a, b in zip(ours, floor)])


def paired(plan, log, command, runs):
    """CPU seconds of ours and of theirs, ours, theirs, ours, theirs."""
    return measure.in_turn(runs, lambda: plan.imported(log).cpu, lambda: measure.run(command).cpu)


def installed(program):
    """A program on the path, or a file of a package."""
    return os.path.exists(program) if os.path.isabs(program) else shutil.which(program) is not None


def versions():
    """How each rival names its version, or that it is not installed."""
    asked = {
        "pflogsumm": ["pflogsumm", "--version"],
        "logwatch": ["logwatch", "--version"],
        "perl": ["perl", "-e", 'printf "perl %vd\\n", $^V'],
        "valgrind": ["valgrind", "--version"],
    }
    return [measure.first_line(command) or f"{name} not installed" for name, command in asked.items()]
