"""The fixes of the letters, applied to Debian's servers: the lines are taken out of the templates, a server is started without them and with them, and a
client that knows TLS 1.2 and newer asks it each time. In the other direction a sink says whether mail came over TLS. Nothing here reads a log.

Usage: recipes.py SOFTWARE    inside the namespaces `enter` made, with `templates/mail` as /run/lab/out/templates
"""

import json
import os
import re
import shutil
import signal
import smtplib
import ssl
import subprocess
import sys
import time

import clients
import dns
import mta
import peers
import pki
from dns import sh

OUT, TLS, TEMPLATES = "/run/lab/out", "/run/lab/work/tls", "/run/lab/out/templates"
SERVER, SINK = "192.0.2.25", "198.18.255.1"
CHECKS = {"done": 0, "differences": 0}


def is_so(what, expected, found):
    """Compares, and says what differs."""
    CHECKS["done"] += 1
    if expected != found:
        CHECKS["differences"] += 1
        print("DIFFERENCE %s: expected %s, found %s" % (what, expected, found))


# ---- What the letters say

def indented(name, language):
    """The lines of a template that are to be typed."""
    with open("%s/%s" % (TEMPLATES, name % language)) as f:
        return [line[2:].rstrip("\n") for line in f if line.startswith("  ")]


def same(what, of):
    """What both languages say, which is the same."""
    english, german = of("en"), of("de")
    is_so(what + ", in German", english, german)
    return english


def recipe(kind, software):
    """The lines of the fix for one software."""
    name = "partials/%%s/%s/%s.hbs" % (kind, software)
    return same(name, lambda language: indented(name, language))


def of_many(name, software, pattern="(.*)"):
    """What a list for many says for one software, or all that matches in there; fails if it says nothing."""
    def of(language):
        said = [line.split(": ", 1)[1] for line in indented(name, language) if line.lower().startswith(software)]
        if len(said) != 1:
            raise RuntimeError("expected one line for %s in %s, found %d" % (software, name % language, len(said)))
        return re.search(pattern, said[0]).groups()
    found = same(name + " for " + software, of)
    return found[0] if len(found) == 1 else found


def place(lines):
    """Puts a certificate and a key of ours at the paths that the lines name."""
    for path in re.findall(r"/etc/[\w./-]+\.(?:pem|crt|key)", "\n".join(lines)):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        end = ".key" if "key" in os.path.basename(path) else ".crt"
        shutil.copy(TLS + "/mine" + end, path)
        os.chmod(path, 0o600 if end == ".key" else 0o644)


# ---- What a server does

