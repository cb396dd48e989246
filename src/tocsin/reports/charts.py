"""Where every mark of the time line plot stands: across in percent of the width, down in px, so text never scales."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from tocsin.detections.values import Detection
from tocsin.events.values import Gap
from tocsin.kernel import clock, language
from tocsin.kernel.language import gettext as _
from tocsin.reports import vocabulary, wording
from tocsin.reports.values import TimelinePoint

ALL_HEIGHT, SUSPECTS_HEIGHT, HEAD, MARK_HEIGHT = 104, 56, 22, 34
MARKS_MAX = 6
LABEL_LENGTHS_MAX = (100, 38)  # characters that fit a page, and a telephone


@dataclass(frozen=True, slots=True)
class Bar:
    """One rectangle; ``x`` and ``width`` in percent, ``y`` and ``height`` in px."""

    x: float
    width: float
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Mark:
    """The window of one rule's detections on the time line, with its words."""

    bars: tuple[Bar, ...]
    y: float
    label: str
    short_label: str  # for a narrow screen


@dataclass(frozen=True, slots=True)
class Tick:
    """One word under the plot; ``anchor`` as SVG has it; ``minor`` ones are left out on a narrow screen."""

    x: float
    text: str
    anchor: str
    minor: bool


@dataclass(frozen=True, slots=True)
class Plot:
    """The whole picture."""

    height: float
    all_base: float
    suspects_base: float
    success: tuple[Bar, ...]
    failure: tuple[Bar, ...]
    unknown: tuple[Bar, ...]
    suspects: tuple[Bar, ...]
    gaps: tuple[Bar, ...]
    marks: tuple[Mark, ...]
    ticks: tuple[Tick, ...]
    ticks_y: float
    all_words: str
    suspects_words: str
    marks_left_out: int


def plot(
    points: tuple[TimelinePoint, ...], *, gaps: tuple[Gap, ...], detections: tuple[Detection, ...], zone: str
) -> Plot | None:
    """Return the geometry, or None when there is nothing to draw."""
    if not points:
        return None
    first_ts, last_ts = points[0].first_ts, points[-1].last_ts
    scale = _Scale(first_ts, last_ts)
    all_base = HEAD + ALL_HEIGHT
    highest_by_suspects = max(point.intruder for point in points)
    suspects_base = all_base + HEAD + SUSPECTS_HEIGHT if highest_by_suspects else all_base
    lanes = ((all_base, ALL_HEIGHT), (suspects_base, SUSPECTS_HEIGHT))[: 2 if highest_by_suspects else 1]
    marks, left_out = _marks(detections, scale=scale, top=suspects_base + 14)
    ticks_y = suspects_base + 14 + MARK_HEIGHT * len(marks) + 14
    per = wording.length(points[0].first_ts, points[0].last_ts)
    highest = max(point.events for point in points)
    stacks = _stacks(points, scale=scale, base=all_base, highest=highest)
    return Plot(
        height=ticks_y + 8,
        all_base=all_base,
        suspects_base=suspects_base,
        success=stacks[0],
        failure=stacks[1],
        unknown=stacks[2],
        suspects=tuple(
            scale.bar(point, base=suspects_base, height=_high(point.intruder, highest_by_suspects, SUSPECTS_HEIGHT))
            for point in points
            if point.intruder
        ),
        gaps=tuple(
            scale.stretch(gap.first_ts, gap.last_ts, y=base - height, height=height)
            for gap in gaps
            for base, height in lanes
        ),
        marks=marks,
        ticks=_ticks(first_ts, last_ts, scale=scale, zone=zone),
        ticks_y=ticks_y,
        all_words=_("All events: up to {n} in {stretch}").format(n=language.format_number(highest), stretch=per),
        suspects_words=_("Events of the suspects: up to {n} in {stretch}").format(
            n=language.format_number(highest_by_suspects), stretch=per
        ),
        marks_left_out=left_out,
    )


