"""The figures of `make bench` as people read them, each beside its aim where it has one."""

from __future__ import annotations

import re
from collections import Counter

Figures = dict[str, float]

AIM_RATIO, AIM_READY_SECONDS, AIM_MEGABYTES, AIM_DISPATCHED = 0.35, 2.0, 130.0, 300.0

PARSED = {
    "WhatsApp messages": "whatsapp_1000_updates",
    "WhatsApp states": "whatsapp_1000_states",
    "Facebook messages": "facebook_1000_messages",
    "Facebook comments": "facebook_1000_comments",
    "Facebook states": "facebook_1000_states",
    "polled messages": "facebook_1000_polled",
}
"""Bodies that are parsed, as people call what is in them, and the beginning of their figures' names."""


def print_report(found: Figures, connections: int) -> None:
    """Print one line a figure."""

    def line(name: str, value: str, unit: str, more: str = "") -> None:
        print(f"{name:32}{value:>10} {unit:5}{more}".rstrip())

    def aim(met: bool, text: str) -> str:
        return f"   {'aim met' if met else 'AIM NOT MET'}: {text}"

    def span(name: str, form: str) -> str:
        return f"{found[f'{name}_min']:{form}} to {found[f'{name}_max']:{form}}"

    def rate(title: str, name: str) -> None:
        line(title, f"{found[f'{name}_per_second']:,.0f}", "/s", span(f"{name}_per_second", ",.0f"))
        latency = f"{found[f'{name}_p50_ms']:.1f} / {found[f'{name}_p99_ms']:.1f}"
        cpu = f"CPU {found[f'{name}_cpu_us']:.0f} µs a request, generator {found[f'{name}_generator_cpu_us']:.0f}"
        line("  p50 / p99", latency, "ms", cpu)

    print(f"SQLite, synchronous=FULL, {connections} connections; medians, and from the least to the most")
    rate("no-op aiohttp handler", "noop")
    rate("durable acknowledgement", "durable")
    met = aim(found["ratio"] >= AIM_RATIO, f"at least {AIM_RATIO}")
    line("  ratio, pair by pair", f"{found['ratio']:.2f}", "", span("ratio", ".2f") + met)
    proof = "each is on disk" if found["on_disk"] == found["acknowledged"] else f"ON DISK: {found['on_disk']:,}"
    line("  acknowledged, refused", f"{found['acknowledged']:,}", "", f"{found['refused']:,}   {proof}")
    line("  memory after that load", f"{found['resident_mb_after_load']:.0f}", "MB")
    taken_in, delivered = found["backlog_taken_in_per_second"], found["backlog_delivered_per_second"]
    line("  that backlog: taken in", f"{taken_in:,.0f}", "/s", f"and at the same time {delivered:,.0f} /s became cases")
    met = aim(found["dispatched_per_second"] >= AIM_DISPATCHED, f"at least {AIM_DISPATCHED:g}")
    span_dispatched = span("dispatched_per_second", ".0f")
    line("dispatch into a stub", f"{found['dispatched_per_second']:,.0f}", "/s", span_dispatched + met)
    line("  a bare client beside it", f"{found['bare_client_per_second']:,.0f}", "/s")
    met = aim(found["ready_seconds_max"] < AIM_READY_SECONDS, f"under {AIM_READY_SECONDS:g} s")
    line("start until ready", f"{found['ready_seconds']:.2f}", "s", span("ready_seconds", ".2f") + met)
    met = aim(found["resident_mb_max"] < AIM_MEGABYTES, f"under {AIM_MEGABYTES:g} MB")
    line("memory at ready", f"{found['resident_mb']:.0f}", "MB", span("resident_mb", ".0f") + met)
    after, per_second = found["resident_mb_after_messages"], found["messages_to_cases_per_second"]
    line(f"  {found['messages']:,} messages to cases", f"{per_second:,.0f}", "/s", f"memory then {after:.0f} MB")
    for title, name in PARSED.items():
        times = f"{found[f'{name}_to_json']:.0f} times orjson.loads of the same bytes"
        line(f"parsing 1000 {title}", f"{found[f'{name}_ms']:.1f}", "ms", times)
    line("answers, one person held", f"{found['others_per_second']:,.0f}", "/s", span("others_per_second", ",.0f"))
    line("  the same, nobody held", f"{found['nobody_held_per_second']:,.0f}", "/s")
    asked = f"Meta asked {found['asked_for_held']:.0f} times at most for the held one"
    line("  ratio, pair by pair", f"{found['held_ratio']:.2f}", "", f"{span('held_ratio', '.2f')}   {asked}")
    line("parsing an ordinary mail", f"{found['mail_ms']:.2f}", "ms")


_IMPORT = re.compile(r"^import time:\s*(\d+) \|\s*(\d+) \|( +)([\w.]+)$", re.MULTILINE)


def print_imports(log: str, most: int = 25) -> None:
    """The packages that take longest to import, what they import themselves not counted."""
    own: Counter[str] = Counter()
    for microseconds, _, _, name in _IMPORT.findall(log):
        own[name.split(".")[0]] += int(microseconds)
    print(f"{sum(own.values()) / 1000:8.1f} ms  all imports")
    for name, microseconds in own.most_common(most):
        print(f"{microseconds / 1000:8.1f} ms  {name}")
