"""Two examples of every command, for its help."""

from __future__ import annotations

from collections.abc import Mapping

EXAMPLES: Mapping[str, tuple[str, str]] = {
    "cems": (
        'cems generate "a red car"',
        'cems route "a red car"',
    ),
    "cems generate": (
        'cems generate "a red car" --size 64x64 -n 4',
        "cems generate -f prompts.txt --session-budget 0.001 --dry-run",
    ),
    "cems route": (
        'cems route "a rocket above the moon" --explain',
        'cems route "a rocket" --pool sdxl-turbo@4,sd-turbo@1 --json',
    ),
    "cems finish": (
        "cems finish 01KAZ3M5QT 01KAZ3M5QV",
        "cems finish 01KAZ3M5QT --function starter-base@20 --dry-run",
    ),
    "cems why": (
        "cems why picture.png",
        "cems why 01KAZ3M5QT --json",
    ),
    "cems ls": (
        "cems ls --fits",
        "cems ls --paths",
    ),
    "cems show": (
        "cems show sd-turbo",
        "cems show starter-base@20 --json",
    ),
    "cems pull": (
        "cems pull --recommended --dry-run",
        "cems pull stabilityai/sd-turbo --steps 1",
    ),
    "cems verify": (
        "cems verify starter-base",
        "cems verify sd-turbo --json",
    ),
    "cems rm": (
        "cems rm sd-turbo --dry-run",
        "cems rm sd-turbo --yes",
    ),
    "cems import": (
        "cems import ./my-pipeline --name mine --steps 4,20",
        "cems import network.safetensors --name mine --base sd-turbo",
    ),
    "cems ps": (
        "cems ps",
        "cems ps --json",
    ),
    "cems stop": (
        "cems stop starter-base",
        "cems stop sd-turbo --json",
    ),
    "cems vote": (
        "cems vote",
        "cems vote --report",
    ),
    "cems shadow": (
        "cems shadow on --pictures 20",
        "cems shadow status",
    ),
    "cems shadow on": (
        "cems shadow on --pictures 20",
        "cems shadow on --seconds 600 --budget 0.001",
    ),
    "cems shadow off": (
        "cems shadow off",
        "cems shadow status",
    ),
    "cems shadow status": (
        "cems shadow status",
        "cems shadow status --json",
    ),
    "cems shadow run": (
        "cems shadow run --pictures 8",
        "cems shadow run --seconds 60 --json",
    ),
    "cems doctor": (
        "cems doctor",
        "cems doctor --json",
    ),
    "cems completion": (
        'eval "$(cems completion bash)"',
        "cems completion fish > ~/.config/fish/completions/cems.fish",
    ),
    "cems history": (
        'cems history ls --search "red car"',
        "cems history stats",
    ),
    "cems history ls": (
        'cems history ls --search "red car function:starter-turbo since:7d"',
        "cems history ls --sort score --paths",
    ),
    "cems history export": (
        "cems history export --format csv --out history.csv",
        "cems history export --pictures shared --strip --search star:yes",
    ),
    "cems history rate": (
        "cems history rate 01KAZ3M5QT 4",
        "cems history rate 01KAZ3M5QT none",
    ),
    "cems history star": (
        "cems history star 01KAZ3M5QT",
        "cems history star 01KAZ3M5QT --off",
    ),
    "cems history rm": (
        "cems history rm 01KAZ3M5QT",
        'cems history rm --search "until:2026-01-01 rating:<2" --forever',
    ),
    "cems history restore": (
        "cems history restore 01KAZ3M5QT",
        "cems history restore --all",
    ),
    "cems history backup": (
        "cems history backup cems-backup.db",
        "cems history backup /media/disk/cems.db",
    ),
    "cems history show": (
        "cems history show 01KAZ3M5QT",
        "cems history show 01KAZ3M5QT --json",
    ),
    "cems history stats": (
        "cems history stats since:monday --group-by day --plot",
        "cems history stats --session evening --json",
    ),
    "cems history path": (
        "cems history path",
        "cems history path --json",
    ),
    "cems queue": (
        "cems queue add -f prompts.txt",
        "cems queue run",
    ),
    "cems queue add": (
        "cems queue add -f prompts.txt --tradeoff 0.3",
        'cems queue add "a red car" -n 8 --dry-run',
    ),
    "cems queue add-command": (
        "cems queue add-command -- pull sd-turbo",
        "cems queue add-command -- bench run --prompts prompts.txt --name mine",
    ),
    "cems queue ls": (
        "cems queue ls",
        "cems queue ls --all --json",
    ),
    "cems queue run": (
        "cems queue run",
        "cems queue run --order fifo --dry-run",
    ),
    "cems queue pause": (
        "cems queue pause --all",
        "cems queue pause 01KAZ3M5QT",
    ),
    "cems queue resume": (
        "cems queue resume --all",
        "cems queue resume 01KAZ3M5QT",
    ),
    "cems queue move": (
        "cems queue move 01KAZ3M5QT --first",
        "cems queue move 01KAZ3M5QT --last",
    ),
    "cems queue cancel": (
        "cems queue cancel --all",
        "cems queue cancel 01KAZ3M5QT",
    ),
    "cems queue retry": (
        "cems queue retry --all",
        "cems queue retry 01KAZ3M5QT",
    ),
    "cems queue rm": (
        "cems queue rm --finished",
        "cems queue rm 01KAZ3M5QT",
    ),
    "cems bench": (
        "cems bench run --prompts prompts.txt --name mine",
        "cems bench report mine",
    ),
    "cems bench prompts": (
        "cems bench prompts",
        "cems bench prompts spectrum",
    ),
    "cems bench run": (
        "cems bench run --prompts starter --functions starter-base@4 --dry-run",
        "cems bench run --prompts prompts.txt --seeds 3 --name mine",
    ),
    "cems bench rescore": (
        "cems bench rescore mine --scorers sharpness",
        "cems bench rescore mine --scorers nima-inception,clip-vit-b-32 --name other",
    ),
    "cems bench export": (
        "cems bench export mine --format csv --out mine.csv",
        "cems bench export mine --public --out shared.csv",
    ),
    "cems bench import": (
        "cems bench import scores.csv --name mine",
        "cems bench import outputs/ --name log",
    ),
    "cems bench ls": (
        "cems bench ls",
        "cems bench ls --json",
    ),
    "cems bench report": (
        "cems bench report mine",
        "cems bench report mine --html mine.html",
    ),
    "cems bench rm": (
        "cems bench rm mine",
        "cems bench rm mine --pictures",
    ),
    "cems router": (
        "cems router train --bench mine --name my-router",
        "cems router use my-router",
    ),
    "cems router train": (
        "cems router train --bench mine --name my-router",
        "cems router train --bench mine --name my-router --kind ridge",
    ),
    "cems router retrain": (
        "cems router retrain",
        "cems router retrain my-router --json",
    ),
    "cems router eval": (
        "cems router eval my-router --bench mine",
        "cems router eval starter --bench mine --metric clip --json",
    ),
    "cems router diff": (
        "cems router diff starter my-router --bench mine",
        "cems router diff starter my-router --bench mine --tradeoff 0.5",
    ),
    "cems router ls": (
        "cems router ls",
        "cems router ls --json",
    ),
    "cems router show": (
        "cems router show cems-clip",
        "cems router show my-router --json",
    ),
    "cems router rm": (
        "cems router rm my-router",
        "cems router rm my-router --yes",
    ),
    "cems router use": (
        "cems router use my-router",
        "cems router use my-router --force",
    ),
    "cems router rollback": (
        "cems router rollback",
        "cems router rollback --json",
    ),
    "cems router export": (
        "cems router export my-router --out my-router.zip",
        "cems router export starter --out starter.zip",
    ),
    "cems router import": (
        "cems router import my-router.zip",
        "cems router import my-router.zip --name copy",
    ),
    "cems router calibrate": (
        "cems router calibrate my-router",
        "cems router calibrate my-router --bench mine --json",
    ),
    "cems starter": (
        "cems starter verify",
        "cems starter verify --no-draw --json",
    ),
    "cems starter build": (
        "cems starter build --work work --out pack",
        "cems starter build --work work --out pack --continue-from old-pack",
    ),
    "cems starter verify": (
        "cems starter verify",
        "cems starter verify --no-draw --json",
    ),
    "cems config": (
        "cems config show",
        "cems config set routing.tradeoff 0.3",
    ),
    "cems config path": (
        "cems config path",
        "cems config path --json",
    ),
    "cems config show": (
        "cems config show",
        "cems config show --json",
    ),
    "cems config get": (
        "cems config get routing.tradeoff",
        "cems config get quality.metrics --json",
    ),
    "cems config set": (
        "cems config set pricing.currency EUR",
        "cems config set routing.tradeoff --default",
    ),
    "cems config validate": (
        "cems config validate",
        "cems config validate --json",
    ),
}
