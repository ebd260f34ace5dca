"""The scenarios, as data: who the peers are, what they do, and what tlsnag must say of them beyond what the peers recorded themselves.

A scenario is a mail domain `NAME.example` with one or more MX hosts. It does not say how much mail arrives or through which channel: that is what the
peer writes down. It does not run anything; `peers.py` and `clients.py` act, `compare.py` judges.

What an MX host does (default: offers STARTTLS, TLS 1.2 and 1.3, a good ECDSA certificate, takes everything):
  offer=False             STARTTLS is not announced            ehlo="mangled"|"502"   announced as XXXXXXXA, or no EHLO at all
  starttls=TEXT           the answer to STARTTLS; also "drop", "hang"
  handshake=WORD          after `220`: "drop", "reset", "hang", "garbage"
  after=WORD              after the handshake: "drop", "hang", "421"
  lo, hi                  lowest and highest protocol          cert                   "ec", "rsa", "self", "expired", "wrongname", or None
  ciphers                 an OpenSSL cipher list               dh                     size of the Diffie-Hellman parameters
  banner, mail, rcpt, dot the answer at that place; `banner` also "drop", "hang"
  times=N                 all of the above in the first N sessions only; afterwards the host does what the default is
  grey=True               each recipient is put off once       need_tls=True          530 without TLS
  listen=WORD             "refused", "unreachable", "full" (connections time out)
  tlsa                    "good", "other", "unusable", "stale" (its signature has expired)

What a scenario has beside its hosts:
  n, rcpts                messages, recipients of each message
  policy                  Postfix: the level in smtp_tls_policy_maps    access    Sendmail: {TAG: VALUE} in the access map, for each of its hosts
  only                    "postfix" or "sendmail"                       quick     False: not in the quick set
  failed                  what kept mail back: "tls", "other", or None where the log cannot tell; a dict by MTA or profile where they differ
  says                    columns that the row in `report domains` must have, by MTA or for both
"""

BOTH = ("postfix", "sendmail")


class Scenario:
    """One row of the table; see the module."""

    def __init__(self, name, *hosts, n=2, rcpts=1, policy=None, access=None, only=None, quick=True,
                 failed=None, says=None):
        self.name, self.domain = name, name + ".example"
        self.hosts = [dict(host) for host in hosts] or [{}]
        self.n, self.rcpts, self.policy, self.access = n, rcpts, policy, access or {}
        self.mtas, self.quick = (only,) if only else BOTH, quick
        self.failed, self.says = failed, says or {}

    def value(self, value, profile):
        """A value that may differ by profile or MTA."""
        if not isinstance(value, dict) or not set(value) <= set(BOTH) | set(PROFILES):
            return value
        return value.get(profile, value.get(PROFILES[profile]["mta"]))


