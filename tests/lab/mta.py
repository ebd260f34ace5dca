"""The mail servers under observation: configures and starts Debian's Postfix or Sendmail, and the syslog daemon that writes its log.

As a library: `postfix(rows, folder, certificates, profile)` is a Postfix that obeys any policy map, for tests of `policy` and `whatif`.
Timeouts are short, so that a run takes a minute; nothing else differs from a real site that logs its TLS.
"""

import os
import signal
import subprocess
import time

import pki
from dns import sh
from scenarios import host_name

LOG = "/run/lab/out/mail.log"
FORMATS = {"rfc3339": "RSYSLOG_FileFormat", "rfc3164": "RSYSLOG_TraditionalFileFormat"}

MAIN = {
    "compatibility_level": "3.6", "myhostname": "relay.ours.example", "mydestination": "ours.example, relay.ours.example, localhost",
    "myorigin": "ours.example", "mynetworks": "127.0.0.1/32", "inet_interfaces": "127.0.0.1, 192.0.2.25", "inet_protocols": "ipv4",
    "smtp_bind_address": "192.0.2.25", "queue_directory": "/var/spool/postfix", "alias_maps": "texthash:/etc/postfix/aliases", "alias_database": "",
    "local_recipient_maps": "$alias_maps", "biff": "no", "default_process_limit": "80", "smtpd_client_connection_rate_limit": "0",
    "smtpd_relay_restrictions": "permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination",
    "smtpd_sasl_auth_enable": "yes", "smtpd_tls_auth_only": "yes", "smtpd_sasl_local_domain": "ours.example", "smtpd_timeout": "8s", "smtpd_starttls_timeout": "8s",
    "smtp_connect_timeout": "3s", "smtp_helo_timeout": "4s", "smtp_starttls_timeout": "4s", "smtp_mail_timeout": "8s", "smtp_rcpt_timeout": "8s",
    "queue_run_delay": "2s", "minimal_backoff_time": "4s", "maximal_backoff_time": "6s", "maximal_queue_lifetime": "24s", "bounce_queue_lifetime": "8s",
    "smtp_tls_security_level": "may", "smtp_tls_loglevel": "1", "smtpd_tls_security_level": "may", "smtpd_tls_loglevel": "1",
    "smtp_dns_support_level": "dnssec", "smtp_tls_policy_maps": "texthash:/etc/postfix/policy", "smtp_host_lookup": "dns",
}
SERVICES = """
smtp inet n - n - - smtpd
submission inet n - n - - smtpd -o syslog_name=postfix/submission -o smtpd_tls_security_level=encrypt
smtps inet n - n - - smtpd -o syslog_name=postfix/smtps -o smtpd_tls_wrappermode=yes
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


def write(path, text):
    """A file and its directory."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(text)


def syslog(form):
    """rsyslogd with no limits, on /dev/log of this namespace."""
    write("/run/lab/rsyslog.conf", 'module(load="imuxsock" SysSock.RateLimit.Interval="0")\nglobal(workDirectory="/run/lab")\n'
          'mail.* action(type="omfile" file="%s" template="%s")\n' % (LOG, FORMATS[form]))
    open(LOG, "a").close()
    sh("rsyslogd", "-f", "/run/lab/rsyslog.conf", "-i", "/run/lab/rsyslogd.pid")


def accounts(service):
    """One user `lab` with password `secret` for SMTP AUTH."""
    write("/etc/postfix/sasl/smtpd.conf", "pwcheck_method: auxprop\nauxprop_plugin: sasldb\nmech_list: PLAIN LOGIN\n")
    for place in ("/etc/sasl2", "/usr/lib/sasl2"):
        write(place + "/%s.conf" % service, "pwcheck_method: auxprop\nauxprop_plugin: sasldb\nmech_list: PLAIN LOGIN\n")
    subprocess.run(["saslpasswd2", "-p", "-c", "-u", "ours.example", "lab"], input=b"secret", check=True)
    subprocess.run(["saslpasswd2", "-p", "-c", "-u", "relay.ours.example", "lab"], input=b"secret", check=True)
    os.chmod("/etc/sasldb2", 0o644)


