"""What `campaign` does in the world of the lab: servers are asked, letters go through a real mail server, and are read where they arrive.

Usage: letters.py MTA PROGRAM    inside `with`; a tar of the program and of mail.log is on standard input
"""

import email
import email.policy
import glob
import json
import os
import re
import subprocess
import sys
import tarfile
import time

import mta as servers
from compare import innocent
from scenarios import address, table

WORK, OUT = "/run/lab/letters", "/run/lab/out"
SETTINGS = """[campaign]
name = "Ann Example"
address = "ann@ours.example"
reply_to = "tls@ours.example"
organisation = "the Example Institute"
host = "relay.ours.example"
language = "%s"
pace = 0
sendmail = "%s"
"""
# Each server carries one of the languages.
LANGUAGE = {"postfix": "en", "sendmail": "de"}


class Trial:
    """One server, and what differs."""

    def __init__(self, mta, program):
        self.mta, self.program, self.wrong, self.checked = mta, "%s/%s" % (WORK, program), [], 0

    def check(self, what, got, want):
        """One comparison."""
        self.checked += 1
        if got != want:
            self.wrong.append("%s: found %r, expected %r" % (what, got, want))

    def tlsnag(self, *words, store="store"):
        """The program, which must succeed."""
        done = subprocess.run([self.program, "--quiet", "--store", "%s/%s.db" % (WORK, store), "--config", WORK + "/c.toml", *words],
                              capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError("%s: %s" % (" ".join(words), done.stderr))
        return done.stdout

    def plan(self):
        """What would be written now, with the servers asked."""
        return json.loads(self.tlsnag("campaign", "plan", "--min-messages", "1", "--min-days", "1", "--format", "json"))

    def arrived(self):
        """The letters in the sink, by recipient."""
        found = {}
        for path in sorted(glob.glob(OUT + "/sink/*.eml")):
            with open(path) as f:
                text = f.read()
            message = email.message_from_string(text, policy=email.policy.default)
            for rcpt in message["X-Lab-Recipients"].split():
                found.setdefault(rcpt.strip("<>").lower(), []).append(message)
        return found

    def taken(self):
        """How often each peer took a mail for its postmaster, by domain."""
        found = {}
        for line in open(OUT + "/truth.jsonl"):
            for address, _ in json.loads(line).get("accepted") or []:
                if address.startswith("postmaster@"):
                    found[address.split("@")[1]] = found.get(address.split("@")[1], 0) + 1
        return found


def moved(log):
    """The log with one more in it: `moved.example`, which did as `not-offered.example` and today does TLS, but has no other good word for us."""
    hosts = {s.domain: address(index, 1) for index, s in enumerate(table(), 1)}
    old, new = hosts["not-offered.example"], hosts["after-421.example"]
    lines = []
    for line in open(log, errors="surrogateescape"):
        lines.append(line)
        other, times = re.subn(r"(?<![\w-])not-offered\.example", "moved.example", line)
        if times:
            lines.append(other.replace("[%s]" % old, "[%s]" % new))
    with open(log, "w", errors="surrogateescape") as f:
        f.writelines(lines)


def judge(trial, plan):
    """Nobody is planned who did nothing wrong; and of some it is known what must be said."""
    rows = {s.domain: s for s in table()}
    reasons = {row["domain"]: row["reason"] for row in plan["rows"] if row["direction"] == "outbound"}
    for domain in reasons:
        trial.check("%s deserves a letter" % domain, domain in rows and not innocent(rows[domain]), True)
    for domain, reason in (("not-offered.example", "not-offered"), ("starttls-454.example", "refused"), ("tls.example", None)):
        trial.check("what is said of " + domain, reasons.get(domain), reason)
    others = {row["domain"]: row["reason"] for row in plan["skipped"]}
    trial.check("why moved.example, which does TLS today, gets none", others.get("moved.example"), "contradicted")
    return reasons


def look(trial, message, case):
    """One letter as it arrived."""
    token = case["token"]
    for header, pattern in (
        ("From", r'Ann Example <ann@ours\.example>'), ("Reply-To", r"tls@ours\.example"), ("TLS-Required", "No"),
        ("Message-ID", r"<tlsnag\.%s\.notice@relay\.ours\.example>" % token), ("Subject", r".*\[tlsnag-%s\]" % token),
        ("List-Unsubscribe", r"<mailto:tls@ours\.example\?subject=stop%%20%s>" % token),
        ("Content-Type", r'text/plain; charset="utf-8"; format="flowed"'),
    ):
        value = str(message[header] or "").strip()
        trial.check("%s: %s is %s" % (token, header, pattern), bool(re.fullmatch(pattern, value)), True)
        if not re.fullmatch(pattern, value):
            trial.wrong.append("    %s: %s" % (header, value))
    trial.check(token + ": no attachment, not automatic", (message.is_multipart(), message["Auto-Submitted"]), (False, None))
    body = message.get_content()
    trial.check(token + ": at most 25 lines", len(body.strip().splitlines()) <= 25, True)
    trial.check(token + ": our people are not named", re.search(r"app@|r\d+-\d+@", body), None)


def main():
    mta, program = sys.argv[1:]
    os.makedirs(WORK)
    with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as tar:
        tar.extractall(WORK)
    trial = Trial(mta, program)
    with open(WORK + "/c.toml", "w") as f:
        f.write(SETTINGS % (LANGUAGE[mta], servers.SENDMAIL if mta == "sendmail" else "/usr/sbin/sendmail"))
    moved(WORK + "/mail.log")
    trial.tlsnag("import", "--own-domain", "ours.example", "--own-network", "192.0.2.25/32", "--own-network", "127.0.0.0/8", WORK + "/mail.log")
    plan = trial.plan()
    reasons = judge(trial, plan)
    # Every other letter goes to the sink, the rest to the peers themselves.
    organisations = sorted({row["organisation"] for row in plan["rows"]})
    to_sink = {name: "n%d@sink.example" % at for at, name in enumerate(organisations) if at % 2 == 0}
    for name, address in to_sink.items():
        trial.tlsnag("campaign", "contact", name, address)
    plan = trial.plan()
    trial.check("the same letters", sorted({row["organisation"] for row in plan["rows"]}), organisations)
    said = trial.tlsnag("campaign", "send", "--plan", plan["plan"], "--yes", "--per-day", "999")
    cases = {row["organisation"]: row for row in json.loads(trial.tlsnag("campaign", "status", "--format", "json"))["rows"]}
    wanted = {address: cases[name] for name, address in to_sink.items()}
    end = time.time() + 30
    while time.time() < end and not set(wanted) <= set(trial.arrived()):
        time.sleep(0.5)
    arrived = trial.arrived()
    for address, case in wanted.items():
        trial.check("letters to " + address, len(arrived.get(address, [])), len({r["token"] for r in plan["rows"] if r["organisation"] == case["organisation"]}))
        for message in arrived.get(address, [])[:1]:
            look(trial, message, {"token": re.search(r"tlsnag-([0-9A-F]+)", message["Subject"]).group(1)})
    # Again: there is nothing to send, and nobody gets a second one.
    again = subprocess.run([trial.program, "--store", WORK + "/store.db", "--config", WORK + "/c.toml", "campaign", "send", "--plan", plan["plan"], "--yes"],
                           capture_output=True, text=True)
    trial.check("a second send", (again.returncode, "nothing to send" in again.stderr), (2, True))
    time.sleep(6)
    trial.check("nobody got two", {a: len(m) for a, m in trial.arrived().items() if a in wanted and len(m) > len({r["token"] for r in plan["rows"] if r["contact"] == a})}, {})
    # The server's own log of the letters: they are in no count.
    trial.tlsnag("import", servers.LOG, store="letters")
    with open(servers.LOG) as f:
        trial.check("the log has letters", "+tlsnag-" in f.read(), True)
    counted = json.loads(trial.tlsnag("report", "domains", "--all", "--format", "json", store="letters"))["rows"]
    trial.check("letters that are counted as mail", [row["domain"] for row in counted], [])
    for line in trial.wrong:
        print("DIFFERENCE %s: %s" % (mta, line))
    print("%s: %d comparisons, %d differences; %s %d letters in the sink, %d taken by peers; asked: %s" % (
        mta, trial.checked, len(trial.wrong), said.strip(), sum(map(len, arrived.values())), sum(trial.taken().values()),
        ", ".join("%s %d" % (r, list(reasons.values()).count(r)) for r in sorted(set(reasons.values())))))
    sys.exit(bool(trial.wrong) or not wanted)


if __name__ == "__main__":
    main()
