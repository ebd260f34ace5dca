"""What `tlsnag policy` and `whatif` write, in the hands of the servers it is for: do they take it, and does mail go as `whatif` and the maps said?

Usage: policies.py ask TLSNAG MTA OUT    outside: the maps and predictions from the log of a run in OUT, as JSON on standard output
       policies.py try MTA               inside the world of the lab: reads that JSON; status 1 if anything differs
"""

import glob
import json
import os
import signal
import smtplib
import ssl
import subprocess
import sys
import tempfile
import time

from scenarios import table

OUT = "/run/lab/out"
QUICK = ("--days", "1", "--messages", "1")
URL = "https://www.ours.example/tls"


def ask(tlsnag, mta, out):
    """The maps, the lines of `whatif`, and who is lost or kept where TLS or a version is required."""
    with tempfile.TemporaryDirectory() as folder:
        def call(*args):
            return subprocess.run([tlsnag, "--store", folder + "/store", *args], check=True, capture_output=True, text=True).stdout
        rows = lambda *args: json.loads(call(*args, "--direction", "out", "--all", "--format", "json"))["rows"]
        write(folder + "/yesterday.log", day_before(open(out + "/mail.log", errors="surrogateescape").read()))
        for log in (folder + "/yesterday.log", out + "/mail.log"):
            call("import", "--quiet", "--own-domain", "ours.example", "--own-network", "192.0.2.25/32", "--own-network", "127.0.0.0/8", log)
        policy = lambda *args: call("policy", "--for", mta, *QUICK, *args)
        encrypted = {row["domain"] for row in rows("report", "domains") if row["encrypted"]}
        # Our own map said none, which leaves no trace in the log; here it says so no longer.
        ours = {s.domain for s in table() if s.policy == "none"}
        def fates(require):
            """Who lost all its mail and not by our own policy; of these, who had TLS; and who never lost any."""
            losses = [row for row in rows("whatif", "--require", require) if row["item"] == "peer"]
            gone = [row for row in losses if row["lost"] and not row["kept"] and not row["unknown"] and row["fault"] != "us" and row["name"] not in ours]
            return dict(lost=[row["name"] for row in gone], old=[row["name"] for row in gone if not row["class"].startswith("plaintext")],
                        kept=sorted(encrypted - {row["name"] for row in losses}),
                        text=call("whatif", "--require", require, "--direction", "out", "--all"))
        said = fates("tls")
        left_out = {row["key"]: row["reason"] for row in json.loads(policy("--base", "encrypt", "--format", "json"))["rows"] if row["change"] == "left-out"}
        return {
            "lost": said["lost"], "kept": said["kept"], "excepted": entries("\n".join(copied(said["text"]))),
            "versions": {version: fates(version) for version in ("tls1.2", "tls1.3")},
            "own": [name for name, reason in left_out.items() if "required of it already" in reason],
            "stuck": [name for name, reason in left_out.items() if "may would not help" in reason],
            "may": policy(), "encrypt": policy("--base", "encrypt"), "inbound": policy("--inbound"),
            "reject": call("policy", "--for", mta, "--reject-text", URL),
        }


def copied(text):
    """The lines of `whatif` that are there to be copied: entries of a map, commands, lines of sendmail.mc. The lists above them are not."""
    settings = text[text.index("For sent mail"):]
    return [line.strip() for line in settings.splitlines() if line.startswith("    ")]


def day_before(log):
    """The same log of the day before: who fails on one day only might be a scanner."""
    first = log[:15]
    for form, length in (("%Y-%m-%d", 10), ("%b %e", 6)):
        for ago in range(400):
            day = time.time() - ago * 86400
            if first.startswith(time.strftime(form, time.gmtime(day))):
                before, after = (time.strftime(form, time.gmtime(day - back * 86400)) for back in (1, 0))
                return "".join(before + line[length:] for line in log.splitlines(True) if line.startswith(after))
    raise RuntimeError("expected a log of the last year, found one that begins with %r" % first)


