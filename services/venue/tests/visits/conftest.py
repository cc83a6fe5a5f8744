"""What all tests of visits say of an answer."""

from datetime import date

ADMITTED, REFUSED, REFER = 1, 2, 3
TODAY = date(2022, 3, 10)


def reasons(answer):
    return [each.code for each in answer.reasons]
