"""What the peers and clients of a run wrote down, summed up per recipient, domain, MX host and client. It never reads a log, nor asks tlsnag."""

import collections
import json

from scenarios import CLIENTS, PROFILES, client_address, host_name, table


class Truth:
    """One run: `mail` maps a recipient, domain or host to [in TLS, in clear], `broken` a host or client to its failed handshakes."""

    def __init__(self, profile, out):
        self.name, self.profile, self.out = profile, PROFILES[profile], out
        records = [json.loads(line) for line in open(out + "/truth.jsonl")]
        self.sessions = [r for r in records if r["kind"] == "session"]
        self.visits = [r for r in records if r["kind"] == "inbound"]
        present = {json.loads(line)["domain"] for line in open(out + "/injected.jsonl")}
        self.scenarios = [s for s in table() if s.domain in present]
        self.mail, self.broken = collections.defaultdict(lambda: [0, 0]), collections.Counter()
        self.recipients = set()
        for s in self.sessions:
            self.broken[s["mx"]] += s["fail"] == "handshake"
            for address, tls in s["accepted"]:
                self.recipients.add(address)
                for key in (address, s["domain"], s["mx"]):
                    self.mail[key][0 if tls else 1] += 1

    def hosts(self):
        """All MX hosts, whether they were asked or not."""
        return [host_name(s, number) for s in self.scenarios for number in range(1, len(s.hosts) + 1)]

    def of(self, scenario):
        """The sessions of one scenario."""
        return [t for t in self.sessions if t["domain"] == scenario.domain]

    def failed(self, scenario):
        """What kept its mail back: "tls", "other", "" for nothing, or None where the log cannot tell."""
        failed = scenario.value(scenario.failed, self.name)
        return failed or ("" if not any(t["fail"] for t in self.of(scenario)) else None)

    def clients(self):
        """Each client that came: its row, its address, messages in TLS and in clear, failed handshakes. Only port 25 without a login counts: who
        submits mail is no correspondent."""
        for number, client in enumerate(CLIENTS, 1):
            ip = client_address(number)
            if not any(v["ip"] == ip for v in self.visits):
                continue
            mine = [v for v in self.visits if v["ip"] == ip and v["port"] == 25 and not v["login"]]
            took = [sum(v["messages"] for v in mine if v["tls"] == tls) for tls in (True, False)]
            yield client, ip, *took, sum(v["fail"] == "handshake" for v in mine)