class Trial:
    """One server, and what differs."""

    def __init__(self, mta, said):
        import clients
        self.mta, self.said, self.inject, self.wrong, self.checked = mta, said, clients.inject, [], 0

    def check(self, what, got, want):
        """One comparison."""
        self.checked += 1
        if got != want:
            self.wrong.append("%s: found %r, expected %r" % (what, got, want))

    def run(self, *words, data=None):
        """A command that must succeed and say nothing on standard error."""
        done = subprocess.run(words, input=data, capture_output=True, text=True)
        self.check(" ".join(words), (done.returncode, done.stderr), (0, ""))
        return done.stdout

    def taken(self, name):
        """Which domains took the mail of this round, and over TLS or not."""
        found = {}
        for line in open(OUT + "/truth.jsonl"):
            for address, tls in json.loads(line).get("accepted") or []:
                if address.startswith(name + "@"):
                    found.setdefault(address.split("@")[1], set()).add(bool(tls))
        return found

    def round(self, name, want, patience):
        """One mail to each domain of `want`, which says what channels it is to go through: none is, for mail that has to wait."""
        for domain in want:
            self.inject("app@ours.example", ["%s@%s" % (name, domain)], name)
        def tried(domain):
            return [line for line in open(OUT + "/mail.log").read().splitlines() if "%s@%s>" % (name, domain) in line and ", relay=" in line]
        def is_over():
            found = self.taken(name)
            return all(found.get(domain, set()) == channels if channels else tried(domain) for domain, channels in want.items())
        end = time.time() + patience
        while time.time() < end and not is_over():
            time.sleep(0.5)
        found = self.taken(name)
        for domain, channels in want.items():
            self.check("%s: %s went over TLS" % (name, domain), found.get(domain, set()), channels)
            if not channels:
                tries = tried(domain)
                self.check("%s: %s waits" % (name, domain), bool(tries) and not any("Sent (" in t or "status=sent" in t for t in tries), True)
        return found

    def offers(self, keys):
        """Clients of these addresses are not offered STARTTLS, another is."""
        for address in [*keys, "198.19.255.1"]:
            with smtplib.SMTP("192.0.2.25", 25, local_hostname="client.example", source_address=(address, 0), timeout=20) as client:
                client.ehlo()
                self.check("STARTTLS is offered to " + address, client.has_extn("starttls"), address not in keys)

    def answers(self, what, expected):
        """Who of the strangers in clear, over TLS and of ourselves gets which code, and in clear the page."""
        for who, address, over_tls in (("in clear", "198.19.255.1", False), ("over TLS", "198.19.255.2", True), ("our own", "127.0.0.1", False)):
            server = "127.0.0.1" if who == "our own" else "192.0.2.25"
            with smtplib.SMTP(server, 25, local_hostname="client.example", source_address=(address, 0), timeout=20) as client:
                if over_tls:
                    client.starttls(context=ssl._create_unverified_context())
                client.ehlo()
                code, text = client.mail("app@ours.example")
                if code == 250:
                    code, text = client.rcpt("info@ours.example")
                self.check("%s: mail %s" % (what, who), (code, URL in text.decode()), (expected.get(who, 250), who in expected))


def command(text, word):
    """The command that a map prints after this word."""
    line = next(line for line in text.splitlines() if line.startswith("# tlsnag") and " %s: " % word in line)
    return line.split(word + ":", 1)[1].strip().split("    ")[0]


def entries(text):
    """Keys and values of a map; commands and lines of sendmail.mc are none."""
    lines = [line for line in text.splitlines() if line and not line.startswith(("#", "postconf", "postmap", "postfix", "define("))]
    return dict(line.split(None, 1) for line in lines)


def write(path, text):
    """A file."""
    with open(path, "w", errors="surrogateescape") as f:
        f.write(text)


