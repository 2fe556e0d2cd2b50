"""The interface contract as a table: what each built command prints and how it exits.

A row joins when its part is built. `tests/cli/test_contract.py` holds the program to it; adding a
key to a program's JSON is free, renaming or dropping one listed here is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Shape = Literal["lines", "array", "object", "text", "quiet", "nothing"]
"""Of stdout; `quiet` is names one a line, perhaps none."""

SECONDS = frozenset({"load", "encode", "denoise", "decode", "score", "total"})

CANDIDATE = frozenset(
    {
        "function",
        "rank",
        "quality",
        "interval",
        "quality_source",
        "probability",
        "cost_usd",
        "cost_source",
        "priced",
        "load_cost_usd",
        "seconds",
        "memory_bytes",
        "load_seconds",
        "utility",
        "installed",
        "resident",
        "fits",
        "allowed",
        "blocked_by",
        "difference",
        "blocked_kind",
        "evicts",
        "swap_share",
        "energy_wh",
        "energy_usd",
    }
)

POLICY = frozenset({"kind", "value", "lambda"})

ROUTE = frozenset(
    {
        "prompt",
        "choice",
        "router",
        "metric",
        "policy",
        "reason",
        "encode_ms",
        "route_ms",
        "in_distribution",
        "candidates",
    }
)

GENERATE = frozenset(
    {
        "id",
        "session",
        "prompt",
        "function",
        "executed",
        "fallback",
        "image",
        "seed",
        "width",
        "height",
        "steps",
        "seconds",
        "peak_memory_bytes",
        "energy_wh",
        "energy_usd",
        "cost_usd",
        "cost_source",
        "priced",
        "load_cost_usd",
        "scores",
        "scorers",
        "router",
        "decision",
    }
)

VERIFIED = frozenset({"model", "path", "files", "bytes", "ok", "damaged"})

HOLDING = frozenset(
    {"verdict", "verdict_reason", "fits_now", "download_bytes", "gain", "recommended"}
)

RECOMMENDED = frozenset({"event", "device", "models", "download_bytes", "note"})

RESIDENT = frozenset(
    {"model", "functions", "device", "bytes", "components", "pid", "since", "until", "in_use"}
)

STOPPED = frozenset({"model", "resident", "freed", "in_use", "bytes", "pid"})

MODEL = frozenset(
    {
        "model",
        "installed",
        "functions",
        "family",
        "role",
        "licence",
        "gated",
        "noncommercial",
        "source",
        "bytes",
        "footprint",
    }
)

ROUTER = frozenset({"router", "kind", "metric", "functions", "prompts", "verdict", "in_use"})

CARD = frozenset({"router", "summary", "verdict", "refusal", "functions", "training", "evaluation"})

EVAL = frozenset(
    {
        "router",
        "bench",
        "metric",
        "prompts",
        "split",
        "seed",
        "strategies",
        "curve",
        "area_recovered",
        "area_gain_over_zero",
        "quality_vs_best_single",
        "gap_recovered",
        "qnc",
        "cpt",
        "top1",
        "second_best",
        "second_best_random",
        "second_best_best_single",
        "shares",
        "latency_ms",
        "verdict",
    }
)
"""What `router eval --json` prints; it needs a table, so its own test holds the program to it."""

EXIT_CODES = {
    "ok": 0,
    "generation": 1,
    "usage": 2,
    "weights": 3,
    "timeout": 4,
    "memory": 5,
    "budget": 6,
    "busy": 7,
    "storage": 8,
    "interrupted": 130,
}


@dataclass(frozen=True)
class Row:
    """One promise: this command line exits so and prints that."""

    name: str
    arguments: tuple[str, ...]
    exit_code: int = 0
    shape: Shape = "text"
    keys: frozenset[str] = frozenset()
    """Keys that the object, each line or each element must have."""

    stdin: bytes | None = None
    draws: bool = False
    """Whether it loads weights and draws: such rows are marked slow."""


CAT = "a cat to the left of a red car at night"

ROWS: tuple[Row, ...] = (
    Row("help", ("--help",)),
    Row("version", ("--version",)),
    Row("route", ("route", CAT, "--json"), shape="lines", keys=ROUTE),
    Row(
        "route a pool", ("route", CAT, "--pool", "sd-turbo@1", "--json"), shape="lines", keys=ROUTE
    ),
    Row("route names", ("route", CAT, "-q")),
    Row(
        "route stdin",
        ("route", "-", "--json"),
        shape="lines",
        keys=ROUTE,
        stdin=b"a cat\n\na dog\n",
    ),
    Row(
        "route explained",
        ("route", CAT, "--explain", "--json"),
        shape="lines",
        keys=ROUTE | {"explanation"},
    ),
    Row("route nothing", ("route",), exit_code=2, shape="nothing"),
    Row("route blank", ("route", "  "), exit_code=2, shape="nothing"),
    Row("route empty stdin", ("route", "-"), exit_code=2, shape="nothing", stdin=b""),
    Row("route latin-1", ("route", "-"), exit_code=2, shape="nothing", stdin=b"caf\xe9\n"),
    Row("route too long", ("route", "a" * 10_001), exit_code=2, shape="nothing"),
    Row("route no file", ("route", "-f", "nowhere.txt"), exit_code=2, shape="nothing"),
    Row("route unknown", ("route", CAT, "--function", "starter-bass@20"), 2, "nothing"),
    Row("route two policies", ("route", CAT, "--tradeoff", "1", "--floor", "1"), 2, "nothing"),
    Row("route balanced", ("route", CAT, "--balanced", "--json"), shape="lines", keys=ROUTE),
    Row("route balanced dial", ("route", CAT, "--balanced", "--tradeoff", "1"), 2, "nothing"),
    Row("route dial", ("route", CAT, "--tradeoff", "1.5"), exit_code=2, shape="nothing"),
    Row("route unknown router", ("route", CAT, "--router", "nobody"), 2, "nothing"),
    Row("route budget", ("route", CAT, "--budget-per-image", "1e-30"), 6, "nothing"),
    Row("generate", ("generate", CAT, "--json"), shape="lines", keys=GENERATE, draws=True),
    Row("generate paths", ("generate", CAT, "-q", "--no-score"), draws=True),
    Row("generate bill", ("generate", CAT, "--dry-run", "--json"), shape="lines", keys=ROUTE),
    Row("generate absent", ("generate", CAT, "--function", "sd-turbo@1"), 3, "nothing"),
    Row("generate unknown", ("generate", CAT, "--function", "nothing@1"), 2, "nothing"),
    Row("generate size", ("generate", CAT, "--size", "64"), exit_code=2, shape="nothing"),
    Row("generate late", ("generate", CAT, "--timeout", "0", "-q"), 4, "nothing", draws=True),
    Row("generate over", ("generate", CAT, "--session-budget", "0"), 6, "nothing", draws=True),
    Row("ls", ("ls", "--json"), shape="array", keys=MODEL | HOLDING),
    Row("ls table", ("ls",)),
    Row("ls what fits", ("ls", "--fits", "--json"), shape="array", keys=MODEL | HOLDING),
    Row(
        "show", ("show", "starter-base", "--json"), shape="object", keys=MODEL | HOLDING | {"files"}
    ),
    Row(
        "show a scorer",
        ("show", "nima", "--json"),
        shape="object",
        keys=MODEL | HOLDING | {"files"},
    ),
    Row("show one of several", ("show", "ByteDance/SDXL-Lightning"), 2, "nothing"),
    Row("show unknown", ("show", "starter-bass"), exit_code=2, shape="nothing"),
    Row("pull nothing known", ("pull", "sd-turbi"), exit_code=2, shape="nothing"),
    Row("pull the pack", ("pull", "starter-base"), exit_code=2, shape="nothing"),
    Row("pull one of several", ("pull", "ByteDance/SDXL-Lightning"), 2, "nothing"),
    Row("pull offline", ("pull", "org/tiny", "--json"), exit_code=3, shape="nothing"),
    Row("pull a bad id", ("pull", "a/b/c"), exit_code=2, shape="nothing"),
    Row("pull bad steps", ("pull", "org/tiny", "--steps", "0"), exit_code=2, shape="nothing"),
    Row("pull the recommended", ("pull", "--recommended", "--dry-run", "-q"), shape="quiet"),
    Row(
        "pull the recommended as json",
        ("pull", "--recommended", "--dry-run", "--json"),
        shape="lines",
        keys=RECOMMENDED,
    ),
    Row("pull nothing", ("pull",), exit_code=2, shape="nothing"),
    Row("pull two things", ("pull", "sd-turbo", "--recommended"), exit_code=2, shape="nothing"),
    Row("ps", ("ps", "--json"), shape="array", keys=RESIDENT),
    Row("ps names", ("ps", "-q"), shape="quiet"),
    Row("stop", ("stop", "starter-base@8", "--json"), shape="object", keys=STOPPED),
    Row("stop unknown", ("stop", "starter-bass"), exit_code=2, shape="nothing"),
    Row("verify", ("verify", "starter-base", "--json"), shape="object", keys=VERIFIED),
    Row("verify absent", ("verify", "sd-turbo"), exit_code=3, shape="nothing"),
    Row("verify unknown", ("verify", "nobody"), exit_code=2, shape="nothing"),
    Row("rm the pack", ("rm", "starter-base", "--yes"), exit_code=2, shape="nothing"),
    Row("rm absent", ("rm", "stabilityai/sd-turbo", "--yes"), exit_code=3, shape="nothing"),
    Row("import nothing", ("import", "nowhere", "--name", "n"), exit_code=2, shape="nothing"),
    Row("import unnamed", ("import", "."), exit_code=2, shape="nothing"),
    Row("history ls", ("history", "ls", "--json"), shape="array", keys=GENERATE),
    Row("history stats", ("history", "stats", "--json"), shape="object"),
    Row("history path", ("history", "path")),
    Row("history show nothing", ("history", "show", "01ZZ"), exit_code=2, shape="nothing"),
    Row("why nothing", ("why", "nowhere.png"), exit_code=2, shape="nothing"),
    Row("starter verify", ("starter", "verify", "--no-draw", "--json"), shape="object"),
    Row("config path", ("config", "path")),
    Row("config show", ("config", "show", "--json"), shape="object"),
    Row("config validate", ("config", "validate")),
    Row("doctor", ("doctor", "--json"), shape="array"),
    Row("an unknown command", ("generat", CAT), exit_code=2, shape="nothing"),
    Row("an unknown option", ("route", CAT, "--frobnicate"), exit_code=2, shape="nothing"),
    Row("bench export nothing", ("bench", "export", "nobody"), exit_code=2, shape="nothing"),
    Row("queue ls", ("queue", "ls", "--json"), shape="array"),
    Row("queue run nothing", ("queue", "run", "--json"), shape="nothing"),
    Row("queue cancel nothing", ("queue", "cancel", "nobody"), exit_code=2, shape="nothing"),
    Row("queue pause unsaid", ("queue", "pause"), exit_code=2, shape="nothing"),
    Row("bench ls", ("bench", "ls", "--json"), shape="array"),
    Row(
        "bench run without the weights that read",
        ("bench", "run", "--prompts", "starter", "--metrics", "aesthetic", "--dry-run"),
        exit_code=3,
        shape="nothing",
    ),
    Row("bench import nothing", ("bench", "import", "no.csv", "--name", "b"), 2, "nothing"),
    Row("bench report nothing", ("bench", "report", "nobody", "--json"), 2, "nothing"),
    Row("bench rm nothing", ("bench", "rm", "nobody", "--yes"), exit_code=2, shape="nothing"),
    Row("router ls", ("router", "ls", "--json"), shape="array", keys=ROUTER),
    Row("router show", ("router", "show", "starter", "--json"), shape="object", keys=CARD),
    Row("router use", ("router", "use", "starter", "--json"), shape="object"),
    Row("router use nobody", ("router", "use", "nobody"), exit_code=2, shape="nothing"),
    Row("router rollback", ("router", "rollback"), exit_code=2, shape="nothing"),
    Row("router rm shipped", ("router", "rm", "starter", "--yes"), 2, "nothing"),
    Row("router export", ("router", "export", "starter")),
    Row("router import nothing", ("router", "import", "no.zip"), exit_code=2, shape="nothing"),
    Row("router eval nothing", ("router", "eval", "starter", "--bench", "no"), 2, "nothing"),
    Row("router retrain nothing", ("router", "retrain"), exit_code=2, shape="nothing"),
    Row("route over", ("route", CAT, "--session-budget", "1e-30"), 6, "nothing"),
    Row(
        "router train a kind there is not",
        ("router", "train", "--bench", "b", "--name", "x", "--kind", "oracle9"),
        2,
        "nothing",
    ),
    Row(
        "router train what the kind cannot read",
        (
            "router",
            "train",
            "--bench",
            "b",
            "--name",
            "x",
            "--kind",
            "cems",
            "--features",
            "instant",
        ),
        2,
        "nothing",
    ),
    Row(
        "router train nothing",
        ("router", "train", "--bench", "nobody", "--name", "x"),
        exit_code=2,
        shape="nothing",
    ),
    Row("the app in a pipe", (), exit_code=2, shape="nothing"),
)
