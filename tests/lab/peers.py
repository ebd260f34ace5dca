"""Scripted SMTP servers: each MX host of a scenario listens on its own address, behaves as its row says, and writes one JSON line per session.

As a library (`Sink`): an SMTP server with or without STARTTLS that stores what it gets. It does not know what tlsnag would say.

A session's record: mx, ip, domain, offered, starttls (the command came), tls (we saw the handshake completed), version, cipher, fail (what
failed: "handshake", or the stage where we broke off), error, accepted [[recipient, tls]], messages, end.
"""

import json
import os
import socket
import ssl
import struct
import threading
import time

import pki
from scenarios import address, host_name

VERSIONS = {"1.0": ssl.TLSVersion.TLSv1, "1.1": ssl.TLSVersion.TLSv1_1, "1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
PATIENCE = 20  # seconds: longer than any timeout of the mail servers, so that a hung peer is hung up on


class Gone(Exception):
    """The session ends here, on purpose."""


class Recorder:
    """One JSON line per session, whoever writes."""

    def __init__(self, path):
        self.file, self.lock = open(path, "a", buffering=1), threading.Lock()

    def write(self, record):
        with self.lock:
            self.file.write(json.dumps(record) + "\n")


def context(certificates, host, side=ssl.PROTOCOL_TLS_SERVER):
    """The TLS of a host as its row says."""
    made = ssl.SSLContext(side)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    low = host.get("lo") in ("1.0", "1.1") or host.get("hi") in ("1.0", "1.1")
    made.set_ciphers(host.get("ciphers") or ("DEFAULT:@SECLEVEL=0" if low else "DEFAULT"))
    made.minimum_version = VERSIONS[host.get("lo", "1.2")]
    made.maximum_version = VERSIONS[host.get("hi", "1.3")]
    if side == ssl.PROTOCOL_TLS_SERVER and host.get("cert", "ec"):
        made.load_cert_chain(pki.path(certificates, host.get("cert", "ec")))
    if host.get("dh"):
        made.load_dh_params(pki.path(certificates, "dh%d" % host["dh"]))
    return made


def reset(sock):
    """Closes with RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


class Session:
    """One connection to a host."""

    def __init__(self, sock, host, record, certificates, greyed, keep=None):
        self.sock, self.host, self.record, self.certificates = sock, host, record, certificates
        self.greyed, self.keep, self.tls, self.left = greyed, keep, False, b""
        self.sender, self.rcpts = "", []

    def line(self):
        while b"\n" not in self.left:
            data = self.sock.recv(65536)
            if not data:
                raise Gone("closed by the client")
            self.left += data
        line, self.left = self.left.split(b"\n", 1)
        return line.rstrip(b"\r").decode("utf-8", "replace")

    def say(self, text):
        self.sock.sendall(text.encode() + b"\r\n")

    def stop(self, how, where):
        """Drops, resets, hangs, sends rubbish."""
        self.record["fail"] = where
        if how == "hang":
            time.sleep(PATIENCE)
        if how == "garbage":
            self.sock.sendall(b"\x00\x01 this is no TLS record \r\n" * 4)
            time.sleep(0.3)
        if how == "reset":
            reset(self.sock)
        raise Gone("%s at %s" % (how, where))

    def run(self):
        banner = self.host.get("banner")
        if banner in ("drop", "hang"):
            self.stop(banner, "banner")
        self.say(banner or "220 %s ESMTP" % self.record["mx"])
        while True:
            line = self.line()
            verb = line.split(" ", 1)[0].upper()
            if verb == "QUIT":
                self.say("221 2.0.0 Bye")
                raise Gone("quit")
            getattr(self, "on_" + verb.lower(), self.on_other)(line)

    def on_other(self, line):
        self.say("250 2.0.0 Ok" if line.upper() in ("RSET", "NOOP") else "502 5.5.2 Command not recognised")

    def on_ehlo(self, _line):
        if self.tls and self.host.get("after"):
            if self.host["after"] == "421":
                self.say("421 4.3.2 Closing")
                self.stop("drop", "after")
            self.stop(self.host["after"], "after")
        if self.host.get("ehlo") == "502":
            return self.say("502 5.5.1 Command not implemented")
        words = [self.record["mx"], "8BITMIME"]
        if self.host.get("ehlo") == "mangled":
            words.append("XXXXXXXA")
        elif self.host.get("offer", True) and not self.tls:
            words.append("STARTTLS")
            self.record["offered"] = True
        words.append("SIZE 1000000")
        for word in words[:-1]:
            self.sock.sendall(b"250-" + word.encode() + b"\r\n")
        self.say("250 " + words[-1])

    def on_helo(self, _line):
        self.say("250 " + self.record["mx"])

    def on_starttls(self, _line):
        self.record["starttls"] = True
        answer = self.host.get("starttls")
        if answer in ("drop", "hang"):
            self.stop(answer, "starttls")
        if answer:
            self.record["fail"] = "refused"
            self.say(answer)
            if answer.startswith("421"):
                raise Gone("421 at STARTTLS")
            return
        if not self.host.get("offer", True):
            return self.say("502 5.5.1 Command not implemented")
        self.say("220 2.0.0 Ready to start TLS")
        if self.host.get("handshake"):
            if self.host["handshake"] != "garbage":
                self.sock.recv(64)  # the ClientHello is on its way
            self.stop(self.host["handshake"], "handshake")
        self.handshake()

    def handshake(self):
        try:
            self.sock = context(self.certificates, self.host).wrap_socket(self.sock, server_side=True)
        except (OSError, ValueError) as e:
            self.record.update(fail="handshake", error=str(e))
            raise Gone("handshake failed")
        self.tls, self.left = True, b""
        self.record.update(tls=True, version=self.sock.version(), cipher=self.sock.cipher()[0])

    def on_mail(self, line):
        if self.host.get("need_tls") and not self.tls:
            return self.say("530 5.7.0 Must issue a STARTTLS command first")
        self.sender, self.rcpts = line.split("<", 1)[-1].split(">", 1)[0], []
        self.say(self.host.get("mail") or "250 2.1.0 Ok")

    def on_rcpt(self, line):
        name = line.split("<", 1)[-1].split(">", 1)[0]
        if self.host.get("grey") and name not in self.greyed:
            self.greyed.add(name)
            return self.say("450 4.2.0 Greylisted, come back later")
        answer = self.host.get("rcpt") or "250 2.1.5 Ok"
        if answer.startswith("2"):
            self.rcpts.append(name)
        self.say(answer)

    def on_data(self, _line):
        if not self.rcpts:
            return self.say("554 5.5.1 No valid recipients")
        self.say("354 End data with <CR><LF>.<CR><LF>")
        lines = []
        while (line := self.line()) != ".":
            lines.append(line)
        answer = self.host.get("dot") or "250 2.0.0 Ok: queued"
        if answer.startswith("2"):
            self.record["messages"] += 1
            self.record["accepted"] += [[name.lower(), self.tls] for name in self.rcpts]
            if self.keep:
                self.keep(lines, self.sender, self.rcpts)
        self.rcpts = []
        self.say(answer)


class Host:
    """A listening MX host."""

    def __init__(self, name, ip, host, recorder, certificates, domain="", keep=None, port=25):
        self.name, self.ip, self.host, self.recorder, self.certificates = name, ip, host, recorder, certificates
        self.domain, self.keep, self.greyed, self.sessions = domain, keep, set(), 0
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind((ip, port))
        self.socket.listen(0 if host.get("listen") == "full" else 64)
        if host.get("listen") == "full":
            # A queue of one, and it is full: the kernel lets further SYNs wait for ever.
            self.fillers = [socket.socket() for _ in range(4)]
            for s in self.fillers:
                s.setblocking(False)
                s.connect_ex((ip, port))
        else:
            threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            sock, _ = self.socket.accept()
            self.sessions += 1
            threading.Thread(target=self.serve, args=(sock, self.sessions), daemon=True).start()

    def serve(self, sock, number):
        host = self.host
        if "times" in host and number > host["times"]:
            host = {}
        record = dict(kind="session", mx=self.name, ip=self.ip, domain=self.domain, t=time.time(), offered=False, starttls=False, tls=False,
                      version=None, cipher=None, fail=None, error=None, accepted=[], messages=0, end=None)
        sock.settimeout(PATIENCE + 5)
        session = Session(sock, host, record, self.certificates, self.greyed, self.keep)
        try:
            session.run()
        except (Gone, OSError) as e:
            record["end"] = str(e)
        finally:
            session.sock.close()
            self.recorder.write(record)


class Sink(Host):
    """A server for tests of outreach: takes everything, keeps each message as a file of `folder`."""

    def __init__(self, folder, recorder, certificates, ip="198.18.255.1", starttls=True, port=25):
        self.folder, self.kept, self.lock = folder, 0, threading.Lock()
        os.makedirs(folder, exist_ok=True)
        super().__init__("sink.example", ip, dict(offer=starttls), recorder, certificates, "sink.example", self.store, port)

    def store(self, lines, sender, rcpts):
        with self.lock:
            self.kept += 1
            path = os.path.join(self.folder, "%04d.eml" % self.kept)
        with open(path + ".part", "w") as f:
            f.write("X-Lab-Sender: <%s>\nX-Lab-Recipients: %s\n" % (sender, " ".join(rcpts)) + "\n".join(lines) + "\n")
        # Who looks at the folder meanwhile sees it whole.
        os.rename(path + ".part", path)


def start(rows, recorder, certificates):
    """All hosts of these scenarios."""
    return [
        Host(host_name(s, number), address(index, number), host, recorder, certificates, s.domain)
        for index, s in rows
        for number, host in enumerate(s.hosts, 1)
        if host.get("listen") not in ("refused", "unreachable")
    ]
