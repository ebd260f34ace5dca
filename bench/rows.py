"""The rows of the table, a function for each: what is measured, and what is wanted of it. How a command is measured is `measure`, how a line looks is
`figures`.

A row is given a `Plan` and yields its figures one by one, so that they are printed as they come.
"""

import os
from typing import NamedTuple

import measure
import reports
import rivals
from figures import Between, Wanted, figure, missing
from inputs import DAYS, MTAS, Inputs, truth

# What is wanted: the least, and what would be better still.
PER_CORE = {"postfix": Wanted(">=", 300, 500), "sendmail": Wanted(">=", 200, 350)}
PEAK = Wanted("<=", 64, 48)
FLAT = Between(0.9, 1.1)
PACKED = Wanted("<=", 1.15)
TWO_CORES = Wanted("<=", 0.65, 0.55)
NOTHING_NEW = Wanted("<=", 20, 5)
# Less than twice is no fault: the longer the log, the fewer of its names are new. Far less would mean that it was not read.
LINEAR = Between(1.7, 2.1)

GROWTH_STEP = 20_000_000


class Plan(NamedTuple):
    """What was asked for."""

    inputs: Inputs
    size: int
    runs: int
    deliveries: int

    def imported(self, log, cores=None):
        """What an import into a store that did not exist costs."""
        with self.inputs.fresh() as store:
            return measure.run(self.inputs.importing(log, store), cores)


def import_(plan):
    """What an import costs, Postfix and Sendmail."""
    logs = {mta: plan.inputs.log(mta, plan.size) for mta in MTAS}
    costs = measure.in_turn(plan.runs, *(lambda log=log: plan.imported(log) for log in logs.values()))
    for (mta, log), cost in zip(logs.items(), costs):
        megabytes = os.path.getsize(log) / 1e6
        yield figure(f"{mta}, {megabytes:.0f} MB: CPU time", "s", [c.cpu for c in cost])
        yield figure(f"{mta}: octets per CPU second", "MB/s", [megabytes / c.cpu for c in cost], PER_CORE[mta])


def memory(plan):
    """Peak memory, and again with a log of three times the days."""
    for mta in MTAS:
        short, long = plan.inputs.log(mta, plan.size), plan.inputs.log(mta, 3 * plan.size, 3 * DAYS)
        one, three = measure.in_turn(plan.runs, lambda: plan.imported(short).peak, lambda: plan.imported(long).peak)
        yield figure(f"{mta}: peak, {plan.size / 1e6:.0f} MB of {DAYS} days", "MiB", one, PEAK)
        yield figure(f"{mta}: peak, {3 * plan.size / 1e6:.0f} MB of {3 * DAYS} days", "MiB", three, PEAK)
        yield figure(f"{mta}: the second against the first", "x", [b / a for a, b in zip(one, three)], FLAT)


def gzip(plan):
    """Wall time of a .gz against the longer of inflating it and of importing it plain."""
    for mta in MTAS:
        plain = plan.inputs.log(mta, plan.size)
        packed = plan.inputs.packed(plain)
        inflate = "import sys, zlib; d = zlib.decompressobj(31); f = open(sys.argv[1], 'rb')\nwhile b := f.read(1 << 18): d.decompress(b)"
        ours, whole, gzipped, zlibbed = measure.in_turn(
            plan.runs,
            lambda: plan.imported(packed).wall,
            lambda: plan.imported(plain).wall,
            lambda: measure.run(["gzip", "-dc", packed]).wall,
            lambda: measure.run(["python3", "-c", inflate, packed]).wall,
        )
        alone = [min(pair) for pair in zip(gzipped, zlibbed)]
        yield figure(f"{mta}: import of the .gz, wall time", "s", ours)
        yield figure(f"{mta}: inflating alone, wall time", "s", alone)
        yield figure(f"{mta}: plain import, wall time", "s", whole)
        ratios = [a / max(pair) for a, *pair in zip(ours, alone, whole)]
        yield figure(f"{mta}: .gz against the longer of the two", "x", ratios, PACKED)


def cores(plan):
    """Wall time with two cores against one."""
    have = measure.cores()
    for mta in MTAS:
        what = f"{mta}: wall time, two cores against one"
        if len(have) < 2:
            yield missing(what, "one core only", TWO_CORES)
            continue
        log = plan.inputs.log(mta, plan.size)
        two, one = measure.in_turn(plan.runs, lambda: plan.imported(log, have[:2]).wall, lambda: plan.imported(log, have[:1]).wall)
        yield figure(f"{mta}: wall time, one core", "s", one)
        yield figure(f"{mta}: wall time, two cores", "s", two)
        yield figure(what, "x", [a / b for a, b in zip(two, one)], TWO_CORES)


def again(plan):
    """Wall time of an import with nothing new."""
    for mta in MTAS:
        with plan.inputs.fresh() as store:
            command = plan.inputs.importing(plan.inputs.log(mta, plan.size), store)
            measure.run(command)
            yield figure(f"{mta}: wall time with nothing new", "ms", [measure.run(command).wall * 1000 for _ in range(plan.runs)], NOTHING_NEW)


def growth(plan):
    """Instructions for 40 MB against 20 MB; valgrind counts them."""
    for mta in MTAS:
        what = f"{mta}: instructions, 40 MB against 20 MB"
        if not measure.first_line(["valgrind", "--version"]):
            yield missing(what, "valgrind is not installed", LINEAR)
            continue
        one, two = (counted(plan.inputs, plan.inputs.log(mta, n * GROWTH_STEP, n * DAYS)) for n in (1, 2))
        yield figure(f"{mta}: instructions, 20 MB", "M", [one / 1e6])
        yield figure(what, "x", [two / one], LINEAR)


def counted(inputs, log):
    """Instructions of an import into a store that did not exist."""
    with inputs.fresh() as store:
        return measure.instructions(inputs.importing(log, store))


def said(plan):
    """What the report says of each log, in hundredths of what the generator wrote; README.md says why it need not be 100."""
    for mta in MTAS:
        log = plan.inputs.log(mta, plan.size)
        with plan.inputs.fresh() as store:
            measure.run(plan.inputs.importing(log, store))
            known, mail = truth(log), reports.mail(plan.inputs.tlsnag, store)
        for told, written in (("encrypted", "deliveries_encrypted"), ("plaintext", "deliveries_plaintext")):
            yield figure(f"{mta}: deliveries {told}, of those written", "%", [100 * mail["outbound " + told] / known[written]])


# Name, as `--only` takes it, and function.
ROWS = {
    "import": import_,
    "said": said,
    "memory": memory,
    "gzip": gzip,
    "cores": cores,
    "again": again,
    "growth": growth,
    "rivals": rivals.row,
    "reports": reports.row,
}
