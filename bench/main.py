"""What `bench/run` runs: reads the arguments, builds, and prints the table, row by row as they are measured."""

import argparse
import os
import re
import sys
import time

import figures
import measure
import rivals
from inputs import Inputs
from rows import ROWS, Plan

UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}


def amount(text):
    """`500K`, `100M`, `1G`: powers of ten, as the generator reads them."""
    found = re.fullmatch(r"([1-9]\d*)([KMG]?)", text)
    if not found:
        raise argparse.ArgumentTypeError(f"expected a number such as 500K, 100M or 1G, found '{text}'")
    return int(found.group(1)) * UNITS[found.group(2)]


def size(text):
    """Octets of a log; under a megabyte nothing can be told from the noise."""
    if amount(text) < 10**6:
        raise argparse.ArgumentTypeError(f"expected 1M or more, found '{text}'")
    return amount(text)


def times(text):
    """How often something is run."""
    if not re.fullmatch(r"[1-9]\d{0,2}", text):
        raise argparse.ArgumentTypeError(f"expected a number from 1 to 999, found '{text}'")
    return int(text)


def arguments():
    """What was asked for; wrong arguments end here, with status 2 and what was expected."""
    names = "".join(f"  {name:9} {function.__doc__.splitlines()[0]}\n" for name, function in ROWS.items())
    parser = argparse.ArgumentParser(
        prog="bench/run",
        description="Measures tlsnag and prints one table; see bench/README.md.",
        epilog=f"rows:\n{names}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--size", type=size, default="100M", metavar="SIZE", help="octets of each log [default: 100M; what is wanted is said of 1G]")
    parser.add_argument("--runs", type=times, default="5", metavar="N", help="how often each is measured [default: 5]")
    parser.add_argument(
        "--deliveries", type=amount, default="10M", metavar="N", help="deliveries and sessions in the store that `reports` asks [default: 10M]"
    )
    parser.add_argument("--only", action="append", choices=ROWS, metavar="ROW", help="this row and no other; may be given again")
    return parser.parse_args()


def main():
    """Builds, then measures and prints."""
    asked = arguments()
    began = time.monotonic()
    inputs = Inputs()
    print("building ...", file=sys.stderr, flush=True)
    inputs.build()
    print(f"machine:  {measure.machine()}")
    print(f"programs: {'; '.join([*(measure.first_line(c) or c[0] for c in ([inputs.tlsnag, '--version'], ['rustc', '--version'])), *rivals.versions()])}")
    print(f"runs:     {asked.runs} of each; what is wanted is held against the median; in brackets what would be better still\n")
    print(figures.heading())
    plan = Plan(inputs, asked.size, asked.runs, asked.deliveries)
    unmet = []
    for row, function in ROWS.items():
        if asked.only and row not in asked.only:
            continue
        for fig in function(plan):
            print(figures.line(row, fig), flush=True)
            if fig.wanted is not None and fig.measured and fig.wanted.met(fig.measured.median) == "no":
                unmet.append(f"{row}: {fig.what}")
    print(f"\nnot met: {len(unmet)}" + "".join(f"\n  {name}" for name in unmet))
    print(f"took {time.monotonic() - began:.0f} s, load at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    try:
        main()
    except measure.Failed as failed:
        sys.exit(f"bench/run: {failed}")
    except KeyboardInterrupt:
        sys.exit(130)
