"""`campaign send` by SMTP to real servers of every temper: what tlsnag believes of each letter, and what was there at the end, must agree.

Each row of `trials()` has a store of its own and three letters to addresses of the sink that only this row uses. The server is Debian's Postfix or
Sendmail; a refusal or a greylisting is its own, and where a connection dies or an answer is late, a relay on the way does it.
It does not say which organisations deserve a letter: that is `letters.py`, whose log it reads again.

Usage: relays.py MTA PROGRAM    inside `with`, after letters.py
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time

import mta as servers
from dns import sh
from letters import SETTINGS, WORK, Trial, look

US, CA = "192.0.2.25", "/run/lab/work/tls/ca.pem"
PLAIN, TRUSTED, TLS, LOGIN = 2525, 2526, 465, 587  # no STARTTLS; STARTTLS for who is known; TLS from the start; STARTTLS for who logs in
PATIENCE = 3  # seconds tlsnag waits for an answer here
KINDS = ("fine", "refused", "grey")
# What is believed of a letter, and how often it is there.
SENT, REFUSED, DRAFT = ("sent", False, 1), ("bounced", False, 0), ("planned", False, 0)
UNCLEAR, UNCLEAR_THERE = ("sent", True, 0), ("sent", True, 1)

# Services beside those of the lab, for who comes from our own address.
POSTFIX = """
%(plain)d inet n - n - - smtpd -o smtpd_tls_security_level=none -o smtpd_tls_auth_only=no %(known)s
%(trusted)d inet n - n - - smtpd %(known)s
%(tls)d inet n - n - - smtpd -o smtpd_tls_wrappermode=yes %(known)s
""" % dict(plain=PLAIN, trusted=TRUSTED, tls=TLS, known="-o mynetworks=192.0.2.25/32 "
           "-o { smtpd_recipient_restrictions = check_policy_service inet:127.0.0.1:10023, permit }")
SENDMAIL = """FEATURE(`blocklist_recipients')dnl
DAEMON_OPTIONS(`Family=inet, Name=Plain, Port=%d, M=S, Addr=192.0.2.25')dnl
DAEMON_OPTIONS(`Family=inet, Name=Trusted, Port=%d, Addr=192.0.2.25')dnl
DAEMON_OPTIONS(`Family=inet, Name=TLS, Port=%d, M=s, Addr=192.0.2.25')dnl
""" % (PLAIN, TRUSTED, TLS)


def trials():
    """Name, settings, what has gone wrong on the way, what each `send` says and leaves believed, and how the end was told it came."""
    relay = lambda port, security, login=None, host="relay.ours.example": dict(smtp="%s:%d" % (host, port), smtp_security=security, login=login)
    plain = relay(PLAIN, "none")
    good, sent = "lab:secret", [("Sent: 3", [SENT] * 3), ("nothing to send", [SENT] * 3)]
    first = lambda there: [("Sent: 2; perhaps sent, perhaps not: never sent again: 1", [there, SENT, SENT]), ("nothing to send", [there, SENT, SENT])]
    put_off = [("Sent: 2; refused for now, to be sent by the next run: 1", [DRAFT, SENT, SENT]), ("Sent: 1", [SENT] * 3), sent[1]]
    return [
        ("plain", [plain], None, sent, "ESMTP"),
        # No password goes over the net in clear.
        ("plain-login", [relay(PLAIN, "none", good), relay(LOGIN, "starttls", good)], None, [("in clear", [DRAFT] * 3), *sent], "ESMTPSA"),
        ("starttls", [relay(TRUSTED, "starttls")], None, sent, "ESMTPS"),
        ("starttls-login", [relay(LOGIN, "starttls", good)], None, sent, "ESMTPSA"),
        ("tls", [relay(TLS, "tls")], None, sent, "ESMTPS"),
        ("tls-login", [relay(TLS, "tls", good)], None, sent, "ESMTPSA"),
        # A wrong setting costs nobody the letter: with the right one it goes out.
        ("wrong-password", [relay(LOGIN, "starttls", "lab:wrong"), relay(LOGIN, "starttls", good)], None,
         [("does not let us in", [DRAFT] * 3), *sent], "ESMTPSA"),
        ("no-login", [relay(LOGIN, "starttls"), relay(LOGIN, "starttls", good)], None, [("does not take mail from us", [DRAFT] * 3), *sent], "ESMTPSA"),
        ("no-starttls", [relay(PLAIN, "starttls"), plain], None, [("does not offer STARTTLS", [DRAFT] * 3), *sent], "ESMTP"),
        ("wrong-name", [relay(TRUSTED, "starttls", host="ours.example"), relay(TRUSTED, "starttls")], None, [("no TLS with", [DRAFT] * 3), *sent], "ESMTPS"),
        ("wrong-name-tls", [relay(TLS, "tls", host="ours.example"), relay(TLS, "tls")], None, [("no TLS with", [DRAFT] * 3), *sent], "ESMTPS"),
        # The server itself refuses one for good, and puts one off.
        ("temper", [plain], None, [
            ("Sent: 1; refused for now, to be sent by the next run: 1; refused for good: 1", [SENT, REFUSED, DRAFT]),
            ("Sent: 1", [SENT, REFUSED, SENT]), ("nothing to send", [SENT, REFUSED, SENT])], "ESMTP"),
        # On the way, in the first session: at which line, and how many seconds late, or cut.
        ("slow", [plain], ("RCPT", PATIENCE - 2), sent, "ESMTP"),
        ("slow-end", [plain], (".", PATIENCE - 2), sent, "ESMTP"),
        ("too-slow", [plain], ("RCPT", PATIENCE + 1), put_off, "ESMTP"),
        ("too-slow-end", [plain], (".", PATIENCE + 1), first(UNCLEAR_THERE), "ESMTP"),
        ("cut-before", [plain], ("DATA", "cut"), put_off, "ESMTP"),
        ("cut-within", [plain], ("text", "cut"), first(UNCLEAR), "ESMTP"),
        ("cut-end", [plain], (".", "cut"), first(UNCLEAR_THERE), "ESMTP"),
    ]


class Way:
    """Listens on a port of its own and carries one SMTP session after the other to the real server. In the first one, `where` is the client's line
    at which the answer is late by `how` seconds, or the connection cut: "text" in the middle of the message, "." when the server has taken it."""

    def __init__(self, server, where, how):
        self.server, self.where, self.how = server, where, how
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        for number in range(99):
            client, _ = self.listener.accept()
            with client, socket.create_connection(self.server) as server:
                try:
                    self.carry(client, client.makefile("rb"), server, server.makefile("rb"), number == 0)
                except OSError:
                    pass  # one side has hung up, as sides do

    def carry(self, client, said, server, answers, disturbed):
        text, lines, line = False, 0, b""
        while True:
            if not text:
                answer = response(answers)
                at = "." if lines else line.split(b" ")[0].strip().decode()
                if disturbed and at == self.where and line:
                    if self.how == "cut":
                        return
                    time.sleep(self.how)
                client.sendall(answer)
                text, lines = answer.startswith(b"354"), 0
            line = said.readline()
            if not line:
                return
            server.sendall(line)
            lines += text
            if text and lines == 20 and disturbed and self.where == "text":
                return
            text = text and line != b".\r\n"


def response(answers):
    """One answer of a server, all its lines."""
    whole = b""
    while True:
        line = answers.readline()
        whole += line
        if not line or line[3:4] != b"-":
            return whole


def judge_recipients(listener):
    """The policy service Postfix asks: who is refused, and who is put off the first time."""
    seen = set()

    def answer(connection):
        with connection, connection.makefile("rw") as f:
            asked = {}
            for line in f:
                key, _, value = line.rstrip("\n").partition("=")
                asked[key] = value
                if key:
                    continue
                who, action = asked.get("recipient", ""), "DUNNO"
                if who.startswith("temper-refused"):
                    action = "550 5.1.1 Nobody of that name here"
                elif who.startswith("temper-grey") and who not in seen:
                    seen.add(who)
                    action = "DEFER_IF_PERMIT Greylisted, come back later"
                f.write("action=%s\n\n" % action)
                f.flush()
                asked = {}

    while True:
        threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()


def prepare(mta):
    """The servers' further services."""
    if mta == "postfix":
        threading.Thread(target=judge_recipients, args=(socket.create_server(("127.0.0.1", 10023)),), daemon=True).start()
        # The lab's own service on port 465 gives way.
        text = re.sub(r"(?m)^smtps inet.*\n", "", open("/etc/postfix/master.cf").read())
        servers.write("/etc/postfix/master.cf", text + POSTFIX)
        sh("postfix", "reload")
    else:
        text = open("/etc/mail/lab.mc").read()
        servers.write("/etc/mail/lab.mc", text.replace("MAILER(`local')", SENDMAIL + "MAILER(`local')", 1))
        servers.write("/etc/mail/sendmail.cf", sh("m4", "/etc/mail/lab.mc"))
        access(grey=True)
        servers.stop(mta)
        sh(servers.SENDMAIL, "-bd", "-q2s")
    for port in (PLAIN, TRUSTED, TLS, LOGIN):
        servers.await_port(port)


def access(grey):
    """Sendmail's map: who may relay, who is refused, who is put off."""
    text = "Connect:127.0.0.1 RELAY\nConnect:%s RELAY\nTo:temper-refused@sink.example ERROR:5.1.1:550 Nobody of that name here\n" % US
    if grey:
        text += "To:temper-grey@sink.example ERROR:4.7.1:451 Greylisted, come back later\n"
    sh("makemap", "hash", "/etc/mail/access.db", data=text)


class Row:
    """One of `trials()`, with its store."""

    def __init__(self, trial, mta, row, kept):
        self.trial, self.mta, self.kept = trial, mta, kept
        self.name, self.settings, self.way, self.steps, self.came = row
        self.folder = "%s/%s" % (WORK, self.name)
        self.addresses = ["%s-%s@sink.example" % (self.name, kind) for kind in KINDS]
        os.makedirs(self.folder)
        shutil.copy(WORK + "/base.db", self.folder + "/store.db")

    def tlsnag(self, *words):
        """Status and words of the program, with the settings as they are."""
        done = subprocess.run([self.trial.program, "--quiet", "--store", self.folder + "/store.db", "--config", self.folder + "/c.toml", *words],
                              capture_output=True, text=True, env=dict(os.environ, SSL_CERT_FILE=CA))
        return done.returncode, done.stdout, done.stderr

    def configure(self, settings):
        """These settings."""
        login = settings.pop("login", None)
        if login:
            servers.write(self.folder + "/login", login + "\n")
            settings["smtp_login"] = self.folder + "/login"
        with open(self.folder + "/c.toml", "w") as f:
            f.write(SETTINGS % ("en", "/bin/false") + "smtp_timeout = %d\n" % PATIENCE + "".join('%s = "%s"\n' % pair for pair in settings.items()))

    def believed(self):
        """What `status` says of each letter: its state, and whether it is in doubt."""
        rows = {r["contact"]: r for r in json.loads(self.tlsnag("campaign", "status", "--format", "json")[1])["rows"]}
        return [(rows[a]["state"], "may or may not" in rows[a]["remark"]) for a in self.addresses]

    def run(self):
        """Plans, sends as often as the row says, and looks at what is believed after each."""
        settings = [dict(s) for s in self.settings]
        if self.way:
            host, port = settings[0]["smtp"].split(":")
            settings[0]["smtp"] = "127.0.0.1:%d" % Way((US, int(port)), *self.way).port
        self.configure(settings[0])
        for name, address in zip(self.kept, self.addresses):
            self.tlsnag("campaign", "contact", name, address)
        status, plan, error = self.tlsnag("campaign", "plan", "--min-messages", "1", "--min-days", "1", "--no-probe", "--format", "json")
        hash_ = json.loads(plan)["plan"] if status == 0 else error
        for at, (words, letters) in enumerate(self.steps):
            if at and at < len(settings):
                self.configure(settings[at])
            if at and self.mta == "sendmail" and self.name == "temper":
                access(grey=False)
            status, said, error = self.tlsnag("campaign", "send", "--plan", hash_, "--yes", "--per-day", "99")
            what = "%s, send %d" % (self.name, at + 1)
            self.trial.check(what + " says %r" % words, words if words in said + error else (status, said, error), words)
            self.trial.check(what + ": believed", self.believed(), [letter[:2] for letter in letters])

    def arrivals(self):
        """How often each letter is to be there at the end."""
        return {address: letter[2] for address, letter in zip(self.addresses, self.steps[-1][1])}

    def read(self, arrived):
        """What was there, against what is believed and what was to be; and each letter that came, header by header."""
        for address, (state, doubt), there in zip(self.addresses, self.believed(), self.arrivals().values()):
            messages = arrived.get(address, [])
            self.trial.check("%s: at the end" % address, len(messages), there)
            may = {0, 1} if doubt else {int(state == "sent")}
            self.trial.check("%s: %d there, believed %s, in doubt %s" % (address, len(messages), state, doubt), len(messages) in may, True)
            for message in messages:
                self.look(message, address)

    def look(self, message, address):
        """One letter as it arrived from here."""
        token = re.search(r"tlsnag-([0-9A-F]+)", message["Subject"]).group(1)
        look(self.trial, message, {"token": token})
        self.trial.check("%s: To" % address, message["To"], address)
        self.trial.check("%s: envelope sender" % address, message["X-Lab-Sender"], "<tls+tlsnag-%s@ours.example>" % token.lower())
        received = message.get_all("Received")
        told = re.search(r"^from relay\.ours\.example .*\bwith (\w+)", " ".join(received[-1].split()))
        self.trial.check("%s: came" % address, (len(received), told and told.group(1)), (1, self.came))
        for header in ("From", "To", "Subject", "Date", "Message-ID", "Reply-To", "MIME-Version", "Content-Type", "TLS-Required", "List-Unsubscribe"):
            self.trial.check("%s: how many %s" % (address, header), len(message.get_all(header, [])), 1)


def base(trial):
    """A store of the log, with all organisations but three kept out of it. Those three."""
    program = [trial.program, "--quiet", "--store", WORK + "/base.db", "--config", WORK + "/c.toml"]
    call = lambda *words: subprocess.run([*program, *words], check=True, capture_output=True, text=True).stdout
    call("import", "--own-domain", "ours.example", "--own-network", "192.0.2.25/32", "--own-network", "127.0.0.0/8", WORK + "/mail.log")
    shutil.copy(WORK + "/base.db", WORK + "/all.db")
    program[3] = WORK + "/all.db"
    rows = json.loads(call("campaign", "plan", "--min-messages", "1", "--min-days", "1", "--no-probe", "--format", "json"))["rows"]
    program[3] = WORK + "/base.db"
    # In the order of the plan, which is that of sending.
    letters = [name for name, _ in dict.fromkeys((row["organisation"], row["token"]) for row in rows)]
    kept = [name for name in letters if letters.count(name) == 1][: len(KINDS)]
    for name in set(letters) - set(kept):
        call("campaign", "suppress", name)
    return kept


def main():
    mta, program = sys.argv[1:]
    began = time.time()
    trial = Trial(mta, program)
    prepare(mta)
    kept = base(trial)
    rows = [Row(trial, mta, row, kept) for row in trials()]
    threads = [threading.Thread(target=row.run) for row in rows]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wanted = {address: n for row in rows for address, n in row.arrivals().items()}
    end = time.time() + 20
    while time.time() < end and any(len(trial.arrived().get(a, [])) < n for a, n in wanted.items()):
        time.sleep(0.3)
    time.sleep(1)  # for one too many
    arrived = trial.arrived()
    for row in rows:
        row.read(arrived)
    for line in trial.wrong:
        print("DIFFERENCE %s: %s" % (mta, line))
    print("%s: by SMTP: %d comparisons, %d differences; %d trials, %d letters, %d arrived; %.0f seconds" % (
        mta, trial.checked, len(trial.wrong), len(rows), len(wanted), sum(len(arrived.get(a, [])) for a in wanted), time.time() - began))
    sys.exit(bool(trial.wrong))


if __name__ == "__main__":
    main()
