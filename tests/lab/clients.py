"""Scripted SMTP clients that connect to our server, each from its own address, each writing one JSON line per session.

A session's record: kind "inbound", ip, name, port, login, tls (we saw the handshake completed), fail ("handshake"), messages (taken by the server),
end. Also `inject`, which hands in our own mail. Nothing here reads a log.
"""

import smtplib
import socket
import ssl
import time

import peers
from scenarios import client_address

SERVER = "192.0.2.25"


def inject(sender, rcpts, subject, server="127.0.0.1"):
    """One message of ours for all these recipients."""
    with smtplib.SMTP(server, 25, local_hostname="app.ours.example", timeout=30) as s:
        s.sendmail(sender, rcpts, "From: %s\r\nSubject: %s\r\n\r\nHello.\r\n" % (sender, subject))


def trusting(client, certificates):
    """TLS as the row says; one that does not trust us knows no authority at all."""
    made = peers.context(certificates, client, ssl.PROTOCOL_TLS_CLIENT)
    if client.get("trust") is False:
        made.verify_mode = ssl.CERT_REQUIRED
    return made


def raw(ip, after_220):
    """Says STARTTLS, then does something else than TLS."""
    s = socket.create_connection((SERVER, 25), 20, (ip, 0))
    for line in (b"", b"EHLO raw.example\r\n", b"STARTTLS\r\n"):
        s.sendall(line)
        s.recv(4096)
    if after_220:
        s.sendall(after_220)
        time.sleep(0.5)
    s.close()


def mail(client, s, record):
    """Hands in messages over an open session."""
    if client.get("login"):
        s.login("lab", "secret")
    count = client.get("per_session", 1)
    rcpt = {"relay": "someone@elsewhere.example", "unknown": "nobody-here@ours.example"}.get(client["do"], "info@ours.example")
    for _ in range(count):
        try:
            s.sendmail("%s@%s.example" % ("anna", client["name"]), [rcpt], "Subject: hello\r\n\r\nHello.\r\n")
            record["messages"] += 1
        except smtplib.SMTPRecipientsRefused:
            record["end"] = "recipient refused"


def session(client, ip, certificates, record):
    """One SMTP session of a client."""
    port, own = client.get("port", 25), dict(local_hostname="out.%s.example" % client["name"], source_address=(ip, 0), timeout=20)
    if client["do"] == "connect":
        return socket.create_connection((SERVER, port), 20, (ip, 0)).close()
    if client["do"].endswith("-in-handshake"):
        record.update(fail="handshake")
        return raw(ip, b"GET / HTTP/1.0\r\n\r\n" if client["do"].startswith("garbage") else b"")
    if client.get("wrapped"):
        s = smtplib.SMTP_SSL(SERVER, port, context=trusting(client, certificates), **own)
        record["tls"] = True
    else:
        s = smtplib.SMTP(SERVER, port, **own)
    with s:
        s.ehlo()
        if client.get("tls") and not record.get("retry"):
            try:
                s.starttls(context=trusting(client, certificates))
            except (ssl.SSLError, OSError) as e:
                # smtplib's own errors are an answer to STARTTLS, and no handshake.
                record.update(fail="refused" if isinstance(e, smtplib.SMTPException) else "handshake", error=str(e))
                s.close()
                return
            record["tls"] = True
            s.ehlo()
        if client["do"] != "ehlo":
            mail(client, s, record)


def run(client, number, recorder, certificates):
    """All sessions of one client."""
    ip = client_address(number)
    for round_ in range(client.get("n", 1) + (1 if client.get("then_plain") else 0)):
        record = dict(kind="inbound", ip=ip, name="out.%s.example" % client["name"], port=client.get("port", 25), do=client["do"], login=bool(client.get("login")),
                      tls=False, fail=None, messages=0, end=None)
        if client.get("then_plain") and round_:
            record["retry"] = True
        try:
            session(client, ip, certificates, record)
        except (OSError, smtplib.SMTPException) as e:
            record["end"] = "%s: %s" % (type(e).__name__, e)
        recorder.write(record)
