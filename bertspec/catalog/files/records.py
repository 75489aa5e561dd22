"""Where records end in the bytes of a text file."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

LINE_FEED, QUOTE, RETURN = 10, 34, 13


def line_ends(data: "np.ndarray") -> "np.ndarray":
    """Behind each line feed."""
    import numpy as np

    return np.flatnonzero(data == LINE_FEED) + 1


def header_ends(data: "np.ndarray", *, quoting: bool) -> "np.ndarray":
    """Behind each line feed, return, and pair of both, outside quotes where there is quoting."""
    import numpy as np

    is_feed = data == LINE_FEED
    is_return = (data == RETURN) & ~np.append(is_feed[1:], [False])
    ends = np.flatnonzero(is_feed | is_return) + 1
    if not quoting:
        return ends
    quotes = np.flatnonzero(data == QUOTE)
    return ends[np.searchsorted(quotes, ends) % 2 == 0]


def blank_line_ends(data: "np.ndarray") -> "np.ndarray":
    """Behind each line of nothing but spaces, tabs and returns: what ends a paragraph."""
    import numpy as np

    blank = (data == LINE_FEED) | (data == RETURN) | (data == ord(" ")) | (data == ord("\t"))
    ends = line_ends(data)
    if not len(ends):
        return ends
    starts = np.concatenate([[0], ends[:-1]])
    return ends[np.logical_and.reduceat(blank[: ends[-1]], starts)]


def quoted_line_ends(data: "np.ndarray") -> "np.ndarray":
    """Behind each line feed outside quotes, where every quote is as RFC 4180 has it."""
    import numpy as np

    ends = line_ends(data)
    quotes = np.flatnonzero(data == QUOTE)
    return ends[np.searchsorted(quotes, ends) % 2 == 0]


def stray_quote(data: "np.ndarray", delimiter: int) -> int | None:
    """Where the first quote is that neither encloses a field nor is written twice in one.

    `data` is whole records. Without one, quotes before a place are even in number exactly when it
    is outside quotes.
    """
    import numpy as np

    quotes = np.flatnonzero(data == QUOTE)
    if not len(quotes):
        return None
    around = np.concatenate([[LINE_FEED], data, [LINE_FEED]])
    borders = np.isin(around, (LINE_FEED, RETURN, delimiter))
    opening, closing = quotes[::2], quotes[1::2]
    doubled = np.isin(opening, closing + 1)
    bad = opening[~(borders[opening] | doubled)]
    bad_closing = closing[~(borders[closing + 2] | np.isin(closing + 1, opening))]
    if len(opening) > len(closing):  # the last one is never closed
        bad_closing = np.append(bad_closing, opening[-1])
    found = np.concatenate([bad, bad_closing])
    return int(found.min()) if len(found) else None