def table():
    """All of them. The order is the order of their addresses: add new ones at the end."""
    S = Scenario
    verify_fails = dict(policy="verify", only="postfix", failed="tls")
    return [
        # Good TLS of all kinds; the first also carries the traffic that proves that TLS is logged.
        S("tls", n=8),
        S("tls10", dict(lo="1.0", hi="1.0"), failed={"sendmail": "tls"}),
        S("tls11", dict(lo="1.1", hi="1.1"), failed={"sendmail": "tls"}),
        S("tls12-rsa", dict(hi="1.2", cert="rsa")),
        S("tls13-rsa", dict(lo="1.3", cert="rsa")),
        S("anonymous", dict(hi="1.2", cert=None, ciphers="aNULL:@SECLEVEL=0"), failed={"sendmail": "tls"}),
        S("self-signed", dict(cert="self")),
        S("expired", dict(cert="expired")),
        S("wrong-name", dict(cert="wrongname")),
        S("dh-1024", dict(hi="1.2", dh=1024, cert="rsa", ciphers="kDHE:@SECLEVEL=0"), failed={"sendmail": "tls"}),
        # No TLS.
        S("not-offered", dict(offer=False), n=3),
        S("no-ehlo", dict(ehlo="502")),
        S("mangled", dict(ehlo="mangled")),
        # STARTTLS is answered badly. Postfix goes on in clear and logs nothing of it.
        S("starttls-454", dict(starttls="454 4.7.0 TLS not available due to temporary reason")),
        S("starttls-502", dict(starttls="502 5.5.1 Command not implemented")),
        S("starttls-421", dict(starttls="421 4.3.2 Service shutting down")),
        S("starttls-drop", dict(starttls="drop"), failed={"postfix": "tls"}),
        S("starttls-hang", dict(starttls="hang"), failed={"postfix": "tls"}, quick=False),
        # The handshake fails.
        S("handshake-drop", dict(handshake="drop"), failed="tls"),
        S("handshake-reset", dict(handshake="reset"), failed="tls"),
        S("handshake-garbage", dict(handshake="garbage"), failed="tls", says={"cause": "wrong-version-number", "fault": "peer"}),
        S("handshake-hang", dict(handshake="hang"), failed="tls", quick=False),
        S("no-shared-cipher", dict(hi="1.2", cert="rsa", ciphers="PSK-AES128-CBC-SHA256"), failed="tls"),
        S("dh-512", dict(hi="1.2", dh=512, cert="rsa", ciphers="kDHE:@SECLEVEL=0"), failed="tls"),
        S("flaky-handshake", dict(handshake="garbage", times=1), n=4),
        # TLS comes up and the session dies: the next line of TLS must not count.
        S("after-drop", dict(after="drop"), failed={"postfix": "tls", "postfix-loglevel0": None}),
        S("after-421", dict(after="421")),
        S("after-hang", dict(after="hang"), quick=False),
        S("flaky-after", dict(after="drop", times=2), n=4),
        # Several hosts, several recipients.
        S("mx1-garbage-mx2-tls", dict(handshake="garbage"), {}, n=3),
        S("mx1-refused-mx2-tls", dict(listen="refused"), {}, n=3),
        S("mx1-drop-mx2-plain", dict(banner="drop"), dict(offer=False), n=3),
        S("mx1-tls-mx2-plain", dict(mail="451 4.3.0 Try the other host"), dict(offer=False), n=3),
        S("many-recipients", rcpts=5),
        S("many-recipients-plain", dict(offer=False), rcpts=5),
        S("busy", n=12),
        S("busy-plain", dict(offer=False), n=12),
        # Refused for reasons that have nothing to do with TLS.
        S("greylisting", dict(grey=True)),
        S("greylisting-plain", dict(grey=True, offer=False)),
        S("unknown-user", dict(rcpt="550 5.1.1 User unknown"), failed="other"),
        S("sender-refused", dict(mail="550 5.7.1 We do not like you"), failed="other"),
        S("content-refused", dict(dot="554 5.7.1 Spam"), failed="other"),
        S("refused", dict(listen="refused"), failed="other"),
        S("unreachable", dict(listen="unreachable"), failed="other"),
        S("full", dict(listen="full"), failed="other"),
        S("banner-421", dict(banner="421 4.3.2 Too busy"), failed="other"),
        S("banner-554", dict(banner="554 5.3.2 No service"), failed="other"),
        S("banner-hang", dict(banner="hang"), failed="other", quick=False),
        S("needs-tls", dict(need_tls=True)),
        S("needs-tls-offers-none", dict(need_tls=True, offer=False), failed="tls"),
        # Replies that pretend to be log lines.
        S("liar-plain", dict(offer=False, dot="250 2.0.0 Ok: Trusted TLS connection established to mx1.liar-plain.example[198.18.1.1]:25: "
                                              "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)")),
        S("liar-tls", dict(dot="250 2.0.0 Ok) status=deferred (TLS is required, but was not offered by host mx1.liar-tls.example[198.18.1.1]")),
        S("liar-refuses", dict(rcpt="550 5.7.1 <x@y>: STARTTLS=client, relay=mx1.tls.example., version=TLSv1.3, verify=OK stat=Sent"), failed="other"),
        # What our own policy demands.
        S("encrypt-good", policy="encrypt", access={"TLS_Srv": "ENCR:112"}),
        S("encrypt-not-offered", dict(offer=False), policy="encrypt", access={"TLS_Srv": "ENCR:112"}, failed="tls"),
        S("encrypt-454", dict(starttls="454 4.7.0 TLS not available"), policy="encrypt", access={"TLS_Srv": "ENCR:112"}, failed="tls"),
        S("encrypt-garbage", dict(handshake="garbage"), policy="encrypt", access={"TLS_Srv": "ENCR:112"}, failed="tls",
          says={"cause": "wrong-version-number"}),
        S("verify-good", policy="verify", access={"TLS_Srv": "VERIFY"}),
        S("verify-self", dict(cert="self"), policy="verify", access={"TLS_Srv": "VERIFY"}, failed="tls",
          says={"postfix": {"cause": "self-signed", "class": "cert-verify-failed"}}),
        S("verify-expired", dict(cert="expired"), policy="verify", access={"TLS_Srv": "VERIFY"}, failed="tls",
          says={"postfix": {"cause": "certificate-expired", "fault": "peer"}}),
        S("verify-wrong-name", dict(cert="wrongname"), **verify_fails),
        S("verify-not-offered", dict(offer=False), policy="verify", access={"TLS_Srv": "VERIFY"}, failed="tls"),
        S("secure-good", policy="secure", only="postfix"),
        S("secure-wrong-name", dict(cert="wrongname"), policy="secure", only="postfix", failed="tls"),
        S("policy-none", policy="none", access={"Try_TLS": "NO"}, says={"sendmail": {"fault": "us"}}),
        # DANE; all zones are signed.
        S("dane-good", dict(cert="self", tlsa="good"), policy="dane", only="postfix"),
        S("dane-other", dict(cert="self", tlsa="other"), policy="dane", only="postfix", failed="tls", says={"cause": "no-matching-tlsa"}),
        S("dane-unusable", dict(cert="self", tlsa="unusable"), policy="dane", only="postfix"),
        S("dane-stale", dict(cert="self", tlsa="stale"), policy="dane", only="postfix", failed="tls", says={"class": "dane-tlsa-lookup-error"}),
        S("dane-not-offered", dict(offer=False, tlsa="good"), policy="dane", only="postfix", failed="tls"),
        S("dane-mx1-other-mx2-good", dict(cert="self", tlsa="other"), dict(cert="self", tlsa="good"), policy="dane", only="postfix"),
        S("dane-none", policy="dane", only="postfix"),
        S("dane-only-none", policy="dane-only", only="postfix", failed="tls"),
        # Verified and in clear: the first two sessions with the host that publishes DANE end with mail for the other one.
        S("dane-mx1-good-mx2-plain", dict(tlsa="good", mail="451 4.3.0 Try the other host", times=2), dict(offer=False), n=4, policy="dane", only="postfix"),
    ]


