"""The measuring half of `bench/run`: python3's resource module is everywhere, GNU time is not.

measure.py TLSNAG RUNS LOG...   each LOG has its truth beside it, in LOG.truth
"""

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time


def run(command, environment):
    """CPU seconds, peak memory in MiB and wall seconds of one command, which must succeed."""
    began = time.monotonic()
    child = subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    said = child.stderr.read().decode(errors="replace")
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit status {child.returncode}\n{said}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, time.monotonic() - began


def machine():
    """The processor and how many cores there are."""
    model = platform.machine()
    if shutil.which("lscpu"):
        for line in subprocess.run(["lscpu"], capture_output=True, text=True).stdout.splitlines():
            if line.startswith("Model name:"):
                model = line.split(":", 1)[1].strip()
    return f"{model}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"


def measure(tlsnag, runs, log):
    """One line of the table, and the last store's report."""
    megabytes = os.path.getsize(log) / 1e6
    seconds, memory = [], []
    for _ in range(runs):
        with tempfile.TemporaryDirectory(dir=os.path.dirname(log)) as directory:
            store = ["--store", os.path.join(directory, "store.db")]
            cpu, peak, _ = run([tlsnag, *store, "import", log], os.environ)
            seconds.append(cpu)
            memory.append(peak)
            if len(seconds) == runs:
                again = run([tlsnag, *store, "import", log], os.environ)
                report = [tlsnag, *store, "report", "summary", "--all", "--format", "json"]
                summary = subprocess.run(report, capture_output=True, text=True)
    low, middle, high = min(seconds), statistics.median(seconds), max(seconds)
    print(
        f"{os.path.basename(log).split('-')[0]:9} {megabytes:8.0f}  {low:6.2f} {middle:6.2f} {high:6.2f}"
        f"  {megabytes / middle:8.0f}  {max(memory):8.0f}  {again[2] * 1000:8.0f}",
        flush=True,
    )
    return summary


def mail_of(answer):
    """The totals of a summary: mail in each direction by channel."""
    rows = json.loads(answer)["rows"]
    return {f"{r['direction']} {r['name']}": r["count"] for r in rows if r["item"] == "mail"}


def main():
    tlsnag, runs, logs = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    print(f"machine: {machine()}\nimport into a fresh store, {runs} runs each\n")
    print(f"{'':9} {'MB':>8}  {'CPU s: min median max':>20}  {'MB/s/core':>8} {'peak MiB':>8} {'again ms':>9}")
    summaries = [(log, measure(tlsnag, runs, log)) for log in logs]
    for log, summary in summaries:
        print(f"\n{os.path.basename(log)}\n  truth:  ", end="")
        with open(log + ".truth", encoding="utf-8") as file:
            print(json.dumps(json.load(file)))
        answer = summary.stdout if summary.returncode == 0 else summary.stderr
        try:
            answer = json.dumps(json.loads(answer))
        except ValueError:
            pass
        print(f"  report: {mail_of(answer)}")


if __name__ == "__main__":
    main()
