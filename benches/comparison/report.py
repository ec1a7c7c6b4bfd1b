"""The results of a comparison, as text for a terminal, as a Markdown table and as JSON."""

from dataclasses import asdict, dataclass, field
from statistics import median

from engines import Engine
from measure import Measurement
from workloads import InputData


@dataclass
class Result:
    """The runs of one engine on one workload."""

    engine: Engine
    runs: list[Measurement] = field(default_factory=list)
    rows: dict[str, int] | None = None
    failure: str | None = None

    def median(self, metric):
        return median(getattr(run, metric) for run in self.runs)

    def slowdown(self, sparkify):
        """Returns the wall time relative to sparkify's, or None if one of them failed."""
        if self.failure or sparkify.failure:
            return None
        return self.median("wall_seconds") / sparkify.median("wall_seconds")


@dataclass
class Comparison:
    """The results on one workload; those of sparkify come first."""

    data: InputData
    results: list[Result]

    @property
    def sparkify(self):
        return self.results[0]

    def row_count_mismatches(self):
        """Returns a line for each table whose row counts differ between engines."""
        mismatches = []
        counted = [result for result in self.results if result.rows]
        for table in counted[0].rows if counted else ():
            engines_by_rows = {}
            for result in counted:
                engines_by_rows.setdefault(result.rows.get(table), []).append(result.engine.name)
            if len(engines_by_rows) > 1:
                counts = (f"{rows} ({', '.join(names)})" for rows, names in engines_by_rows.items())
                mismatches.append(f"{table}: {'; '.join(counts)}")
        return mismatches


def render_text(comparison):
    """Renders the results on one workload for a terminal."""
    heading = ("", "wall s", "min..max", "CPU s", "peak MB", "slowdown", "runs")
    lines = [heading]
    for result in comparison.results:
        title = result.engine.title
        if result.failure:
            lines.append((title, f"failed: {result.failure}"))
            continue
        wall = [run.wall_seconds for run in result.runs]
        slowdown = result.slowdown(comparison.sparkify)
        lines.append(
            (
                title,
                format_seconds(result.median("wall_seconds")),
                f"{format_seconds(min(wall))}..{format_seconds(max(wall))}",
                format_seconds(result.median("cpu_seconds")),
                f"{result.median('peak_mb'):.0f}",
                f"{slowdown:.1f}" if slowdown else "-",
                str(len(wall)),
            )
        )
    width = max(len(line[0]) for line in lines)
    table = [f"{line[0]:<{width}}" + "".join(f"{cell:>16}" for cell in line[1:]) for line in lines]
    counts = next((result.rows for result in comparison.results if result.rows), {})
    rows = ", ".join(f"{table} {count:,}" for table, count in counts.items())
    title = f"{comparison.data.workload.name}: {comparison.data.summary}"
    return "\n".join((title, *table, f"rows (equal for all engines): {rows}"))


def render_markdown(comparisons):
    """Renders the results on all workloads as one Markdown table."""
    names = [comparison.data.workload.name for comparison in comparisons]
    lines = [["wall time, slowdown, peak memory", *names], ["---"] * (len(names) + 1)]
    for results in zip(*(comparison.results for comparison in comparisons), strict=True):
        cells = [results[0].engine.title]
        for comparison, result in zip(comparisons, results, strict=True):
            cells.append(markdown_cell(result, comparison.sparkify))
        lines.append(cells)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def markdown_cell(result, sparkify):
    if result.failure:
        return "failed"
    slowdown = result.slowdown(sparkify)
    parts = [f"{format_seconds(result.median('wall_seconds'))} s", f"{result.median('peak_mb'):.0f} MB"]
    if slowdown and result is not sparkify:
        parts.insert(1, f"{slowdown:.1f}×")
    return ", ".join(parts)


def to_json(comparison):
    return {
        "workload": asdict(comparison.data.workload),
        "results": [
            {
                "name": result.engine.name,
                "version": result.engine.version,
                "failure": result.failure,
                "rows": result.rows,
                "slowdown": result.slowdown(comparison.sparkify),
                "runs": [
                    {
                        "wall_seconds": run.wall_seconds,
                        "cpu_seconds": run.cpu_seconds,
                        "peak_mb": run.peak_mb,
                    }
                    for run in result.runs
                ],
            }
            for result in comparison.results
        ],
    }


def format_seconds(value):
    """Formats seconds with three significant digits, for values below 100."""
    return f"{value:.3f}" if value < 1 else f"{value:.2f}" if value < 10 else f"{value:.1f}"