# Who connects to us. `port`: 25 unless said; `do`: what the client does. The client writes down what was taken.
# `innocent`: what goes wrong is our fault (no certificate it can trust, no cipher it can use).
CLIENTS = [
    dict(name="in-plain", do="mail", n=3),
    dict(name="in-tls", do="mail", tls=True, n=3),
    dict(name="in-tls12", do="mail", tls=True, hi="1.2", n=2),
    dict(name="in-many", do="mail", tls=True, n=2, per_session=3),
    dict(name="in-unknown-ca", do="mail", tls=True, trust=False, innocent=True),
    dict(name="in-no-cipher", do="mail", tls=True, hi="1.2", ciphers="ECDHE-ECDSA-AES128-GCM-SHA256", innocent=True),
    dict(name="in-drop", do="drop-in-handshake"),
    dict(name="in-garbage", do="garbage-in-handshake"),
    dict(name="in-refused-then-plain", do="mail", tls=True, trust=False, then_plain=True, innocent=True),
    dict(name="in-probe", do="ehlo"),
    dict(name="in-probe-tls", do="ehlo", tls=True),
    dict(name="in-connect", do="connect"),
    dict(name="in-relay", do="relay"),
    dict(name="in-unknown-user", do="unknown"),
    dict(name="in-nameless", do="mail", n=2, noname=True),
    dict(name="in-submission", do="mail", tls=True, port=587, login=True),
    dict(name="in-auth-25", do="mail", tls=True, login=True),
    dict(name="in-smtps", do="mail", wrapped=True, port=465, login=True, only="postfix"),
]

# One run of one MTA. `main` goes into main.cf, `mc` into sendmail.mc. What the log of a profile cannot show:
#   silent    good TLS leaves no line, so "unknown" is right where it is
#   unnamed   a failed handshake is logged by another process and with an address alone: not each is counted for its host, nor its cause known, but
#             there are no more than there were, and no wrong cause
#   fallback  mail goes in clear in the same attempt: no attempt has failed, but its class must say why it is in clear
PROFILES = {
    "postfix": dict(mta="postfix", log="rfc3339", quick=True),
    "sendmail": dict(mta="sendmail", log="rfc3164", quick=True, level=9),
    "postfix-reuse": dict(mta="postfix", log="rfc3164", main={"smtp_tls_connection_reuse": "yes"}, master="tlsproxy", unnamed=True),
    "postfix-postlogd": dict(mta="postfix", log="postlogd"),
    "postfix-loglevel0": dict(mta="postfix", log="rfc3339", main={"smtp_tls_loglevel": "0", "smtpd_tls_loglevel": "0"}, silent=True),
    "sendmail-14": dict(mta="sendmail", log="rfc3339", level=14),
    "sendmail-fallback": dict(mta="sendmail", log="rfc3339", level=9, fallback=True,
                              mc=["define(`confTLS_FALLBACK_TO_CLEAR', `True')dnl"]),
}


def chosen(profile, names=(), full=False):
    """The scenarios of a run with their index, which is their address."""
    mta = PROFILES[profile]["mta"]
    rows = [(i, s) for i, s in enumerate(table(), 1) if mta in s.mtas]
    if names:
        # The traffic that proves the logging goes along.
        return [(i, s) for i, s in rows if s.name in names or s.name == "tls"]
    return [(i, s) for i, s in rows if full or s.quick]


def address(index, host):
    """Where the host with this number (from 1) of that scenario listens."""
    return "203.0.113.%d" % host if host < 0 else "198.18.%d.%d" % (index, host)


def host_name(scenario, number):
    """The name of an MX host; the numbers begin with 1."""
    return "mx%d.%s" % (number, scenario.domain)


def client_address(number):
    """Where the client with this number (from 1) connects from."""
    return "198.19.0.%d" % number
