"""Compares what tlsnag says of a log with what the peers and clients wrote down: per recipient, domain, MX host, client and failed handshake.

It only asks tlsnag through its command line and its store; it never reads the log itself, except to show the lines behind a difference.

Usage: compare.py TLSNAG PROFILE OUT, where OUT holds mail.log, truth.jsonl, injected.jsonl. Status 1 if anything differs.
"""

import collections
import json
import os
import re
import sqlite3
import subprocess
import sys

from truth import Truth

# The mail of each recipient by state. `meaning` is the view that resolves what silence means; see docs/store.md.
RECIPIENTS = """SELECT c.address, m.tls, SUM(c.n) FROM correspondent AS c JOIN peer AS p ON p.id = c.peer
JOIN meaning AS m ON m.day = c.day AND m.service = c.service AND m.direction = p.direction AND m.outcome = c.outcome
WHERE p.direction = 'outbound' AND m.delivery = 'sent' GROUP BY 1, 2"""
STATES = ("encrypted", "plaintext", "unknown")
# What a peer may be blamed for. One that does nothing of this is innocent.
WRONGS = {"offer", "ehlo", "starttls", "handshake", "after", "lo", "hi", "ciphers", "dh", "need_tls"}


class Comparison:
    """The truth of one run, what tlsnag says, and the differences."""

    def __init__(self, tlsnag, profile, out):
        self.tlsnag, self.out, self.truth = tlsnag, out, Truth(profile, out)
        self.profile, self.store = self.truth.profile, os.path.join(out, "store.db")
        self.checked, self.wrong = collections.Counter(), []

    def call(self, *args):
        """What the program prints."""
        run = subprocess.run([self.tlsnag, "--store", self.store, *args], capture_output=True, text=True, timeout=120)
        if run.returncode:
            raise RuntimeError("tlsnag %s: status %d: %s" % (" ".join(args), run.returncode, run.stderr))
        return run.stdout

    def read(self):
        """Imports the log into a new store."""
        for end in ("", ".lock", "-wal", "-shm"):
            if os.path.exists(self.store + end):
                os.remove(self.store + end)
        self.call("import", "--quiet", "--correspondents", "--own-domain", "ours.example", "--own-network", "192.0.2.25/32",
                  "--own-network", "127.0.0.0/8", self.out + "/mail.log")
        report = lambda name, key: {row[key]: row for row in json.loads(self.call("report", name, "--all", "--format", "json"))["rows"]}
        self.domains, self.hosts, self.clients = report("domains", "domain"), report("hosts", "host"), report("clients", "address")
        losses = json.loads(self.call("whatif", "--require", "tls", "--direction", "out", "--all", "--format", "json"))["rows"]
        self.lost = {row["name"]: (row["lost"], row["unknown"]) for row in losses if row["item"] in ("peer", "person")}
        self.recipients = collections.defaultdict(lambda: dict.fromkeys(STATES, 0))
        with sqlite3.connect(self.store) as store:
            for address, tls, n in store.execute(RECIPIENTS):
                self.recipients[address][tls] = n
            shapes = [shape for (shape,) in store.execute("SELECT shape FROM shape")]
        self.check("lines recognised", "the log", shapes, [])

    def check(self, kind, peer, got, want):
        """One comparison."""
        self.checked[kind] += 1
        if got != want:
            self.wrong.append((kind, peer, got, want))

    def mail(self, kind, peer, said, tls, plain):
        """Mail of one peer. Where TLS leaves no line, not knowing is right, and all else must still be true."""
        got = tuple(said.get(state, 0) for state in STATES)
        if self.profile.get("silent") and got[0] <= tls and got[1] <= plain and sum(got) == tls + plain:
            self.checked[kind] += 1
        else:
            self.check(kind, peer, dict(zip(STATES, got)), dict(zip(STATES, (tls, plain, 0))))

    def outbound(self):
        """Recipients, domains and hosts, as the MX hosts took their mail."""
        mail = self.truth.mail
        for address in sorted(self.truth.recipients | set(self.recipients)):
            self.mail("recipient", address, self.recipients[address], *mail[address])
        for s in self.truth.scenarios:
            self.mail("domain", s.domain, self.domains.get(s.domain, {}), *mail[s.domain])
        for name in self.truth.hosts():
            row, broken = self.hosts.get(name, {}), self.truth.broken[name]
            self.mail("host", name, row, *mail[name])
            said = row.get("handshakes_failed", 0)
            fewer = self.profile.get("unnamed") and said < broken
            self.check("failed handshakes", name, broken if fewer else said, broken)

    def whatif(self):
        """Whom we would lose if we required TLS: each domain and each person whose mail was taken in clear, with as much as was."""
        for name in sorted(self.truth.recipients | {s.domain for s in self.truth.scenarios} | set(self.lost)):
            lost, unknown = self.lost.get(name, (0, 0))
            plain = self.truth.mail[name][1]
            # Where TLS leaves no line, not knowing is right.
            vague = self.profile.get("silent") and lost <= plain <= lost + unknown
            self.check("lost if TLS is required", name, plain if vague else lost, plain)

    def verdicts(self):
        """What kept the mail back, and that nobody innocent is blamed."""
        for s in self.truth.scenarios:
            row, failed = self.domains.get(s.domain, {}), self.truth.failed(s)
            if failed == "tls" and self.profile.get("fallback") and sum(self.truth.mail[s.domain]):
                self.check("says class", s.domain, row.get("class"), "plaintext-fallback-after-failed-handshake")
            elif failed is not None:
                self.check("kept back by TLS", s.domain, row.get("failed_tls", 0) > 0, failed == "tls")
            if innocent(s):
                self.check("blamed", s.domain, row.get("fault", "") == "peer", False)
            for column, value in (s.value(s.says, self.truth.name) or {}).items():
                said = row.get(column)
                vague = self.profile.get("unnamed") and said in ("", "either")
                self.check("says " + column, s.domain, value if vague else said, value)

    def inbound(self):
        """Clients: what we took from them, their failed handshakes, and that nobody innocent is blamed."""
        for client, ip, tls, plain, broken in self.truth.clients():
            row = self.clients.get(ip, {})
            self.mail("client", ip, {state: row.get("messages_" + state, 0) for state in STATES}, tls, plain)
            self.check("failed handshakes", ip, row.get("sessions_failed", 0), broken)
            if client.get("innocent"):
                self.check("blamed", ip, row.get("fault", "") == "peer", False)

    def lines(self, peer):
        """The log lines about a peer: those that name it, with the neighbours of the same process."""
        name = re.sub(r"^.*@", "", peer)
        names = [b"[%s]" % name.encode()] if name[-1].isdigit() else [name.encode()]
        names += [b"[%s]" % t["ip"].encode() for t in self.truth.sessions if name in (t["mx"], t["domain"])][:1]
        last, keep, log = {}, set(), open(self.out + "/mail.log", "rb").read().splitlines()
        for at, line in enumerate(log):
            process = re.search(rb"[\w/-]+\[\d+\]:", line)
            before = last.get(process and process[0], [])
            if any(n in line for n in names):
                keep.update(before[-2:] + [at])
            last[process and process[0]] = before[-2:] + [at]
        return [log[at].decode("utf-8", "backslashreplace") for at in sorted(keep)]

    def show(self):
        """The differences, each with its lines, and the sum."""
        for kind, peer, got, want in self.wrong:
            print("\nDIFFERENCE %s: %s: tlsnag says %s, the other side saw %s" % (kind, peer, got, want))
            lines = self.lines(peer)
            for line in lines[:24]:
                print("    " + line[:400])
            if len(lines) > 24:
                print("    ... and %d more lines in %s/mail.log" % (len(lines) - 24, self.out))
        print("%s: %d comparisons (%s), %d differences" % (
            os.path.basename(self.out), sum(self.checked.values()), ", ".join("%s %d" % pair for pair in sorted(self.checked.items())), len(self.wrong)))
        return 1 if self.wrong else 0


def innocent(scenario):
    """Whether no host of a scenario did anything that a peer may be blamed for, or we did not want its TLS."""
    good = not any(WRONGS & set(h) or h.get("cert") in ("self", "expired", "wrongname") or h.get("tlsa") in ("other", "stale") for h in scenario.hosts)
    return good or scenario.policy == "none"


def main():
    comparison = Comparison(*sys.argv[1:4])
    comparison.read()
    comparison.outbound()
    comparison.whatif()
    comparison.verdicts()
    comparison.inbound()
    return comparison.show()


if __name__ == "__main__":
    sys.exit(main())