@dataclass(frozen=True, slots=True)
class _Scale:
    first_ts: int
    last_ts: int

    def x(self, ts: int) -> float:
        inside = min(max(ts, self.first_ts), self.last_ts)
        return round(100 * (inside - self.first_ts) / (self.last_ts - self.first_ts), 3)

    def bar(self, point: TimelinePoint, *, base: float, height: float) -> Bar:
        x = self.x(point.first_ts)
        # A sliver of air between bars, as wide as a seventh of one.
        return Bar(x, round((self.x(point.last_ts) - x) * 0.86, 3), round(base - height, 1), round(height, 1))

    def stretch(self, first_ts: int, last_ts: int, *, y: float, height: float) -> Bar:
        x = self.x(first_ts)
        return Bar(min(x, 99.6), max(round(self.x(last_ts) - x, 3), 0.4), y, height)


def _high(n: int, highest: int, room: float) -> float:
    """Return the height of ``n``; what is there at all stays visible (1.5 px)."""
    return max(1.5, room * n / highest) if n and highest else 0.0


def _stacks(
    points: tuple[TimelinePoint, ...], *, scale: _Scale, base: float, highest: int
) -> tuple[tuple[Bar, ...], tuple[Bar, ...], tuple[Bar, ...]]:
    parts: tuple[list[Bar], list[Bar], list[Bar]] = ([], [], [])
    for point in points:
        foot = base
        for bars, n in zip(parts, (point.success, point.failure, point.unknown), strict=True):
            if n:
                height = _high(n, highest, ALL_HEIGHT - 2)
                bars.append(scale.bar(point, base=foot, height=height))
                foot -= height
    return tuple(parts[0]), tuple(parts[1]), tuple(parts[2])


def _marks(detections: tuple[Detection, ...], *, scale: _Scale, top: float) -> tuple[tuple[Mark, ...], int]:
    """One row per rule, the worst first; every detection of the rule is a stroke in its row."""
    by_rule: dict[str, list[Detection]] = {}
    for detection in sorted(detections, key=vocabulary.rank):
        by_rule.setdefault(detection.rule_title, []).append(detection)
    marks = []
    for row, (title, found) in enumerate(list(by_rule.items())[:MARKS_MAX]):
        y = top + row * MARK_HEIGHT
        times = f" ×\N{NO-BREAK SPACE}{language.format_number(len(found))}" if len(found) > 1 else ""
        words = language.gettext(title)
        labels = [f"{_cut(words, length_max=most)}{times}" for most in LABEL_LENGTHS_MAX]
        windows = sorted({(one.first_ts, one.last_ts) for one in found})[:200]
        bars = tuple(scale.stretch(first, last, y=y + 20, height=8) for first, last in windows)
        marks.append(Mark(bars, y + 14, *labels))
    return tuple(marks), max(0, len(by_rule) - MARKS_MAX)


def _cut(text: str, *, length_max: int) -> str:
    shown = wording.visible(text, length_max=1_000)
    return shown if len(shown) <= length_max else shown[: length_max - 1].rstrip() + "…"


def _ticks(first_ts: int, last_ts: int, *, scale: _Scale, zone: str) -> tuple[Tick, ...]:
    """Five words under the plot: hours within a day, else days; the first always says its day."""
    within_a_day = wording.one_day(first_ts, last_ts, zone=zone)
    short = last_ts - first_ts < 4 * 86_400_000
    ticks = []
    for step in range(5):
        ts = first_ts + (last_ts - first_ts) * step // 4
        local = clock.from_ms(ts).astimezone(ZoneInfo(zone))
        seconds = "%H:%M:%S" if last_ts - first_ts < 600_000 else "%H:%M"
        if within_a_day:
            text = f"{local:{seconds}}"
            text = "24:00" if step == 4 and text == "00:00" else text
        else:
            text = f"{local:%m-%d %H:%M}" if short else f"{local:%Y-%m-%d}"
        anchor = {0: "start", 4: "end"}.get(step, "middle")
        ticks.append(Tick(scale.x(ts), text, anchor, step in {1, 3}))
    return tuple(ticks)
