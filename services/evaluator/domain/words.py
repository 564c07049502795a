"""Sentences a person reads, in both languages, and numbers inside them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    """The same sentence in English and in Chinese."""

    en: str
    zh: str


def differing(value: float, limit: float) -> tuple[str, str]:
    """Both numbers with as few decimals (2 to 6) as tell them apart: "0.50 is below 0.50" helps nobody."""
    for decimals in range(2, 6):
        texts = f"{value:.{decimals}f}", f"{limit:.{decimals}f}"
        if texts[0] != texts[1]:
            return texts
    return f"{value:.6f}", f"{limit:.6f}"
