"""One run of one profile, inside the namespaces `enter` made: names, certificates, peers, the mail server, mail in both directions, until the
queue is empty. Writes mail.log and truth.jsonl into /run/lab/out. Judging is `compare.py`'s business, outside.

Usage: lab.py PROFILE [--full] [SCENARIO...]        a run
       lab.py PROFILE --exec COMMAND...             the same world with all scenarios, and this command in place of the mail
"""

import json
import os
import random
import subprocess
import sys
import threading
import time

import clients
import dns
import mta
import peers
import pki
from scenarios import CLIENTS, PROFILES, chosen, host_name

OUT, WORK = "/run/lab/out", "/run/lab/work"


def send(rows):
    """All our mail, in rounds, so that peers come in turn as on a real server, and now and then one to the first peer, whose TLS is good: on a
    server that talks TLS to nobody for long, tlsnag rightly takes silence for no proof. One line of truth for each message."""
    jobs = sorted(((round_, random.random(), s) for _, s in rows for round_ in range(s.n)), key=lambda job: job[:2])
    with open(OUT + "/injected.jsonl", "w") as f:
        for count, (round_, _, s) in enumerate(jobs):
            hand_in(f, s, "r%d" % round_)
            if count % 3 == 0:
                hand_in(f, rows[0][1], "t%d" % count)
            time.sleep(0.02)


def hand_in(f, scenario, name):
    """One message to one peer."""
    rcpts = ["%s-%d@%s" % (name, k, scenario.domain) for k in range(scenario.rcpts)]
    clients.inject("app@ours.example", rcpts, scenario.name)
    f.write(json.dumps(dict(domain=scenario.domain, rcpts=rcpts)) + "\n")


def visit(recorder, certificates, name):
    """All clients, at once."""
    chosen_ = [(n, c) for n, c in enumerate(CLIENTS, 1) if c.get("only", name) == name]
    threads = [threading.Thread(target=clients.run, args=(c, n, recorder, certificates)) for n, c in chosen_]
    for t in threads:
        t.start()
    return threads


def drain(name, patience, rows):
    """Until nothing waits in the queue, or patience is over; meanwhile there is other mail, as there would be."""
    end, count = time.time() + patience, 0
    while time.time() < end and mta.queued(name):
        with open(OUT + "/injected.jsonl", "a") as f:
            hand_in(f, rows[0][1], "d%d" % count)
        count += 1
        time.sleep(1)
    return mta.queued(name)


def world(profile, rows):
    """Names, certificates, peers and the mail server, up and answering. Returns the recorder."""
    certificates = WORK + "/tls"
    pki.make(certificates, ["relay.ours.example", "sink.example"] + [host_name(s, n) for _, s in rows for n in range(1, len(s.hosts) + 1)])
    dns.start(WORK + "/dns", rows, certificates)
    recorder = peers.Recorder(OUT + "/truth.jsonl")
    peers.start(rows, recorder, certificates)
    sink = peers.Sink(OUT + "/sink", recorder, certificates)
    getattr(mta, profile["mta"])(rows, certificates, profile)
    return recorder, sink


def command(profile_name, words):
    """Runs a program in the world: a probe of its domains, a letter to its sink (sink.example), whatever wants real servers."""
    world(PROFILES[profile_name], chosen(profile_name, full=True))
    return subprocess.run(words).returncode


def main():
    profile_name, *rest = sys.argv[1:]
    if rest[:1] == ["--exec"]:
        sys.exit(command(profile_name, rest[1:]))
    profile = PROFILES[profile_name]
    name = profile["mta"]
    rows = chosen(profile_name, [a for a in rest if a != "--full"], "--full" in rest)
    random.seed("the same order each time")
    began = time.time()
    say = lambda text: print("%5.1f s  %s: %s" % (time.time() - began, profile_name, text), flush=True)
    recorder, sink = world(profile, rows)
    say("%d scenarios, mail server up" % len(rows))
    time.sleep(3)  # a delivery that may have begun before the log did is rightly doubted, and stamps are whole seconds
    threads = visit(recorder, WORK + "/tls", name)
    send(rows)
    clients.inject("app@ours.example", ["info@sink.example"], "for the sink")
    for t in threads:
        t.join()
    say("all mail handed in")
    left = drain(name, profile.get("patience", 60), rows)
    mta.stop(name)
    say("done, %d messages left in the queue" % left)
    if sink.kept != 1:
        sys.exit("expected one message in the sink, found %d" % sink.kept)


if __name__ == "__main__":
    main()
