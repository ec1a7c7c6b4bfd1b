"""What has been measured, as tables for a terminal, for a README and as JSON."""

from dataclasses import asdict, dataclass, field
from statistics import median

from contestants import Peer
from measure import Run
from shapes import Input


@dataclass
class Result:
    """The runs of one contestant on one shape."""

    peer: Peer
    runs: list[Run] = field(default_factory=list)
    rows: dict[str, int] | None = None
    failure: str | None = None

    def median(self, figure):
        return median(getattr(run, figure) for run in self.runs)

    def ratio(self, sparkify):
        """How many times as long as sparkify it takes; None if either does not get there."""
        if self.failure or sparkify.failure:
            return None
        return self.median("wall") / sparkify.median("wall")


@dataclass
class Comparison:
    """The results on one shape, sparkify's first."""

    data: Input
    results: list[Result]

    @property
    def sparkify(self):
        return self.results[0]

    def disagreements(self):
        """The tables whose row counts differ, and who says what."""
        found = []
        counted = [result for result in self.results if result.rows]
        for table in counted[0].rows if counted else ():
            said = {}
            for result in counted:
                said.setdefault(result.rows.get(table), []).append(result.peer.name)
            if len(said) > 1:
                each = "; ".join(f"{rows} ({', '.join(who)})" for rows, who in said.items())
                found.append(f"{table}: {each}")
        return found


def text(comparison):
    """The table of one shape for a terminal."""
    heading = ("", "wall s", "min..max", "CPU s", "peak MB", "ratio", "runs")
    lines = [heading]
    for result in comparison.results:
        title = result.peer.title
        if result.failure:
            lines.append((title, f"failed: {result.failure}"))
            continue
        walls = [run.wall for run in result.runs]
        ratio = result.ratio(comparison.sparkify)
        lines.append(
            (
                title,
                seconds(result.median("wall")),
                f"{seconds(min(walls))}..{seconds(max(walls))}",
                seconds(result.median("cpu")),
                f"{result.median('peak_mb'):.0f}",
                f"{ratio:.1f}" if ratio else "-",
                str(len(walls)),
            )
        )
    first = max(len(line[0]) for line in lines)
    table = [f"{line[0]:<{first}}" + "".join(f"{cell:>16}" for cell in line[1:]) for line in lines]
    counts = next((result.rows for result in comparison.results if result.rows), {})
    rows = ", ".join(f"{table} {count:,}" for table, count in counts.items())
    title = f"{comparison.data.shape.name}: {comparison.data.summary}"
    return "\n".join((title, *table, f"rows, all alike: {rows}"))


def markdown(comparisons):
    """One table of all shapes for a README."""
    shapes = [comparison.data.shape.name for comparison in comparisons]
    lines = [["wall, times sparkify's, peak memory", *shapes], ["---"] * (len(shapes) + 1)]
    for results in zip(*(comparison.results for comparison in comparisons), strict=True):
        cells = [results[0].peer.title]
        for comparison, result in zip(comparisons, results, strict=True):
            cells.append(cell(result, comparison.sparkify))
        lines.append(cells)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cell(result, sparkify):
    if result.failure:
        return "failed"
    ratio = result.ratio(sparkify)
    parts = [f"{seconds(result.median('wall'))} s", f"{result.median('peak_mb'):.0f} MB"]
    if ratio and result is not sparkify:
        parts.insert(1, f"{ratio:.1f}×")
    return ", ".join(parts)


def for_json(comparison):
    return {
        "shape": asdict(comparison.data.shape),
        "results": [
            {
                "name": result.peer.name,
                "version": result.peer.version,
                "failure": result.failure,
                "rows": result.rows,
                "ratio": result.ratio(comparison.sparkify),
                "runs": [
                    {"wall": run.wall, "cpu": run.cpu, "peak_mb": run.peak_mb}
                    for run in result.runs
                ],
            }
            for result in comparison.results
        ],
    }


def seconds(value):
    """Three digits that count."""
    return f"{value:.3f}" if value < 1 else f"{value:.2f}" if value < 10 else f"{value:.1f}"
