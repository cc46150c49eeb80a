"""A shrunk SVG file draws what the file drew: the same elements, at the same places, in the same style."""

import base64
import io
import re
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from PIL import Image

from audiosr_lib import plotting, svg

matplotlib.use("Agg")
HUNDREDTH = 0.5 / svg.PER_POINT + 1e-9  # rounding to the nearest hundredth moves a coordinate by half of one


@pytest.fixture(scope="module")
def document() -> bytes:
    """A file of matplotlib's with all that the figures of the study have: lines, markers, hatches, formulas, pictures."""
    import matplotlib.pyplot as plt

    rng = np.random.default_rng(0)
    fig, axes = plt.subplots(2, 2)
    axes[0, 0].plot(rng.normal(size=2000).cumsum(), "--", label="a & <b>")
    axes[0, 0].legend()
    axes[0, 1].scatter(*rng.normal(size=(2, 20)), alpha=0.5, label="points")
    axes[0, 1].plot([0, 1, 2], [0, 1, 0], "s-", markersize=7)
    axes[1, 0].bar([0, 1], [2, 3], hatch="//", edgecolor="white")
    axes[1, 0].set_title(r"$\frac{x^2}{\alpha}$ -- text")
    axes[1, 1].imshow(rng.integers(64, size=(40, 50)), cmap="magma", interpolation="nearest")
    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "1", "svg.fonttype": "path"}):
        fig.savefig(buffer, format="svg", metadata={"Date": None})
    plt.close(fig)
    return buffer.getvalue()


def points(d: str) -> list[tuple[str, float, float]]:
    """Absolute end and control points of path data with M, L, Q, C and Z in either case: a reader on its own."""
    read, here, start, command = [], np.zeros(2), np.zeros(2), ""
    tokens = re.findall(r"[A-Za-z]|[-+]?(?:\d+\.?\d*|\.\d+)", d)
    while tokens:
        if tokens[0].isalpha():
            command = tokens.pop(0)
        if command in "zZ":
            here = start
            read.append(("Z", *here))
            continue
        n = {"M": 1, "L": 1, "Q": 2, "C": 3}[command.upper()]
        pairs = np.array([float(tokens.pop(0)) for _ in range(2 * n)]).reshape(n, 2) + (here if command.islower() else 0)
        read += [(command.upper(), *p) for p in pairs]
        here = pairs[-1]
        start = here if command == "M" else start
    return read


NUMBER = r"-?\d+(?:\.\d+)?"


def drawn(element: ElementTree.Element, style=(), around=(), numbers=()):
    """Everything that is drawn or defined, in order: tag, own and inherited style, clips and transforms around it without their
    numbers, these and the place, outline."""
    own = dict(p.split(":", 1) for p in element.get("style", "").replace(" ", "").split(";") if p)
    style = {**dict(style), **own}
    place = np.array([float(element.get(k, 0)) for k in "xy"])
    around, numbers = list(around), list(numbers)
    if element.get("clip-path"):
        around.append(element.get("clip-path"))
    if element.get("transform"):
        shift = re.fullmatch(r"translate\((\S+?)(?: (\S+))?\)", element.get("transform"))
        if shift and element.tag == svg.USE:
            place += [float(v or 0) for v in shift.groups()]
        else:
            plain = re.sub(r"translate\((\S+)\)", r"translate(\1 0)", element.get("transform"))
            around.append(re.sub(NUMBER, "", plain))
            numbers += [float(n) for n in re.findall(NUMBER, plain)]
    if element.tag not in (svg.GROUP, svg.DEFS, f"{{{svg.SVG}}}svg"):
        yield element.tag, style, around, [*numbers, *place], points(element.get("d", "")), element.get(svg.HREF, "")
    for child in element:
        if child.tag != svg.METADATA:
            yield from drawn(child, style if child.tag != svg.DEFS else {}, around, numbers)


def test_draws_the_same(document):
    before, after = (list(drawn(ElementTree.fromstring(d))) for d in (document, svg.shrink(document)))
    assert len(before) == len(after) > 100
    for a, b in zip(before, after, strict=True):
        assert (a[0], a[1], a[2]) == (b[0], b[1], b[2])
        np.testing.assert_allclose(b[3], a[3], atol=HUNDREDTH)
        assert [p[0] for p in a[4]] == [p[0] for p in b[4]]
        np.testing.assert_allclose([p[1:] for p in b[4]], [p[1:] for p in a[4]], atol=HUNDREDTH)
        assert a[5].startswith("data:") or a[5] == b[5]


