"""A row of the table: what was measured, what was wanted, and whether it is so. How it was measured, it does not know."""

from typing import NamedTuple, Optional

from measure import Spread, spread


class Wanted(NamedTuple):
    """The least that is wanted, and what would be better still; the median decides."""

    sign: str
    least: float
    stretch: Optional[float] = None

    def met(self, value):
        """`stretch`, `yes` or `no`."""
        if self.stretch is not None and self.reached(value, self.stretch):
            return "stretch"
        return "yes" if self.reached(value, self.least) else "no"

    def reached(self, value, bound):
        return value >= bound if self.sign == ">=" else value > bound if self.sign == ">" else value <= bound

    def __str__(self):
        return f"{self.sign} {self.least:g}" + (f" ({self.stretch:g})" if self.stretch is not None else "")


class Between(NamedTuple):
    """Not less than one figure, not more than another."""

    low: float
    high: float

    def met(self, value):
        return "yes" if self.low <= value <= self.high else "no"

    def __str__(self):
        return f"{self.low:g} to {self.high:g}"


class Figure(NamedTuple):
    """One line of the table; `measured` is None where it could not be, and `why` says why."""

    what: str
    unit: str
    measured: Optional[Spread]
    wanted: object = None
    why: str = ""


def figure(what, unit, values, wanted=None):
    """A figure of these measurements."""
    return Figure(what, unit, spread(values), wanted)


def missing(what, why, wanted=None):
    """A figure that cannot be had here."""
    return Figure(what, "", None, wanted, why)


WIDTHS = "{:8} {:47} {:>8} {:>8} {:>8} {:5} {:>12}  {}"


def heading():
    """Over the table."""
    return WIDTHS.format("row", "figure", "min", "median", "max", "", "wanted", "met")


def line(row, fig):
    """A figure as a line of the table."""
    wanted = "-" if fig.wanted is None else str(fig.wanted)
    if fig.measured is None:
        return f"{row:8} {fig.what:47} {fig.why:>32} {wanted:>12}  -"
    met = "-" if fig.wanted is None else fig.wanted.met(fig.measured.median)
    return WIDTHS.format(row, fig.what, *map(short, fig.measured), fig.unit, wanted, met).rstrip()


def short(value):
    """Three digits that matter, and no more."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