def postfix(trial):
    """postmap takes the maps; then three rounds."""
    said = trial.said
    for name in ("may", "encrypt", "inbound"):
        path = "/etc/postfix/" + name
        write(path, said[name])
        kind = "cidr:" if name == "inbound" else "hash:"
        if kind == "hash:":
            trial.run("postmap", kind + path)
        for key, value in entries(said[name]).items():
            trial.check("postmap -q " + key, trial.run("postmap", "-q", key, kind + path).strip(), value)
    def setting(**settings):
        if settings:
            trial.run("postconf", "-e", *("%s=%s" % pair for pair in settings.items()))
        subprocess.run(["postfix", "reload"], capture_output=True)
        time.sleep(1)
    # Queued mail stays queued while we look, and what failed is tried again soon.
    common = dict(maximal_queue_lifetime="10m", smtp_tls_loglevel="1")
    both = said["lost"] + said["kept"]
    setting(smtp_tls_security_level="encrypt", smtp_tls_policy_maps="", **common)
    trial.round("required", {d: {True} if d in said["kept"] else set() for d in both}, 25)
    subprocess.run(["postsuper", "-d", "ALL"], capture_output=True)
    # The commands as they are printed, beside a table that is there already.
    own, ours = "texthash:/etc/postfix/own", "$default_database_type:/etc/postfix/tls_policy"
    write("/etc/postfix/own", "own.example none\n")
    write("/etc/postfix/tls_policy", said["encrypt"])
    setting(smtp_tls_policy_maps=own, smtp_tls_security_level="may")
    value = lambda name: trial.run("postconf", "-h", name).strip()
    trial.run("sh", "-c", command(said["encrypt"], "On"))
    trial.check("on", (value("smtp_tls_policy_maps"), value("smtp_tls_security_level")), (own + " " + ours, "encrypt"))
    setting()
    trial.round("excepted", {d: {d in said["kept"]} for d in both}, 25)
    subprocess.run(["postsuper", "-d", "ALL"], capture_output=True)
    trial.run("sh", "-c", command(said["encrypt"], "Back"))
    trial.check("back", (value("smtp_tls_policy_maps"), value("smtp_tls_security_level")), (own, "may"))
    setting(smtp_tls_security_level="may", smtp_tls_policy_maps="hash:/etc/postfix/may")
    trial.round("proven", {d: {True} for d in entries(said["may"])}, 25)
    postfix_own(trial, setting)
    for version, fates in said["versions"].items():
        postfix_version(trial, setting, version, fates)
    setting(smtpd_discard_ehlo_keyword_address_maps="cidr:/etc/postfix/inbound")
    trial.offers(list(entries(said["inbound"])))
    setting(smtpd_discard_ehlo_keyword_address_maps="")
    postfix_refusal(trial, value)


def use(trial, setting, name, lines):
    """A policy map with these lines, alone."""
    write("/etc/postfix/" + name, "\n".join(lines) + "\n")
    trial.run("postmap", "hash:/etc/postfix/" + name)
    setting(smtp_tls_policy_maps="hash:/etc/postfix/" + name)


