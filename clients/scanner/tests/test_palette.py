"""The colours of verdicts under simulated colour vision deficiencies, and their contrast."""

import itertools

import pytest
from rich.color import Color, ColorSystem
from scanner.palette import DRILL, VERDICTS

pytestmark = pytest.mark.feature("C2")

# Machado, Oliveira and Fernandes 2009, "A Physiologically-based Model for Simulation of Color Vision Deficiency", table of
# severity 1.0; for linear RGB. Grey: luminance of ITU-R BT.709, for those who see no colours, and for black and white print.
VISIONS = {
    "full": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
    "grey": ((0.2126, 0.7152, 0.0722),) * 3,
}
LEAST_DISTANCE = 25.0
"""CIE76 between any two grounds; 2.3 is what can just be noticed side by side."""
LEAST_CONTRAST = 4.5
"""WCAG 2, level AA."""


def linear(colour):
    """Linear RGB of 8-bit sRGB (IEC 61966-2-1)."""
    return [c / 255 / 12.92 if c / 255 <= 0.04045 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour]


def seen(colour, vision):
    return [min(max(sum(m * c for m, c in zip(row, linear(colour), strict=True)), 0), 1) for row in VISIONS[vision]]


def lab(rgb):
    """CIE L*a*b* of linear RGB, white point D65."""
    x, y, z = (
        sum(m * c for m, c in zip(row, rgb, strict=True))
        for row in ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
    )
    fx, fy, fz = (
        t ** (1 / 3) if t > (6 / 29) ** 3 else t / (3 * (6 / 29) ** 2) + 4 / 29 for t in (x / 0.9505, y, z / 1.089)
    )
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


def distance(one, other, vision):
    a, b = lab(seen(one, vision)), lab(seen(other, vision))
    return sum((p - q) ** 2 for p, q in zip(a, b, strict=True)) ** 0.5


def contrast(one, other, vision="full"):
    lights = sorted(0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05 for r, g, b in (seen(one, vision), seen(other, vision)))
    return lights[1] / lights[0]


def on(number, system):
    """What a terminal of that many colours shows for a number of ours."""
    return tuple(Color.parse(f"color({number})").downgrade(system).get_truecolor())


@pytest.mark.parametrize("system", [ColorSystem.EIGHT_BIT, ColorSystem.STANDARD], ids=["256", "16"])
@pytest.mark.parametrize("vision", VISIONS)
def test_the_grounds_of_any_two_verdicts_are_far_apart(vision, system):
    grounds = {verdict: on(pair.ground, system) for verdict, pair in VERDICTS.items()}
    found = {(a, b): distance(grounds[a], grounds[b], vision) for a, b in itertools.combinations(grounds, 2)}
    assert min(found.values()) >= LEAST_DISTANCE, found


@pytest.mark.parametrize("system", [ColorSystem.EIGHT_BIT, ColorSystem.STANDARD], ids=["256", "16"])
@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize("pair", [*VERDICTS.values(), DRILL], ids=str)
def test_text_stands_out_from_its_ground(pair, vision, system):
    assert contrast(on(pair.text, system), on(pair.ground, system), vision) >= LEAST_CONTRAST


def test_red_on_green_would_not_pass():
    """The measure itself: the usual traffic light is what it has to refuse."""
    green, red = (0, 135, 0), (175, 55, 0)
    assert distance(green, red, "full") > 3 * LEAST_DISTANCE
    assert distance(green, red, "deuteranopia") < LEAST_DISTANCE


def test_the_measure_knows_the_published_extremes():
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert lab(seen((255, 255, 255), "full")) == pytest.approx((100, 0, 0), abs=0.1)
    for vision in VISIONS:
        assert seen((255, 255, 255), vision) == pytest.approx([1, 1, 1], abs=0.001), "white stays white"
