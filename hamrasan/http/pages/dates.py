"""Days as people write them: in the Persian calendar for Persian, in ISO 8601 otherwise."""

from __future__ import annotations

from datetime import UTC, date, datetime

from hamrasan.http.pages.language import Language

_DIGITS = str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")
_MONTHS = (
    "فروردین",
    "اردیبهشت",
    "خرداد",
    "تیر",
    "مرداد",
    "شهریور",
    "مهر",
    "آبان",
    "آذر",
    "دی",
    "بهمن",
    "اسفند",
)
_CYCLE_YEARS = 33
_LEAP_YEARS = frozenset({1, 5, 9, 13, 17, 22, 26, 30})
"""Years of the cycle that have 366 days. The rule agrees with the calendar's astronomy from 1925 to 2088."""
_FIRST_DAY = date(1925, 3, 21).toordinal()
_FIRST_YEAR = 1304


def day(milliseconds: int, language: Language) -> str:
    """Return the day of a time since the Unix epoch, in UTC."""
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC).date()
    if language != "fa":
        return moment.isoformat()
    year, month, number = persian_date(moment)
    return f"{number} {_MONTHS[month - 1]} {year}".translate(_DIGITS)


def digits(number: int, language: Language) -> str:
    """Return a number in the digits of a language."""
    return str(number).translate(_DIGITS) if language == "fa" else str(number)


def persian_date(moment: date) -> tuple[int, int, int]:
    """Return year, month and day of a date from 1925 on in the Persian calendar."""
    days, year = moment.toordinal() - _FIRST_DAY, _FIRST_YEAR
    while days >= (length := 366 if year % _CYCLE_YEARS in _LEAP_YEARS else 365):
        days -= length
        year += 1
    if days < 6 * 31:
        return year, days // 31 + 1, days % 31 + 1
    days -= 6 * 31
    return year, days // 30 + 7, days % 30 + 1
