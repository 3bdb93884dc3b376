"""What a person sees: a line for each measurement, then the tables; colours only on a terminal."""
import math
import os
import sys

from figures import FIGURES, median, ratio, values
from rows import ROWS, SETTINGS

HEADLINE = {"gbps": "Gb/s", "kpps": "kpps", "p50_us": "us p50", "peak_mib": "MiB at most"}
RED, GREEN, BOLD, PLAIN = "\033[31m", "\033[32m", "\033[1m", "\033[0m"


def has_colours(file):
    return file.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(text, colour, file=sys.stdout):
    return f"{colour}{text}{PLAIN}" if has_colours(file) else text


class Progress:
    """A line for each measurement, on standard error."""

    def __init__(self, total):
        self._total = total
        self._done = 0

    def note(self, number, setting, peer, row, figures):
        self._done += 1
        name = next((name for name in HEADLINE if name in figures), None)
        value = f"{figures[name]:10.2f} {HEADLINE[name]}" if name else ""
        say(f"[{self._done:3}/{self._total}] round {number}  {setting:<10} {peer:<16} {ROWS[row].title:<24}{value}")


def say(text):
    print(text, file=sys.stderr, flush=True)


class Tables:
    """One table for each setting: figure, ours, and every other peer with the ratio of ours to it."""

    def __init__(self, rounds, chosen, ours, others, is_full):
        self._rounds = rounds
        self._chosen = chosen
        self._ours = ours
        self._others = others
        self._is_full = is_full

    def text(self):
        return "\n\n".join(self._table(setting, rows) for setting, rows in self._chosen)

    def markdown(self):
        return "\n\n".join(self._markdown(setting, rows) for setting, rows in self._chosen)

    def _table(self, setting, rows):
        lines = [self._header(), *self._lines(setting, rows)]
        widths = [max(len(cell) for cell in column) for column in zip(*lines)]
        shown = [paint(title_of(setting), BOLD)]
        for number, cells in enumerate(lines):
            padded = [cells[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:])]
            shown.append("  ".join(paint(cell, colour) if number and (colour := self._colour(cells[0], cell)) else cell
                                   for cell in padded))
        return "\n".join(shown)

    def _markdown(self, setting, rows):
        lines = [self._header(), ["---"] + ["---:"] * (len(self._header()) - 1), *self._lines(setting, rows)]
        # What belongs to the line above is set in with spaces that Markdown keeps.
        cells = [[cell.replace("  ", "&nbsp;&nbsp;", 1) if cell.startswith("  ") else cell for cell in line]
                 for line in lines]
        return f"{title_of(setting)}:\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in cells)

    def _header(self):
        return ["figure", self._ours] + [cell for other in self._others for cell in (other, "ratio [min..max]")]

    def _lines(self, setting, rows):
        for figure in FIGURES:
            if figure.row not in rows or (figure.is_detail and not self._is_full):
                continue
            ours = values(self._rounds, setting, self._ours, figure)
            cells = [figure.title, number(median(ours), figure.digits)]
            for other in self._others:
                theirs = values(self._rounds, setting, other, figure)
                cells += [number(median(theirs), figure.digits), quotient(ratio(ours, theirs), figure.better)]
            yield cells

    def _colour(self, title, cell):
        """Green where ours is better and red where it is worse in every round."""
        cell = cell.strip()
        if not cell.startswith("x"):
            return None
        better = next(figure.better for figure in FIGURES if figure.title == title)
        least, _, greatest = cell.partition("[")[2].rstrip("]").partition("..")
        if float(least) > 1:
            return GREEN if better == "more" else RED
        if float(greatest) < 1:
            return RED if better == "more" else GREEN
        return None


def title_of(setting):
    chosen = SETTINGS[setting]
    return f"{chosen.title[0].upper()}{chosen.title[1:]} ({setting})"


def number(value, digits):
    return "-" if value is None else f"{value:,.{digits}f}"


def quotient(found, better):
    if not found or not better:
        return "-"
    return f"x{three_digits(found.median)} [{three_digits(found.least)}..{three_digits(found.greatest)}]"


def three_digits(value):
    """As many as count: 0.0123, 1.23, 12.3, 1234."""
    if value <= 0:
        return "0"
    return f"{value:.{max(0, 2 - math.floor(math.log10(value)))}f}"