def postfix_own(trial, setting):
    """What no exception is made for, and what is more than `may`."""
    said = trial.said
    wanted = [s.domain for s in table() if s.policy == "encrypt" and s.failed]
    trial.check("of whom our own map requires TLS", sorted(set(wanted) - set(said["own"])), [])
    trial.check("none of them has an exception", sorted(set(entries(said["encrypt"])) & set(said["own"] + said["stuck"])), [])
    # DANE for one host, none for the other: both get mail, and the first is verified.
    half = [name for name, value in entries(said["encrypt"]).items() if value == "dane"]
    trial.check("whatif says dane of the same", [name for name, value in said["excepted"].items() if value == "dane"], half)
    setting(smtp_tls_security_level="encrypt")
    use(trial, setting, "half", ["%s dane" % name for name in half])
    for number, over_tls in enumerate((False, False, True)):
        trial.round("half%d" % number, {name: {over_tls} for name in half}, 25)
    verified = [line for line in open(OUT + "/mail.log") if "Verified TLS connection established to mx1.%s[" % half[0] in line]
    trial.check("DANE is asked of " + half[0], bool(verified), True)
    # Where the connection ends at STARTTLS, clear text is not fallen back to.
    for value, channels in (("may", set()), ("none", {False})):
        use(trial, setting, "stuck", ["%s %s" % (name, value) for name in said["stuck"]])
        trial.round("stuck-" + value, {name: channels for name in said["stuck"]}, 25)
        if not channels:
            time.sleep(10)  # two and more attempts, each longer after the first than minimal_backoff_time
        trial.check("stuck with " + value, {name: trial.taken("stuck-" + value).get(name, set()) for name in said["stuck"]}, {name: channels for name in said["stuck"]})
        subprocess.run(["postsuper", "-d", "ALL"], capture_output=True)


def postfix_version(trial, setting, version, fates):
    """The lines of `whatif` for a version: required of all, then with the exceptions; and what it says of strictness without a requirement."""
    lines = copied(fates["text"])
    both = fates["old"] + fates["kept"]
    setting(smtp_tls_policy_maps="", smtp_tls_security_level="may")
    def as_printed(*words):
        for line in lines:
            if line.startswith(words):
                # `postfix reload` says on standard error that it does.
                trial.run("sh", "-c", line + (" 2>/dev/null" if line == "postfix reload" else ""))
        time.sleep(1)
    as_printed("postconf", "postfix")
    trial.round(version + "-required", {name: {True} if name in fates["kept"] else set() for name in both}, 25)
    subprocess.run(["postsuper", "-d", "ALL"], capture_output=True)
    write("/etc/postfix/tls_policy", "".join("%s %s\n" % pair for pair in entries("\n".join(lines)).items()))
    setting(smtp_tls_policy_maps="texthash:/etc/postfix/own")
    as_printed("postmap", "postfix")
    trial.round(version + "-excepted", {name: {name not in fates["lost"] or name in fates["old"]} for name in both + fates["lost"]}, 25)
    subprocess.run(["postsuper", "-d", "ALL"], capture_output=True)
    newest = trial.run("postconf", "-h", "smtp_tls_mandatory_protocols").strip()
    before = trial.run("postconf", "-h", "smtp_tls_protocols").strip()
    setting(smtp_tls_policy_maps="", smtp_tls_security_level="may", smtp_tls_protocols=newest)
    trial.round(version + "-strict", {name: {name in fates["kept"]} for name in both}, 25)
    trial.run("postconf", "-X", "smtp_tls_mandatory_protocols")
    setting(smtp_tls_protocols=before)


def postfix_refusal(trial, value):
    """The lines of `--reject-text`, each phase as it is printed, and back, beside rules that are there already."""
    table, first, second, back = trial.said["reject"].split("\n\n")
    write("/etc/postfix/tls_reject.regexp", table + "\n")
    names = ("smtpd_sender_restrictions", "smtpd_reject_footer_maps", "smtpd_tls_security_level")
    trial.run("postconf", "-e", "smtpd_sender_restrictions=reject_non_fqdn_sender", "smtpd_reject_footer_maps=texthash:/etc/postfix/own")
    before = [value(name) for name in names]
    # `postfix reload` says on standard error that it does.
    for what, lines, expected in (("first phase", first, {"in clear": 450}), ("second phase", second, {"in clear": 530, "our own": 530}), ("taken back", back, {})):
        trial.run("sh", "-c", lines.replace("postfix reload", "postfix reload 2>/dev/null"))
        time.sleep(1)
        trial.answers(what, expected)
    trial.check("settings after", [value(name) for name in names], before)