def await_port(port, host="192.0.2.25"):
    """Waits until somebody listens, without connecting: a connection would be in the log."""
    for _ in range(150):
        if "%s:%d " % (host, port) in sh("ss", "-ltn"):
            return
        time.sleep(0.1)
    raise RuntimeError("expected a server on port %d, found none after 15 seconds" % port)


def postfix(rows, certificates, profile):
    """Configures and starts Postfix."""
    own = pki.path(certificates, "own")
    main = dict(MAIN, smtp_tls_CAfile=pki.path(certificates, "ca"), smtpd_tls_cert_file=own, smtpd_tls_key_file=own, **profile.get("main", {}))
    if profile["log"] == "postlogd":
        main.update(maillog_file=LOG, maillog_file_prefixes="/run, /var")
    else:
        syslog(profile["log"])
    write("/etc/postfix/main.cf", "".join("%s = %s\n" % pair for pair in main.items()))
    extra = "tlsproxy unix - - n - 0 tlsproxy\n" if profile.get("master") == "tlsproxy" else ""
    write("/etc/postfix/master.cf", SERVICES + extra)
    write("/etc/postfix/aliases", "info /dev/null\napp /dev/null\npostmaster /dev/null\nMAILER-DAEMON /dev/null\n")
    write("/etc/postfix/policy", "".join("%s %s\n" % (s.domain, s.policy) for _, s in rows if s.policy))
    accounts("smtpd")
    for place in ("/var/lib/postfix", "/var/spool/postfix/public", "/var/spool/postfix/maildrop"):
        os.makedirs(place, exist_ok=True)
    # What the package's scripts would have done.
    sh("chown", "postfix:postfix", "/var/lib/postfix")
    sh("chown", "postfix:postdrop", "/var/spool/postfix/public", "/var/spool/postfix/maildrop")
    sh("chmod", "2710", "/var/spool/postfix/public")
    sh("chmod", "1730", "/var/spool/postfix/maildrop")
    sh("chgrp", "postdrop", "/usr/sbin/postqueue", "/usr/sbin/postdrop")
    sh("chmod", "2755", "/usr/sbin/postqueue", "/usr/sbin/postdrop")
    run = subprocess.run(["postfix", "start"], capture_output=True, text=True)
    if run.returncode:
        raise RuntimeError("postfix start: %s %s" % (run.stderr, open(LOG).read()[-2000:]))
    for port in (25, 587):
        await_port(port)