def test_every_name_that_is_referred_to_is_there_and_no_other(document):
    root = ElementTree.fromstring(svg.shrink(document))
    names = [e.get("id") for e in root.iter() if e.get("id")]
    text = svg.shrink(document).decode()
    assert len(names) == len(set(names))
    assert set(names) == set(re.findall(r"url\(#([^)]+)\)", text)) | set(re.findall(r'href="#([^"]+)"', text))


def test_pictures_keep_every_pixel(document):
    blobs = [[base64.b64decode(b) for b in re.findall(r"base64,([^\"]+)", d.decode())] for d in (document, svg.shrink(document))]
    assert len(blobs[0]) == len(blobs[1]) == 1
    for a, b in zip(*blobs, strict=True):
        np.testing.assert_array_equal(*(np.asarray(Image.open(io.BytesIO(p)).convert("RGBA")) for p in (a, b)))
        assert len(b) < 0.7 * len(a)


@pytest.mark.parametrize("mode", ["RGBA", "RGB"])
def test_picture_of_many_colours_and_transparent_ones(mode):
    rng = np.random.default_rng(0)
    few = np.array([[255, 0, 0, 255], [0, 0, 0, 0], [255, 0, 0, 128]], dtype=np.uint8)[rng.integers(3, size=(20, 30))]
    for pixels in (few, rng.integers(256, size=(40, 40, 4), dtype=np.uint8)):
        png = io.BytesIO()
        Image.fromarray(pixels).convert(mode).save(png, "PNG")
        small = svg.small_picture(png.getvalue())
        assert len(small) <= len(png.getvalue())
        np.testing.assert_array_equal(*(np.asarray(Image.open(io.BytesIO(p)).convert("RGBA")) for p in (png.getvalue(), small)))


def test_shrinks_and_is_stable(document):
    small = svg.shrink(document)
    assert len(small) < 0.65 * len(document)
    assert svg.shrink(document) == small
    assert len(svg.shrink(small)) <= len(small)  # its relative paths are left alone
    assert b"Matplotlib" not in small and b"<!--" not in small


def members_of_a_group(*styles: str) -> list[ElementTree.Element]:
    """The group, if there is one, and the members that remain of paths in these styles."""
    paths = "".join(f'<path d="M 0 0 L 1 1" style="{s}"/>' for s in styles)
    return list(ElementTree.fromstring(svg.shrink(f'<svg xmlns="{svg.SVG}"><g>{paths}</g></svg>'.encode())).iter())[1:]


def test_a_style_is_shared_only_where_it_is_inherited():
    same = "fill: red; stroke: none"
    assert [e.get("style") for e in members_of_a_group(same, same)] == ["fill:red;stroke:none", None, None]
    # opacity acts on a group as a whole; matplotlib's style sheet sets joins and caps on every element
    for style in ("fill:red;opacity:0.5", "stroke-linejoin:miter", "stroke-linecap:round"):
        assert [e.get("style") for e in members_of_a_group(style, style)] == [style, style]
    assert [e.get("style") for e in members_of_a_group("fill:red", "fill:blue")] == ["fill:red", "fill:blue"]


def test_path_in_closed_form():
    assert svg.shorter_path("M 10 20 \nL 10.004 20.5 \nL 9 20 \nz\n") == "M10 20l0 0.5-1-0.5z"
    assert svg.shorter_path("M 1 1 C 1 2 2 3 3 3 Q 4 4 5 5") == "M1 1c0 1 1 2 2 2q1 1 2 2"
    assert svg.shorter_path("M 1 1 L 2 2 z L 2 1") == "M1 1l1 1zl1 0"  # after z one stands at the start
    assert svg.shorter_path("M 1e-3 -1e+2 L 0 0") == "M0-100l0 100"
    for other in ("M 1 1 l 2 2", "M 1 1 A 1 1 0 0 0 2 2", "M 1 1 H 3", "M 1 1 2 2"):
        assert svg.shorter_path(other) == other


def test_rounding_does_not_add_up():
    walk = np.random.default_rng(0).normal(size=(5000, 2)).cumsum(axis=0)
    d = "M" + "L".join(f" {x:.6f} {y:.6f} " for x, y in walk)
    again = np.array([p[1:] for p in points(svg.shorter_path(d))])
    np.testing.assert_allclose(again, walk, atol=HUNDREDTH + 1e-6)
    assert len(re.findall("L", svg.shorter_path(d))) == 312  # every 16th is absolute


def test_no_xml():
    with pytest.raises(ElementTree.ParseError):
        svg.shrink(b"<svg><g></svg>")


def test_small_svg_names_depend_on_the_salt_alone():
    import matplotlib.pyplot as plt

    fig, ax = plt.subplots()
    ax.plot([0, 1], [1, 0])
    assert plotting.small_svg(fig, 120, "1") == plotting.small_svg(fig, 120, "1") != plotting.small_svg(fig, 120, "2")
    plt.close(fig)