def sendmail(trial):
    """makemap takes the maps; then TLS is required of all but the exceptions, and of those of whom it is proven."""
    said = trial.said
    def access(more):
        text = "Connect:127.0.0.1\tRELAY\n" + more
        write("/etc/mail/access", text)
        trial.run("makemap", "hash", "/etc/mail/access.db", data=text)
        for path in glob.glob("/var/spool/mqueue/*"):
            os.remove(path)
    access(said["inbound"] + said["may"])
    back = dict(line.split(None, 1) for line in trial.run("makemap", "-u", "hash", "/etc/mail/access.db").splitlines())
    for key, value in entries(said["inbound"] + said["may"]).items():
        trial.check("makemap -u " + key, back.get(key.lower()), value)
    trial.offers([key.split(":", 1)[1] for key in entries(said["inbound"])])
    both = said["lost"] + said["kept"]
    access("TLS_Srv:\tENCR:112\n")
    trial.round("required", {d: {True} if d in said["kept"] else set() for d in both}, 20)
    access("TLS_Srv:\tENCR:112\n" + said["encrypt"])
    trial.round("excepted", {d: {d in said["kept"]} for d in both}, 20)
    sendmail_version(trial, access, said["versions"]["tls1.3"])
    sendmail_refusal(trial)


def reload(trial, more):
    """Sendmail with these lines at the end of sendmail.mc."""
    mc = open("/etc/mail/lab.mc").read()
    before, after = mc.split("MAILER(`local')dnl", 1)
    write("/etc/mail/version.mc", before + more + "\nMAILER(`local')dnl" + after)
    write("/etc/mail/sendmail.cf", trial.run("m4", "/etc/mail/version.mc"))
    os.kill(int(open("/run/sendmail.pid").readline()), signal.SIGHUP)
    time.sleep(3)


def sendmail_version(trial, access, fates):
    """The lines of `whatif` for a version: without its exceptions who has only older ones waits, with them they get their mail in clear."""
    lines = copied(fates["text"])
    both = fates["old"] + fates["kept"]
    of_mc = [line for line in lines if line.startswith("define(")]
    maps = [line for line in lines if not line.startswith("define(")]
    reload(trial, "\n".join(of_mc))
    access("\n".join(maps[:1]) + "\n")
    trial.round("version-required", {name: {True} if name in fates["kept"] else set() for name in both}, 20)
    access("\n".join(maps) + "\n")
    trial.round("version-excepted", {name: {name in fates["kept"]} for name in both + fates["lost"]}, 20)
    reload(trial, "")


def sendmail_refusal(trial):
    """The rules of `--reject-text` at the end of sendmail.mc, in both phases."""
    mc, rules = open("/etc/mail/lab.mc").read(), trial.said["reject"]
    for what, text, code in (("first phase", rules, 450), ("second phase", rules.replace("450 4.7.0", "530 5.7.0"), 530)):
        write("/etc/mail/lab.mc", mc + text)
        write("/etc/mail/sendmail.cf", trial.run("m4", "/etc/mail/lab.mc"))
        os.kill(int(open("/run/sendmail.pid").readline()), signal.SIGHUP)
        time.sleep(3)
        trial.answers(what, {"in clear": code})


def main():
    verb, *words = sys.argv[1:]
    if verb == "ask":
        print(json.dumps(ask(*words)))
        return
    said = json.load(sys.stdin)
    trial = Trial(words[0], said)
    {"postfix": postfix, "sendmail": sendmail}[words[0]](trial)
    for line in trial.wrong:
        print("DIFFERENCE %s: %s" % (words[0], line))
    print("%s: %d comparisons, %d differences; %d lost and %d kept where TLS is required, %d clients without STARTTLS" % (
        words[0], trial.checked, len(trial.wrong), len(said["lost"]), len(said["kept"]), len(entries(said["inbound"]))))
    old = [fates["old"] for fates in said["versions"].values() if words[0] == "postfix" or fates["old"]]
    sys.exit(bool(trial.wrong) or not all([said["lost"], said["kept"], entries(said["inbound"]), old, *old]))


if __name__ == "__main__":
    main()