MC = """include(`/usr/share/sendmail/cf/m4/cf.m4')dnl
OSTYPE(`linux')dnl
DOMAIN(`generic')dnl
define(`confLOG_LEVEL', `%(level)d')dnl
define(`confDOMAIN_NAME', `relay.ours.example')dnl
define(`confDEF_USER_ID', `nobody:nogroup')dnl
define(`ALIAS_FILE', `/etc/mail/aliases')dnl
define(`STATUS_FILE', `/var/spool/stat')dnl
define(`confPID_FILE', `/run/sendmail.pid')dnl
define(`confTO_INITIAL', `5s')dnl
define(`confTO_CONNECT', `3s')dnl
define(`confTO_ICONNECT', `3s')dnl
define(`confTO_HELO', `4s')dnl
define(`confTO_STARTTLS', `4s')dnl
define(`confTO_MAIL', `8s')dnl
define(`confTO_RCPT', `8s')dnl
define(`confTO_COMMAND', `8s')dnl
define(`confTO_IDENT', `0s')dnl
define(`confTO_HOSTSTATUS', `1s')dnl
define(`confTO_QUEUERETURN', `16s')dnl
define(`confTO_QUEUEWARN', `1h')dnl
define(`confMIN_QUEUE_AGE', `0s')dnl
define(`confQUEUE_LA', `200')dnl
define(`confREFUSE_LA', `200')dnl
define(`confDELAY_LA', `0')dnl
define(`confMAX_QUEUE_CHILDREN', `40')dnl
define(`confMAX_RUNNERS_PER_QUEUE', `4')dnl
define(`confPRIVACY_FLAGS', `goaway')dnl
define(`confDONT_BLAME_SENDMAIL', `GroupReadableKeyFile,GroupReadableSASLDBFile,WorldWritableAliasFile')dnl
define(`confCACERT', `%(tls)s/ca.pem')dnl
define(`confCACERT_PATH', `%(tls)s')dnl
define(`confSERVER_CERT', `%(tls)s/own.pem')dnl
define(`confSERVER_KEY', `%(tls)s/own.pem')dnl
define(`confCLIENT_CERT', `%(tls)s/own.pem')dnl
define(`confCLIENT_KEY', `%(tls)s/own.pem')dnl
define(`confAUTH_MECHANISMS', `PLAIN LOGIN')dnl
TRUST_AUTH_MECH(`PLAIN LOGIN')dnl
FEATURE(`no_default_msa')dnl
FEATURE(`access_db', `hash -T<TMPF> -o /etc/mail/access')dnl
CLIENT_OPTIONS(`Family=inet, Address=192.0.2.25')dnl
DAEMON_OPTIONS(`Family=inet, Name=MTA-v4, Port=smtp, Addr=127.0.0.1')dnl
DAEMON_OPTIONS(`Family=inet, Name=MTA-out, Port=smtp, Addr=192.0.2.25')dnl
DAEMON_OPTIONS(`Family=inet, Name=MSP-v4, Port=submission, M=Ea, Addr=192.0.2.25')dnl
%(more)s
MAILER(`local')dnl
MAILER(`smtp')dnl
LOCAL_CONFIG
Cwours.example
Cwlocalhost
"""
SENDMAIL = "/usr/libexec/sendmail/sendmail"


def sendmail(rows, certificates, profile):
    """Configures and starts Sendmail."""
    syslog(profile["log"])
    write("/etc/mail/lab.mc", MC % dict(level=profile["level"], tls=certificates, more="\n".join(profile.get("mc", []))))
    write("/etc/mail/sendmail.cf", sh("m4", "/etc/mail/lab.mc"))
    write("/etc/mail/aliases", "info: /dev/null\napp: /dev/null\npostmaster: /dev/null\nMAILER-DAEMON: /dev/null\n")
    write("/var/spool/stat", "")
    write("/etc/mail/local-host-names", "ours.example\n")
    access = ["Connect:127.0.0.1 RELAY"] + [
        "%s:%s %s" % (tag, host_name(s, n), value) for _, s in rows for tag, value in s.access.items() for n in range(1, len(s.hosts) + 1)]
    write("/etc/mail/access", "\n".join(access) + "\n")
    accounts("Sendmail")
    for place in ("/var/spool/mqueue", "/var/spool/clientmqueue"):
        os.makedirs(place, mode=0o700, exist_ok=True)
    # It refuses keys that others may read, and maps and configuration below directories that others may write.
    for kind in ("own", "ca"):
        os.chmod(pki.path(certificates, kind), 0o600)
    sh("makemap", "hash", "/etc/mail/access.db", data=open("/etc/mail/access").read())
    sh(SENDMAIL, "-bi")
    sh(SENDMAIL, "-bd", "-q2s")
    for port in (25, 587):
        await_port(port)


def queued(mta):
    """How many messages wait."""
    if mta == "postfix":
        return len(sh("postqueue", "-j").splitlines())
    return sum(name[:2] in ("qf", "hf", "tf") for name in os.listdir("/var/spool/mqueue"))


def stop(mta):
    """Ends the server; what it still has to say is written."""
    if mta == "postfix":
        sh("postfix", "stop")
    else:
        os.kill(int(open("/run/sendmail.pid").readline()), signal.SIGTERM)
    time.sleep(1)
