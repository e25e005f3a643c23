"""Draws the samples of a soak as an SVG: one panel for each measure, with a line for each kill."""

import measure

WIDTH, LEFT, RIGHT, TOP, PANEL, GAP = 920, 70, 16, 64, 116, 34
INK, LINE, KILL, STOP = "#333", "#1f6fb2", "#d9534f", "#8a6d3b"
MIB = 1024 * 1024
# Title, column, divisor, the color of its line.
PANELS = [
    ("resident memory (MiB)", "rss_kib", 1024), ("open descriptors", "descriptors", 1), ("write-ahead log (MiB)", "wal_bytes", MIB),
    ("journal (MiB)", "journal_bytes", MIB),
]


def nice(most):
    """A round number at or above `most`."""
    step = 1
    while True:
        for factor in (1, 2, 5):
            if factor * step >= most:
                return factor * step
        step *= 10


def path(points, color, width=1.2):
    text = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{text}" fill="none" stroke="{color}" stroke-width="{width}"/>'


def text(x, y, words, anchor="start", size=11):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{INK}">{words}</text>'


def lines(rows, column):
    """The samples of `column`, one list for each life."""
    lives = {}
    for row in rows:
        if row[column] is not None and not row["event"]:
            lives.setdefault(row["life"], []).append((row["seconds"], row[column]))
    return list(lives.values())


def thinned(points):
    """One point for each unit of the picture's width: the highest of them."""
    spots = {}
    for x, y in points:
        spot = round(x)
        spots[spot] = min(y, spots.get(spot, y))
    return [(float(x), y) for x, y in sorted(spots.items())]


def draw(csv_path, svg_path, title, subtitle):
    rows = measure.read(csv_path)
    end = max(row["seconds"] for row in rows) or 1
    inner = WIDTH - LEFT - RIGHT
    height = TOP + len(PANELS) * (PANEL + GAP) + 24
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>', text(LEFT, 24, title, size=15), text(LEFT, 42, subtitle),
    ]
    events = [(row["seconds"], row["event"]) for row in rows if row["event"] in ("kill", "stop")]
    for number, (name, column, divisor) in enumerate(PANELS):
        top = TOP + number * (PANEL + GAP)
        series = lines(rows, column)
        most = nice(max((value for points in series for _, value in points), default=1) / divisor)
        parts += [text(LEFT, top - 5, name), f'<rect x="{LEFT}" y="{top}" width="{inner}" height="{PANEL}" fill="none" stroke="#bbb"/>']
        for share in (0, 0.5, 1):
            parts.append(text(LEFT - 6, top + PANEL * (1 - share) + 4, f"{most * share:g}", "end"))
        for at, kind in events:
            x = LEFT + inner * at / end
            color = KILL if kind == "kill" else STOP
            parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{top + PANEL}" stroke="{color}" stroke-width="0.5"/>')
        for points in series:
            where = [(LEFT + inner * x / end, top + PANEL * (1 - y / divisor / most)) for x, y in points]
            parts.append(path(thinned(where), LINE))
    bottom = TOP + len(PANELS) * (PANEL + GAP) - GAP + 14
    for tick in range(7):
        seconds = end * tick / 6
        label = f"{round(seconds / 60, 1):g} min" if end >= 600 else f"{seconds:.0f} s"
        parts.append(text(LEFT + inner * tick / 6, bottom, label, "middle"))
    parts.append(text(LEFT, bottom + 18, "red: kill -9; brown: SIGTERM; each followed by a start"))
    parts.append("</svg>")
    svg_path.write_text("\n".join(parts) + "\n")
