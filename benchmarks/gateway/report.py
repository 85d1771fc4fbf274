"""What was measured, as one JSON object and as a table."""

from dataclasses import asdict, fields
from typing import Any

from benchmarks.gateway.measure import DIRECT, MANY, Results, Streams, median

_HEADLINE_STREAMS = 64


def figures(results: Results) -> dict[str, Any]:
    """Medians over the rounds; ratios and added times are taken pair by pair within a round.

    Left out is what was not measured, such as a ratio to a peer that did not run.
    """
    found: dict[str, Any] = {"rounds": max(map(len, results.streams.values()), default=0)}
    found["streams"] = {
        name: {str(count): _medians(rows, name) for count, rows in results.streams.items()}
        for name in _targets(results)
    }
    for peer in ("litellm", "passthrough"):
        if {"adapter", peer} <= set(_targets(results)):
            ratios = {str(count): _ratio(rows, peer) for count, rows in results.streams.items()}
            found[f"vs_{peer}_by_streams"] = ratios
            if str(_HEADLINE_STREAMS) in ratios:
                found[f"vs_{peer}"] = ratios[str(_HEADLINE_STREAMS)]
    rows = [row for rows in results.streams.values() for row in rows]
    found["harness_share_of_core"] = round(
        max((each.harness for row in rows for each in row.values()), default=0.0), 3
    )
    if results.first_word:
        found["ttft_added_by_proxy"] = added = {
            name: {f"p{percent}_ms": _added(results, name, percent) for percent in (50, 99)}
            for name in results.first_word[0]
            if name != DIRECT
        }
        if "adapter" in added:
            found["ttft_added_ms"] = added["adapter"]["p50_ms"]
            found["ttft_added_p99_ms"] = added["adapter"]["p99_ms"]
    if results.whole_per_cpu_s:
        found["rps_per_cpu_s_by_proxy"] = rates = {
            name: median(row[name] for row in results.whole_per_cpu_s)
            for name in results.whole_per_cpu_s[0]
        }
        if "adapter" in rates:
            found["rps_per_cpu_s"] = rates["adapter"]
    if results.memory:
        found["memory"] = {
            name: {what: round(value, 1) for what, value in asdict(memory).items()}
            for name, memory in results.memory.items()
        }
        if "adapter" in results.memory:
            found["rss_mb"] = found["memory"]["adapter"]["rss_mb"]
    faults = ("words", "lost", "reordered", "duplicated", "broken")
    found[f"at_{MANY}_streams"] = {
        name: {fault: getattr(load, fault) for fault in faults}
        for name, load in results.many.items()
    }
    return found


def table(found: dict[str, Any]) -> str:
    """The same figures to read."""
    lines = []
    for name, by_count in found["streams"].items():
        for count, row in by_count.items():
            cpu = row.get("cpu_us_per_chunk")
            lines.append(
                f"{name:<12}{count:>5} streams  {'–' if cpu is None else f'{cpu:.1f}':>8} µs CPU per chunk  "
                f"first token {row['ttft_p50_ms']:.2f} ms (p99 {row['ttft_p99_ms']:.2f})  "
                f"pace {row['kept_pace']:.2f}  faults {row['faults']:.0f}"
            )
    for peer in ("litellm", "passthrough"):
        for count, ratio in found.get(f"vs_{peer}_by_streams", {}).items():
            lines.append(f"adapter / {peer} at {count} streams: {ratio} of its CPU per chunk")
    for name, row in found.get("ttft_added_by_proxy", {}).items():
        lines.append(
            f"{name:<12}adds {row['p50_ms']} ms to the first token (p99 {row['p99_ms']} ms)"
        )
    for name, rate in found.get("rps_per_cpu_s_by_proxy", {}).items():
        lines.append(f"{name:<12}{rate:.0f} answers per CPU second, not streamed")
    for name, row in found.get("memory", {}).items():
        lines.append(
            f"{name:<12}{row['rss_mb']} MB after {row['answers']} answers ({row['started_mb']} MB at first)"
        )
    for name, row in found[f"at_{MANY}_streams"].items():
        counts = ", ".join(f"{count} {what}" for what, count in row.items())
        lines.append(f"{name:<12}{MANY} streams at once: {counts}")
    lines.append(f"upstream and client took at most {found['harness_share_of_core']:.2f} of a core")
    return "\n".join(lines)


def _targets(results: Results) -> list[str]:
    return next((list(rows[0]) for rows in results.streams.values()), [])


def _medians(rows: list[dict[str, Streams]], name: str) -> dict[str, float]:
    columns = [each.name for each in fields(Streams)]
    if name == DIRECT:  # its process is the upstream, which is not what is compared
        columns.remove("cpu_us_per_chunk")
    return {column: median(asdict(row[name])[column] for row in rows) for column in columns}


def _ratio(rows: list[dict[str, Streams]], peer: str) -> float:
    return median(row["adapter"].cpu_us_per_chunk / row[peer].cpu_us_per_chunk for row in rows)


def _added(results: Results, name: str, percent: int) -> float:
    return median(
        row[name].percentile(percent) - row[DIRECT].percentile(percent)
        for row in results.first_word
    )
