"""The row `reports`: how long an answer takes from a store of a year, each report by its name, the slowest of each kind held against what is wanted.

Wall time, because somebody waits. The store holds ten million deliveries and sessions unless `--deliveries` says otherwise.
"""

import json
from datetime import date, timedelta

import measure
from figures import Wanted, figure
from inputs import START, truth

ONE_DAY = Wanted("<=", 150, 50)
ALL_TIME = Wanted("<=", 300, 100)
PEER = Wanted("<=", 50)

FIRST = date.fromisoformat(START)
LAST = FIRST + timedelta(days=364)
# A working day near the end, and the day on which the second half begins.
DAY = FIRST + timedelta(days=340)
HALF = FIRST + timedelta(days=183)
# Commands that answer as a report does, from the same counts.
BESIDE = ["whatif"]
# What takes longer than this is measured once: a run has its time too.
LONG = 1.0


def row(plan):
    """Wall time of every report of one day and of all time, and of `peer NAME`."""
    tlsnag, store = plan.inputs.tlsnag, plan.inputs.large(plan.deliveries)
    ask = [tlsnag, "--store", store]
    known = truth(store)
    held = sum(known[key] for key in known if key.startswith(("deliveries_", "inbound_sessions_")))
    yield figure("deliveries and sessions in the store", "M", [held / 1e6])
    names = [line.split()[0] for line in measure.output([tlsnag, "report", "list"]).splitlines() if line.strip()]
    commands = [*(["report", name] for name in names), *([name] for name in BESIDE)]
    yield from kind(plan, "one day", ONE_DAY, {c[-1]: [*ask, *c, *day()] for c in commands})
    yield from kind(plan, "all time", ALL_TIME, {c[-1]: [*ask, *c, *all_time(c[-1])] for c in commands})
    yield from kind(plan, "peer", PEER, {why: [*ask, "peer", name] for why, name in peers(ask)})
    # for these the house has no figure: the page is all reports at once, doctor looks at the whole store
    yield figure("the page of everything, 30 days", "ms", walls([*ask, "report", "--format", "html"], plan.runs))
    yield figure("doctor", "ms", walls([*ask, "doctor"], plan.runs))


def kind(plan, what, wanted, commands):
    """A figure for each, then the slowest."""
    found = {name: walls(command, plan.runs) for name, command in commands.items()}
    for name, values in found.items():
        yield figure(f"{what}: {name}", "ms", values)
    slowest = max(found, key=lambda name: measure.spread(found[name]).median)
    yield figure(f"{what}, the slowest: {slowest}", "ms", found[slowest], wanted)


def walls(command, runs):
    """Wall milliseconds of each run; of what takes long, of one."""
    first = measure.run(command).wall
    return [first * 1000] + [measure.run(command).wall * 1000 for _ in range(runs - 1 if first < LONG else 0)]


def day():
    """One day."""
    return ["--since", str(DAY), "--until", str(DAY)]


def all_time(report):
    """All there is. Two periods are compared by `changes`: the halves of the year."""
    return ["--since", str(HALF), "--until", str(LAST)] if report == "changes" else ["--all"]


def peers(ask):
    """Of those who had mail on the day: the busiest domain, MX host and client, and the domain with the least."""
    for report, key in (("domains", "domain"), ("hosts", "host"), ("clients", "address")):
        rows = rows_of([*ask, "report", report, *day(), "--format", "json"])
        rows.sort(key=lambda r: (sum(v for v in r.values() if isinstance(v, int)), r[key]))
        if rows:
            yield f"the busiest of {report}", rows[-1][key]
        if rows and report == "domains":
            yield "the domain with the least mail", rows[0][key]


def mail(tlsnag, store):
    """The totals of a summary: mail in each direction by channel."""
    rows = rows_of([tlsnag, "--store", store, "report", "summary", "--all", "--format", "json"])
    return {f"{r['direction']} {r['name']}": r["count"] for r in rows if r["item"] == "mail"}


def rows_of(command):
    """The rows of a report."""
    return json.loads(measure.output(command))["rows"]
