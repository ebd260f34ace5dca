"""DNS of the lab: a signed root and `example`, reverse zones, served by nsd and asked through a validating unbound on 127.0.0.1.

A host with `tlsa: stale` has its TLSA record in a zone of its own, whose signatures have expired.
"""

import os
import subprocess
import time

import pki
from scenarios import CLIENTS, address, client_address, host_name

HEAD = "$ORIGIN %s\n$TTL 300\n@ SOA ns.example. admin.example. 1 3600 600 86400 60\n@ NS ns.example.\n"
SERVER = ("127.0.0.1", 5353)


def sh(*args, cwd=None, data=None):
    """Runs a program; its words if it fails."""
    run = subprocess.run(args, cwd=cwd, input=data, capture_output=True, text=True)
    if run.returncode:
        raise RuntimeError("%s: %s" % (" ".join(args), run.stderr or run.stdout))
    return run.stdout


def zones(rows, certificates):
    """Zone name -> text, unsigned."""
    example = HEAD % "example." + "ns A 127.0.0.1\n@ A 192.0.2.25\nours MX 10 relay.ours\nours A 192.0.2.25\nrelay.ours A 192.0.2.25\n"
    example += "sink MX 10 sink\nsink A 198.18.255.1\n"
    made = {"19.198.in-addr.arpa.": HEAD % "19.198.in-addr.arpa.", "18.198.in-addr.arpa.": HEAD % "18.198.in-addr.arpa."}
    made["2.0.192.in-addr.arpa."] = HEAD % "2.0.192.in-addr.arpa." + "25 PTR relay.ours.example.\n"
    for index, s in rows:
        for number, host in enumerate(s.hosts, 1):
            name = host_name(s, number)
            ip = "203.0.113.%d" % index if host.get("listen") == "unreachable" else address(index, number)
            example += "%s. MX %d0 %s.\n%s. A %s\n" % (s.domain, number, name, name, ip)
            made["18.198.in-addr.arpa."] += "%d.%d PTR %s.\n" % (number, index, name)
            record = {None: None, "unusable": "0 0 1 " + "00" * 32, "other": "3 1 1 " + "00" * 32}.get(
                host.get("tlsa"), pki.tlsa(certificates, host.get("cert") or "ec"))
            zone = "_tcp.%s." % name
            if host.get("tlsa") == "stale":
                made[zone] = HEAD % zone + "_25 TLSA %s\n" % record
                example += "%s NS ns.example.\n" % zone
            elif record:
                example += "_25.%s TLSA %s\n" % (zone, record)
    for number, client in enumerate(CLIENTS, 1):
        name = "out.%s.example." % client["name"]
        example += "%s A %s\n%s.example. MX 10 %s\n" % (name, client_address(number), client["name"], name)
        if not client.get("noname"):
            made["19.198.in-addr.arpa."] += "%d.0 PTR %s\n" % (number, name)
    made["example."] = example
    root = HEAD % "."
    made["."] = root + "example. NS ns.example.\nns.example. A 127.0.0.1\n" + "".join(
        "%s NS ns.example.\n" % z for z in made if z.endswith("arpa."))
    return made


def sign(folder, name, stale, parents):
    """Signs one zone, parents[...] get its DS record. The file that is served."""
    stem = os.path.join(folder, name.strip(".") or "root")
    key = sh("ldns-keygen", "-a", "ECDSAP256SHA256", "-k", name, cwd=folder).strip()
    day = lambda n: time.strftime("%Y%m%d", time.gmtime(time.time() + n * 86400))
    begin, end = (day(-20), day(-10)) if stale else (day(-2), day(20))
    sh("ldns-signzone", "-i", begin, "-e", end, "-o", name, "-f", stem + ".signed", stem + ".zone", key, cwd=folder)
    return stem + ".signed", open(os.path.join(folder, key + ".ds")).read(), open(os.path.join(folder, key + ".key")).read()


def start(folder, rows, certificates):
    """Writes, signs and serves the zones, and waits until a name resolves."""
    os.makedirs(folder, exist_ok=True)
    made, files, anchor, ds = zones(rows, certificates), {}, "", {"example.": "", ".": ""}
    # Children first: a parent holds the digest of their keys.
    for name in sorted(made, key=lambda z: -len(z.split(".")) if z != "." else 1):
        signed = not name.endswith("arpa.")
        stem = os.path.join(folder, name.strip(".") or "root")
        with open(stem + ".zone", "w") as f:
            f.write(made[name] + ds.get(name, ""))
        files[name] = stem + ".zone"
        if signed:
            files[name], digest, key = sign(folder, name, name.startswith("_tcp."), ds)
            if name == ".":
                anchor = key
            else:
                ds["." if name == "example." else "example."] += digest
    serve(folder, files, anchor)


def serve(folder, files, anchor):
    """nsd and unbound."""
    with open(folder + "/nsd.conf", "w") as f:
        f.write('server:\n ip-address: %s@%d\n username: ""\n zonesdir: "%s"\n database: ""\n pidfile: "%s/nsd.pid"\n xfrdfile: ""\n'
                ' zonelistfile: "%s/zone.list"\n xfrdir: "%s"\nremote-control:\n control-enable: no\n' % (*SERVER, *[folder] * 4))
        for name, file in files.items():
            f.write('zone:\n name: "%s"\n zonefile: "%s"\n' % (name, file))
    with open(folder + "/anchor", "w") as f:
        f.write(anchor)
    with open(folder + "/unbound.conf", "w") as f:
        f.write('server:\n interface: 127.0.0.1\n do-not-query-localhost: no\n username: ""\n chroot: ""\n directory: "%s"\n'
                ' pidfile: "%s/unbound.pid"\n trust-anchor-file: "%s/anchor"\n module-config: "validator iterator"\n do-ip6: no\n'
                ' root-hints: ""\n use-syslog: no\n logfile: "%s/unbound.log"\n aggressive-nsec: no\n' % (*[folder] * 4,))
        for zone in ("2.0.192", "18.198", "19.198"):
            f.write(' local-zone: "%s.in-addr.arpa." nodefault\n' % zone)
        f.write('remote-control:\n control-enable: no\n')
        for name in [z for z in files if not z.startswith("_tcp.")]:
            f.write('stub-zone:\n name: "%s"\n stub-addr: %s@%d\n' % (name, *SERVER))
    sh("nsd", "-c", folder + "/nsd.conf")
    sh("unbound", "-c", folder + "/unbound.conf")
    for _ in range(50):
        found = subprocess.run(["drill", "-D", "@127.0.0.1", "ours.example", "MX"], capture_output=True, text=True).stdout
        if "NOERROR" in found and " ad" in found.split("ANSWER", 1)[0]:
            return
        time.sleep(0.2)
    raise RuntimeError("expected ours.example with a proof by DNSSEC, found: " + found)
