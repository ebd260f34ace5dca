"""What is measured, and on what: builds the program, writes the logs and the large store, once for each version of the generator. What anything costs, it
does not know.
"""

import glob
import json
import os
import shutil
import subprocess
import tempfile
import zlib
from contextlib import contextmanager
from datetime import datetime

import measure

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MTAS = ("postfix", "sendmail")
DAYS = 10
# The present of all runs: after the last day of every log, so that no result depends on the day it is measured.
NOW = "2026-12-01T00:00:00+00:00"
AGE = datetime.fromisoformat(NOW).timestamp()
# The first day of the large store, of which NOW lies a year and some days later.
START = "2025-11-01"
# Octets of Sendmail's log for each delivery or session that brought mail, by the generator's own truth.
OCTETS_EACH = 620


class Inputs:
    """The programs, and where their logs and stores lie."""

    def __init__(self):
        os.environ.update(TZ="UTC", TLSNAG_NOW=NOW, LC_ALL="C")
        os.chdir(TOP)
        target = os.path.join(TOP, os.environ.get("CARGO_TARGET_DIR", "target"))
        self.tlsnag, self.floor, self.generate = (
            os.path.join(target, "release", name) for name in ("tlsnag", "floor", "generate")
        )
        self.cache = os.path.join(target, "bench")

    def build(self):
        """The release program, and the tools of this directory."""
        cargo = shutil.which("cargo") or os.path.expanduser("~/.cargo/bin/cargo")
        measure.run([cargo, "build", "--quiet", "--release", "--manifest-path", os.path.join(TOP, "Cargo.toml"),
                     "--package", "tlsnag", "--package", "tlsnag-bench"])  # fmt: skip
        os.makedirs(self.cache, exist_ok=True)

    def options(self, mta, octets, days, stamp="rfc3164"):
        """How the generator is called: 50 000 domains, and one seed for ever."""
        return [self.generate, "--mta", mta, "--stamp", stamp, "--size", str(octets), "--seed", "2", "--days", str(days), "--peers", "50000"]

    def log(self, mta, octets, days=DAYS):
        """The name of a log, which is written if it is not there; its truth lies beside it, in `.truth`. Each has a directory of its own, because
        tlsnag looks at what lies beside a log for its rotated parts."""
        name = os.path.join(self.cache, f"{mta}-{octets}-{days}-{checksum(self.generate)}", "mail.log")
        return made(name, [*self.options(mta, octets, days), "--truth", name + ".truth"])

    def packed(self, log):
        """The same log as a `.gz`, as logrotate leaves it."""
        directory, name = os.path.split(log)
        return made(os.path.join(directory, "packed", name + ".gz"), ["gzip", "-6", "-c", log])

    def importing(self, log, store):
        """How a log is imported."""
        return [self.tlsnag, "--store", store, "import", log]

    @contextmanager
    def fresh(self):
        """The name of a store that does not exist yet, and will not afterwards."""
        with tempfile.TemporaryDirectory(dir=self.cache) as directory:
            yield os.path.join(directory, "store.db")

    def large(self, deliveries):
        """A store of a year with so many deliveries and sessions; it is kept until the program or the generator changes."""
        name = os.path.join(self.cache, f"year-{deliveries}-{checksum(self.generate)}-{checksum(self.tlsnag)}.db")
        if os.path.exists(name):
            return name
        for stale in glob.glob(os.path.join(self.cache, "year-*")):
            os.remove(stale)
        options = self.options("sendmail", deliveries * OCTETS_EACH, 365, "rfc3339")
        with self.fresh() as store:
            # through a pipe: nobody needs the 6 GB afterwards
            with subprocess.Popen([*options, "--start", START, "--truth", name + ".truth"], stdout=subprocess.PIPE) as log:
                subprocess.run(self.importing("-", store), stdin=log.stdout, stderr=subprocess.DEVNULL, check=True)
            if log.returncode != 0:
                measure.failed(options, log.returncode, "")
            os.rename(store, name)
        return name


def made(name, command):
    """The file of this name; what the command prints, if there is none."""
    if not os.path.exists(name):
        os.makedirs(os.path.dirname(name), exist_ok=True)
        with open(name + ".part", "wb") as part:
            subprocess.run(command, stdout=part, check=True)
        # the stamps have no year; the age of the file tells it
        os.utime(name + ".part", (AGE, AGE))
        os.rename(name + ".part", name)
    return name


def truth(name):
    """What the generator counted, for a log or a store."""
    with open(name + ".truth", encoding="utf-8") as file:
        return json.load(file)


def checksum(name):
    """Tells one version of a program from another."""
    with open(name, "rb") as file:
        return f"{zlib.crc32(file.read()):08x}"
