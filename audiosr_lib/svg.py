"""A smaller SVG file from one that matplotlib wrote, which looks the same.

matplotlib writes six decimals, a line for each point of a path, full-colour pictures, and names that nobody refers to. `shrink` reads the
file as XML, so what it writes is well-formed, and

- rounds coordinates to a hundredth of a point (1/7200 inch) and writes paths as steps, taken between rounded points, so that
  rounding does not add up;
- encodes embedded pictures anew, without loss, with a palette where 256 colours are enough (a spectrogram has 64);
- leaves out metadata, comments, unused names, groups that say nothing, and a style that all members of a group repeat.

Text stays text's outline: it needs no font where it is read.
"""

from __future__ import annotations

import base64
import io
import re
from xml.etree import ElementTree

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
GROUP, DEFS, USE, METADATA = (f"{{{SVG}}}{name}" for name in ("g", "defs", "use", "metadata"))
HREF = f"{{{XLINK}}}href"
PNG_DATA = "data:image/png;base64,"
PER_POINT = 100  # coordinates are whole hundredths
ANCHOR = 16  # every so many commands a path says where it is: some programs round each step
POINTS_OF = {"M": 1, "L": 1, "Q": 2, "C": 3, "Z": 0}  # points that a path command takes
# Properties that an element inherits, and that matplotlib's style sheet does not set on every element anew.
INHERITED = {"fill", "fill-opacity", "fill-rule", "stroke", "stroke-width", "stroke-opacity", "stroke-dasharray", "stroke-dashoffset"}


def shrink(document: bytes) -> bytes:
    """The SVG file `document` of matplotlib's, smaller; ElementTree.ParseError if it is no XML."""
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", XLINK)
    root = ElementTree.fromstring(document)
    for element in root.iter():
        element.text = element.text.strip() if element.text and element.text.strip() else None
        element.tail = None
        _shrink_attributes(element)
    used = set()
    for element in root.iter():
        used.update(re.findall(r"url\(#([^)]+)\)", " ".join(element.attrib.values())))
        used.add(element.get(HREF, "").removeprefix("#"))
    _tidy(root, used)
    text = ElementTree.tostring(root, encoding="unicode").replace(" />", "/>")  # a ">" of the content is written "&gt;"
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'.encode()


def shorter_path(d: str) -> str:
    """Path data of absolute M, L, Q, C and Z, as steps between rounded points; anything else comes back as it is."""
    tokens = re.findall(r"[A-Za-z]|[-+.\d]+(?:e[-+]?\d+)?", d)
    text, before, here, start, count, i = "", "", (0, 0), (0, 0), 0, 0
    while i < len(tokens):
        command = tokens[i].upper()
        if command not in POINTS_OF or tokens[i] not in "MLQCZz":
            return d
        numbers = [round(float(t) * PER_POINT) for t in tokens[i + 1 : i + 1 + 2 * POINTS_OF[command]]]
        i += 1 + len(numbers)
        if command == "Z":
            text, before, here = text + "z", "z", start
            continue
        count = 0 if command == "M" else (count + 1) % ANCHOR
        letter = command.lower() if count else command
        origin = here if count else (0, 0)
        goes_on = letter == before != "M"  # a letter need not be repeated
        text += "" if goes_on else letter
        for k, n in enumerate(numbers):
            number = _number(n - origin[k % 2])
            text += number if number[0] == "-" or not (k or goes_on) else " " + number  # a minus sign separates, too
        before, here = letter, (numbers[-2], numbers[-1])
        start = here if command == "M" else start
    return text


def _number(hundredths: int) -> str:
    """Hundredths as a decimal number without spare zeros."""
    sign, (whole, rest) = "-" if hundredths < 0 else "", divmod(abs(hundredths), PER_POINT)
    return f"{sign}{whole}" + (f".{rest:02}".rstrip("0") if rest else "")


def _rounded(text: str) -> str:
    """A text with each of its decimal numbers rounded to hundredths."""
    return re.sub(r"-?\d+\.\d+(?:e[-+]?\d+)?", lambda number: _number(round(float(number[0]) * PER_POINT)), text)


def _shrink_attributes(element: ElementTree.Element) -> None:
    for name, value in list(element.attrib.items()):
        if name == "d":
            element.set(name, shorter_path(value))
        elif name in ("x", "y", "width", "height", "viewBox"):
            element.set(name, _rounded(value))
        elif name == "transform":
            shorter = re.sub(r"translate\([^)]*\)", lambda shift: _rounded(shift[0]), value)
            element.set(name, re.sub(r"(translate\(\S+) 0\)", r"\1)", shorter))
            _shift_by_attributes(element)
        elif name == "style":
            element.set(name, re.sub(r"\s*([:;,])\s*", r"\1", value))
        elif name == HREF and value.startswith(PNG_DATA):
            smaller = small_picture(base64.b64decode(value.removeprefix(PNG_DATA)))
            element.set(name, PNG_DATA + base64.b64encode(smaller).decode())


def _shift_by_attributes(element: ElementTree.Element) -> None:
    """x and y for a glyph that is only shifted: the same by SVG's definition of <use>, and shorter."""
    shift = re.fullmatch(r"translate\((\S+?)(?: (\S+))?\)", element.get("transform"))
    if shift and element.tag == USE and not {"x", "y"} & set(element.attrib):
        del element.attrib["transform"]
        element.attrib |= {name: v for name, v in zip("xy", shift.groups(), strict=True) if v and v != "0"}


def small_picture(png: bytes) -> bytes:
    """A PNG file with the same pixels, with a palette where it has at most 256 colours; never larger."""
    from PIL import Image

    picture = Image.open(io.BytesIO(png)).convert("RGBA")
    opaque = picture.getextrema()[3][0] == 255
    picture = picture.convert("RGB") if opaque else picture
    colours = picture.getcolors(256)
    if colours:
        palette = sorted((c for _, c in colours), key=sum)
        number = {c: i for i, c in enumerate(palette)}
        indexed = Image.new("P", picture.size)
        indexed.putdata([number[c] for c in picture.getdata()])
        indexed.putpalette([v for c in palette for v in c[:3]])
        more = {} if opaque else {"transparency": bytes(c[3] for c in palette)}
    else:
        indexed, more = picture, {}
    buffer = io.BytesIO()
    indexed.save(buffer, "PNG", optimize=True, **more)
    return min(buffer.getvalue(), png, key=len)


def _tidy(parent: ElementTree.Element, used: set[str]) -> None:
    """Remove, below an element, what does not change the picture; children first."""
    kept: list[ElementTree.Element] = []
    for child in parent:
        if child.tag == METADATA:
            continue
        if child.get("id") not in used:
            child.attrib.pop("id", None)
        _tidy(child, used)
        if child.tag == GROUP:
            _share_style(child)
        if child.tag in (GROUP, DEFS) and not len(child):
            continue
        kept += list(child) if child.tag == GROUP and not child.attrib else [child]
    parent[:] = kept


def _share_style(group: ElementTree.Element) -> None:
    """Move the style that all members of a group repeat to the group, if they inherit every property of it."""
    members = [m for m in group if m.tag != DEFS]
    styles = {m.get("style") for m in members}
    if len(members) > 1 and len(styles) == 1 and None not in styles and "style" not in group.attrib:
        (style,) = styles
        if {p.partition(":")[0] for p in style.split(";") if p} <= INHERITED:
            group.set("style", style)
            for m in members:
                del m.attrib["style"]
