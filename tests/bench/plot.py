"""Pure: charts as SVG text, readable on light and dark ground, without any plotting library."""

import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 640, 320
LEFT, RIGHT, TOP, BOTTOM = 72, 16, 64, 48
COLOURS = [("#0b62a4", "#6cb6ff"), ("#b3460e", "#ff9b5e"), ("#1c7c3a", "#6fdd8b"), ("#7a3fa0", "#d2a8ff"), ("#6b6b6b", "#b0b0b0")]
STYLE = ("text{font:12px sans-serif;fill:#222}.t{font-weight:bold;font-size:14px}.g{stroke:#ddd}.a{stroke:#888}" +
         "".join(f".l{i}{{stroke:{c};fill:none;stroke-width:2}}.f{i}{{fill:{c}}}" for i, (c, _) in enumerate(COLOURS)) +
         "@media(prefers-color-scheme:dark){text{fill:#ddd}.g{stroke:#444}.a{stroke:#999}" +
         "".join(f".l{i}{{stroke:{c}}}.f{i}{{fill:{c}}}" for i, (_, c) in enumerate(COLOURS)) + "}")


def ticks(top):
    """About five round numbers from 0 to at least top."""
    if top <= 0:
        return [0, 1]
    raw = top / 5
    scale = 10 ** math.floor(math.log10(raw))
    step = next(m * scale for m in (1, 2, 2.5, 5, 10) if m * scale >= raw * 0.999)
    return [step * i for i in range(math.ceil(top / step * 0.999) + 1)]


def number(x):
    return f"{x:,.0f}" if x >= 10 or x == int(x) else f"{x:g}"


class Frame:
    """Title, legend, axes and grid; x in 0..1 from left to right, y in the values' unit."""

    def __init__(self, title, x_label, y_label, names, top):
        self.ticks = ticks(top)
        self.parts = [f'<text class="t" x="{LEFT}" y="20">{escape(title)}</text>']
        at = LEFT
        for i, name in enumerate(names):
            self.parts.append(f'<rect class="f{i}" x="{at}" y="34" width="12" height="12"/>'
                              f'<text x="{at + 17}" y="44">{escape(name)}</text>')
            at += 17 + 7 * len(name) + 18
        for t in self.ticks:
            self.parts.append(f'<line class="g" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{self.y(t)}" y2="{self.y(t)}"/>'
                              f'<text x="{LEFT - 8}" y="{self.y(t) + 4:.1f}" text-anchor="end">{number(t)}</text>')
        self.parts.append(f'<line class="a" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{self.y(0)}" y2="{self.y(0)}"/>')
        self.parts.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">{escape(x_label)}</text>')
        self.parts.append(f'<text transform="translate(14 {(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" '
                          f'text-anchor="middle">{escape(y_label)}</text>')

    @staticmethod
    def x(share):
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value):
        return round(HEIGHT - BOTTOM - value / self.ticks[-1] * (HEIGHT - TOP - BOTTOM), 1)

    def category(self, share, text):
        self.parts.append(f'<text x="{self.x(share)}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{escape(str(text))}</text>')

    def svg(self):
        return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}">\n'
                f"<style>{STYLE}</style>\n" + "\n".join(self.parts) + "\n</svg>\n")


def lines(title, x_label, y_label, xs, series):
    """series: {name: [y]}; the x values stand at equal distances, as steps of two want it."""
    frame = Frame(title, x_label, y_label, series, max(max(ys) for ys in series.values()))
    places = [(i + 0.5) / len(xs) for i in range(len(xs))]
    for share, x in zip(places, xs):
        frame.category(share, x)
    for i, ys in enumerate(series.values()):
        points = [(frame.x(share), frame.y(y)) for share, y in zip(places, ys)]
        frame.parts.append(f'<polyline class="l{i}" points="{" ".join(f"{x},{y}" for x, y in points)}"/>')
        frame.parts += [f'<circle class="f{i}" cx="{x}" cy="{y}" r="3.5"/>' for x, y in points]
    return frame.svg()


def bars(title, y_label, groups, series):
    """series: {name: [y]}, one y for each group."""
    frame = Frame(title, "", y_label, series, max(max(ys) for ys in series.values()))
    width = 0.8 / len(groups) / len(series)
    for g, group in enumerate(groups):
        frame.category((g + 0.5) / len(groups), group)
        for i, ys in enumerate(series.values()):
            left = frame.x((g + 0.1) / len(groups) + i * width)
            frame.parts.append(f'<rect class="f{i}" x="{left}" y="{frame.y(ys[g])}" '
                               f'width="{round(width * (WIDTH - LEFT - RIGHT) - 1, 1)}" height="{round(frame.y(0) - frame.y(ys[g]), 1)}"/>')
    return frame.svg()