def asked(ciphers="DEFAULT"):
    """What the server does with a client: `none` (STARTTLS is not offered), `fails`, or the version of TLS. `ciphers` narrows TLS 1.2."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(ciphers)
    if ciphers != "DEFAULT":
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    with smtplib.SMTP(SERVER, 25, local_hostname="client.example", timeout=20) as s:
        s.ehlo()
        if not s.has_extn("starttls"):
            return "none"
        try:
            if s.starttls(context=context)[0] != 220:
                return "fails"
            version = s.sock.version()
            s.ehlo()
            return version
        except (ssl.SSLError, OSError, smtplib.SMTPException):
            s.close()
            return "fails"


class Arrivals:
    """A sink, and whether mail comes to it over TLS."""

    def __init__(self, port=25):
        peers.Sink(OUT + "/sink", peers.Recorder(OUT + "/truth.jsonl"), TLS, SINK, port=port)

    def next(self):
        """Hands in a mail for it, and says `TLS`, `clear` or `nothing`."""
        before = len(self.sessions())
        clients.inject("app@ours.example", ["info@sink.example"], "hello", SERVER)
        for _ in range(300):
            time.sleep(0.1)
            for session in self.sessions()[before:]:
                if session["messages"]:
                    return "TLS" if session["tls"] else "clear"
        return "nothing"

    def sessions(self):
        """Each is noted when it is over."""
        with open(OUT + "/truth.jsonl") as f:
            return [json.loads(line) for line in f]


# ---- The servers

def postfix():
    """`postfix tls` and `postconf -X`, as they stand in the letters."""
    line, = recipe("server", "postfix")
    is_so("the list of all says the same", line, of_many("partials/%s/server/any.hbs", "postfix"))
    sends, = recipe("client", "postfix")
    is_so("the list of all says the same", sends, of_many("partials/%s/client/any.hbs", "postfix"))
    dh = of_many("handshake/%s.hbs", "postfix")
    versions = of_many("old-protocol/%s.hbs", "postfix")

    arrivals = Arrivals()
    to_sink = dict(relayhost="[%s]" % SINK, smtp_tls_policy_maps="", smtp_dns_support_level="enabled", mynetworks="192.0.2.25")
    mta.postfix([], TLS, dict(log="rfc3339", main=to_sink))
    sh("postconf", "-X", "smtp_tls_security_level", "smtpd_tls_security_level", "smtpd_tls_cert_file", "smtpd_tls_key_file")
    sh("postfix", "reload")
    is_so("Postfix, before", ("none", "clear"), (asked(), arrivals.next()))
    typed(line)
    is_so("Postfix, " + line, "TLSv1.3", asked())
    typed(sends)
    is_so("Postfix, " + sends, "TLS", arrivals.next())

    # What is said for old versions works with this one as well.
    with open(TEMPLATES + "/partials/en/server/postfix.hbs") as f:
        older = re.search(r"Older versions need (.*)", f.read()).group(1)
    names = re.findall(r"smtpd_tls_\w+", older)
    for name in names:
        sh("postconf", "-X", name)
    sh("postfix", "reload")
    is_so("Postfix, taken back", "none", asked())
    values = dict(re.findall(r"(smtpd_tls_\w+) = (\w+)", older))
    shutil.copy(TLS + "/mine.key", "/etc/postfix/key.pem")
    for name in names:
        value = values.get(name) or ("/etc/postfix/key.pem" if "key" in name else TLS + "/mine.crt")
        sh("postconf", "-e", "%s=%s" % (name, value))
    sh("postfix", "reload")
    is_so("Postfix, " + older, "TLSv1.3", asked())

    sh("postconf", "-e", "smtpd_tls_dh1024_param_file=%s/dh1024.pem" % TLS)
    sh("postfix", "reload")
    is_so("Postfix, 1024 bits", "fails", asked("DHE"))
    typed(dh)
    is_so("Postfix, " + dh, "TLSv1.2", asked("DHE"))

    sh("postconf", "-e", "smtpd_tls_protocols=TLSv1,TLSv1.1")
    sh("postfix", "reload")
    is_so("Postfix, TLS 1.1 at most", "fails", asked())
    typed(versions)
    is_so("Postfix, " + versions, "TLSv1.3", asked())
    mta.stop("postfix")


def typed(command):
    """A line of a letter, as an administrator would type it."""
    sh("sh", "-ec", command)
    time.sleep(1)


MC = """include(`/usr/share/sendmail/cf/m4/cf.m4')dnl
OSTYPE(`linux')dnl
DOMAIN(`generic')dnl
define(`confDOMAIN_NAME', `relay.ours.example')dnl
define(`confTO_IDENT', `0s')dnl
define(`confTO_ICONNECT', `3s')dnl
define(`confPID_FILE', `/run/sendmail.pid')dnl
define(`ALIAS_FILE', `/etc/mail/aliases')dnl
FEATURE(`access_db', `hash -T<TMPF> -o /etc/mail/access')dnl
FEATURE(`accept_unresolvable_domains')dnl
DAEMON_OPTIONS(`Family=inet, Name=MTA, Port=smtp, Addr=%s')dnl
%%s
MAILER(`local')dnl
MAILER(`smtp')dnl
""" % SERVER


def sendmail():
    """All four definitions, each of which is needed; the group; what forbids TLS for sending."""
    lines = recipe("server", "sendmail")
    names = set(re.findall(r"conf\w+", "\n".join(lines)))
    is_so("the list of all names the same", names, set(re.findall(r"conf\w+", of_many("partials/%s/server/any.hbs", "sendmail"))))
    dh = of_many("handshake/%s.hbs", "sendmail")
    forbidden = of_many("partials/%s/client/any.hbs", "sendmail", r'"(Try_TLS:)\.\.\. (NO)"')
    place(lines)
    os.makedirs("/etc/ssl/certs", exist_ok=True)
    mta.syslog("rfc3339")
    dns.start("/run/lab/work/dns", [], TLS)  # without names it sends nothing
    mta.write("/etc/mail/aliases", "postmaster: /dev/null\n")
    mta.write("/etc/mail/local-host-names", "ours.example\n")
    for folder in ("/var/spool/mqueue", "/var/spool/clientmqueue"):
        os.makedirs(folder, mode=0o700, exist_ok=True)

    def up(lines, access=""):
        mta.write("/etc/mail/sendmail.mc", MC % "\n".join(lines))
        mta.write("/etc/mail/sendmail.cf", sh("m4", "/etc/mail/sendmail.mc"))
        sh("makemap", "hash", "/etc/mail/access.db", data="Connect:%s RELAY\n%s" % (SERVER, access))
        sh(mta.SENDMAIL, "-bi")
        sh(mta.SENDMAIL, "-bd", "-q2s")
        mta.await_port(25)

    for at, line in enumerate(lines):
        up(lines[:at] + lines[at + 1:])
        is_so("Sendmail, without " + line, "none", asked())
        mta.stop("sendmail")
    arrivals = Arrivals()
    up(lines)
    is_so("Sendmail, with all", ("TLSv1.3", "TLS"), (asked(), arrivals.next()))
    mta.stop("sendmail")
    up(lines, "%s%s %s\n" % (forbidden[0], "sink.example", forbidden[1]))
    is_so("Sendmail, %s %s" % forbidden, "clear", arrivals.next())
    mta.stop("sendmail")

    weak = re.sub(r"`/etc/[^']*'", "`%s/dh1024.pem'" % TLS, dh)
    up(lines + [weak])
    is_so("Sendmail, 1024 bits", "fails", asked("DHE"))
    mta.stop("sendmail")
    path = re.search(r"`(/etc/[^']*)'", dh).group(1)
    pki.openssl("genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt", "group:ffdhe2048", "-out", path)
    up(lines + [dh])
    is_so("Sendmail, " + dh, "TLSv1.2", asked("DHE"))
    mta.stop("sendmail")


EXIM = """exim_user = Debian-exim
exim_group = Debian-exim
primary_hostname = relay.ours.example
local_interfaces = %s
spool_directory = /run/lab/exim
log_file_path = /run/lab/out/exim.%%%%slog
pid_file_path = /run/lab/exim.pid
acl_smtp_rcpt = accept
acl_smtp_data = accept
%%s
begin acl
accept:
  accept
begin routers
all:
  driver = manualroute
  route_list = * %s
  transport = out
begin transports
out:
  driver = smtp
  hosts_try_fastopen =
%%s
begin retry
* * F,1h,5m
""" % (SERVER, SINK)


def exim():
    """The three settings, the key that must be readable, the group; what forbids TLS for sending."""
    lines = recipe("server", "exim")
    settings = {line.split(" = ")[0] for line in lines}
    is_so("the list of all names the same", settings, set(re.findall(r"tls_\w+", of_many("partials/%s/server/any.hbs", "exim"))))
    dh = of_many("handshake/%s.hbs", "exim")
    forbidding = of_many("partials/%s/client/any.hbs", "exim", r"(hosts_\w+)")
    place(lines)
    key = next(line.split(" = ")[1] for line in lines if "privatekey" in line)
    shutil.chown(key, "Debian-exim")
    os.makedirs("/run/lab/exim", exist_ok=True)
    for folder in ("/run/lab/exim", OUT):
        sh("chown", "Debian-exim", folder)

    def up(main, transport=""):
        mta.write("/etc/exim4/exim4.conf", EXIM % ("\n".join(main), transport and "  " + transport))
        process = subprocess.Popen(["exim4", "-bdf", "-q10m", "-oX", "25"])
        mta.await_port(25)
        return process

    arrivals = Arrivals()
    with served(up(["tls_advertise_hosts ="], forbidding + " = *")):
        is_so("Exim, before", ("none", "clear"), (asked(), arrivals.next()))
    with served(up(lines)):
        is_so("Exim, with all", ("TLSv1.3", "TLS"), (asked(), arrivals.next()))
    with served(up(lines + [dh])):
        is_so("Exim, " + dh, "TLSv1.2", asked("DHE"))
    shutil.chown(key, "root")
    with served(up(lines)):
        is_so("Exim, with a key it cannot read", "fails", asked())


SMTPD = """%s
action out relay host "%s%s:2525"
match from any for any action out
"""


def opensmtpd(works="TLSv1.3"):
    """The certificate and the listen line; what forbids TLS for sending. `works` is what becomes of a handshake with it."""
    lines = recipe("server", "opensmtpd")
    said = of_many("partials/%s/server/any.hbs", "opensmtpd")
    for words in ("pki NAME cert", "pki NAME key", "tls pki NAME"):
        name = words.replace("NAME", lines[0].split()[1])
        is_so("both say " + words, (True, True), (words in said, any(name in line for line in lines)))
    forbidding = of_many("partials/%s/client/any.hbs", "opensmtpd", r'"(smtp\+notls://)"')
    place(lines)
    for folder, owner in (("/var/lib/opensmtpd/empty", "root"), ("/run/opensmtpd/empty", "root"), ("/var/spool/smtpd", "root")):
        os.makedirs(folder, exist_ok=True)
        shutil.chown(folder, owner)
        os.chmod(folder, 0o711)

    def up(server, way):
        mta.write("/etc/smtpd.conf", SMTPD % ("\n".join(server), way, SINK))
        process = subprocess.Popen(["smtpd", "-d", "-f", "/etc/smtpd.conf"], stdout=log, stderr=log)
        mta.await_port(25, "0.0.0.0")
        return process

    arrivals = Arrivals(2525)  # it listens on all addresses
    with open(OUT + "/smtpd.log", "w") as log:
        listen = lines[-1].split(" tls ")[0]
        with served(up([listen], forbidding)):
            is_so("OpenSMTPD, before", ("none", "clear"), (asked(), arrivals.next()))
        with served(up(lines, forbidding.replace("+notls", ""))):
            is_so("OpenSMTPD, with all", (works, "TLS"), (asked(), arrivals.next()))


def opensmtpd_of_debian_12():
    """The version that no handshake succeeds with: the letters say so, and from which on it does."""
    for name in ("partials/%s/server/opensmtpd.hbs", "partials/%s/server/any.hbs", "handshake/%s.hbs"):
        for language in ("en", "de"):
            with open("%s/%s" % (TEMPLATES, name % language)) as f:
                is_so("7.3 is named in %s/%s" % (name, language), True, "7.3" in f.read())
    opensmtpd("fails")


class served:
    """A server in the foreground, until the end of the block."""

    def __init__(self, process):
        self.process = process

    def __enter__(self):
        return self.process

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)
        time.sleep(0.5)


def main():
    software, = sys.argv[1:]
    mta.write("/etc/hosts", "127.0.0.1 localhost\n192.0.2.25 relay.ours.example relay\n198.18.255.1 sink.example\n")
    pki.make(TLS, ["relay.ours.example", "sink.example"])
    # Self-signed, for the letters say that this is enough.
    # Quick parameters of DSA's form are not what Postfix reads.
    pki.openssl("dhparam", "-out", TLS + "/dh1024.pem", "1024")
    pki.openssl("req", "-x509", *pki.NEWKEY["rsa"], "-nodes", "-subj", "/CN=relay.ours.example", "-days", "30", "-keyout", TLS + "/mine.key", "-out", TLS + "/mine.crt")
    {"postfix": postfix, "sendmail": sendmail, "exim": exim, "opensmtpd": opensmtpd, "opensmtpd-6.8": opensmtpd_of_debian_12}[software]()
    print("%s: %d comparisons, %d differences" % (software, CHECKS["done"], CHECKS["differences"]))
    sys.exit(CHECKS["differences"] > 0)


if __name__ == "__main__":
    main()
