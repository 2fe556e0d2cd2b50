"""`cems` as its user meets it, with the real pack: pictures, rows, receipts, and every refusal."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from PIL import Image

from cems_tui.store.receipts import read_receipt
from tests.cli.cems import ROOT, Ran, cems, environment
from tests.patience import PATIENCE, TELLS_IMPORTS, until_imported

pytestmark = pytest.mark.slow

FUNCTION = "starter-base@4"
KILLS = int(os.environ.get("CEMS_TEST_KILLS", "3"))
"""How often a command is killed; more of them are run by hand."""

CAT = "a cat to the left of a red car at night"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def draw(home: Path, *more: str | bytes, prompt: str = CAT, **options: object) -> Ran:
    return cems("generate", prompt, "--function", FUNCTION, *more, home=home, **options)  # type: ignore[arg-type]


def rows(home: Path) -> int:
    with sqlite3.connect(home / "cems.db") as database:
        return int(database.execute("SELECT count(*) FROM generations").fetchone()[0])


def pngs(home: Path) -> list[Path]:
    return sorted((home / "pictures").glob("*.png"))


def assert_consistent(home: Path) -> None:
    """Every row has its whole picture with a receipt, every picture its row, nothing half-made."""
    listed = cems("history", "ls", "--json", "--limit", "1000", home=home)
    assert listed.code == 0, listed.err
    images = {Path(row["image"]) for row in listed.document}
    assert images == set(pngs(home))
    for image in images:
        with Image.open(image) as picture:
            picture.load()
        assert read_receipt(image)["image"] == str(image)
    assert [file for file in (home / "pictures").glob("*") if file.suffix != ".png"] == []
    with sqlite3.connect(home / "cems.db") as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_ten_pictures_give_ten_rows_ten_receipts_and_truthful_statistics(home: Path) -> None:
    ran = draw(home, "-n", "10", "--seed", "3", "--json")
    assert ran.code == 0, ran.err
    made = ran.lines
    assert [item["seed"] for item in made] == list(range(3, 13))
    assert len(pngs(home)) == rows(home) == 10
    assert_consistent(home)
    stats = cems("history", "stats", "--json", home=home).document
    assert stats["pictures"] == 10
    assert stats["failures"] == 0
    assert stats["unpriced"] == 0
    assert stats["cost_usd"] == pytest.approx(sum(item["cost_usd"] for item in made))
    for item in made:
        seconds = item["seconds"]
        billed = seconds["encode"] + seconds["denoise"] + seconds["decode"]
        gigabytes = -(-item["peak_memory_bytes"] // 1_000_000_000)
        assert item["cost_usd"] == pytest.approx(billed * gigabytes * 0.0000166667)
        assert set(item["scores"]) >= {"nima", "clip"}
        assert item["scorers"].keys() == item["scores"].keys()
    loads = [item["seconds"]["load"] for item in made]
    assert loads[0] > 0
    assert loads[1:] == [0.0] * 9


def test_what_is_kept_is_the_user_s_alone_unless_the_user_shares_it(home: Path) -> None:
    drawn = "a red car by a secret lake"
    home.mkdir(exist_ok=True)
    assert cems("generate", drawn, "--no-score", home=home / "own").code == 0
    shared = home / "shared"
    shared.mkdir()
    (shared / "config.toml").write_text("[storage]\nshared = true\n")
    assert cems("generate", drawn, "--no-score", home=shared).code == 0
    modes = {
        (path.is_dir(), path.stat().st_mode & 0o777)
        for path in ((home / "own"), *(home / "own").rglob("*"))
    }
    assert modes == {(True, 0o700), (False, 0o600)}
    assert {path.stat().st_mode & 0o777 for path in shared.rglob("*.png")} == {0o644}
    locks = [path.read_text() for path in (home / "own").rglob("*.lock")]
    assert not any("secret" in text for text in locks)


def test_the_same_seed_gives_the_same_picture_and_another_seed_another(home: Path) -> None:
    ran = cems(
        "generate", "-", "--no-score", "-q", home=home,
        stdin=b"".join(
            json.dumps({"prompt": CAT, "function": FUNCTION, "seed": seed}).encode() + b"\n"
            for seed in (7, 7, 8)
        ),
    )  # fmt: skip
    assert ran.code == 0, ran.err
    first, again, other = (Image.open(path).tobytes() for path in ran.out.split())
    assert first == again
    assert first != other


def test_the_card_the_picture_s_path_and_what_it_cost_are_told_to_people(home: Path) -> None:
    ran = cems("generate", CAT, home=home)
    assert ran.code == 0, ran.err
    assert "▸" in ran.out
    assert "per 1,000" in ran.out
    assert "priced  ~$" in ran.out
    assert str(pngs(home)[0]) in ran.out
    told = cems("why", str(pngs(home)[0]), home=home)
    assert told.code == 0
    assert "measured" in told.out
    assert re.search(r"^why +balanced", told.out, re.MULTILINE)
    by_id = cems("why", pngs(home)[0].stem, "--json", home=home)
    assert by_id.document["id"] == pngs(home)[0].stem
    said = by_id.document["explanation"]
    assert said["choice"] == by_id.document["function"]
    assert said["words_note"] == "" or not said["in_distribution"]  # the router is still the same
    assert by_id.document["decision"]["router_sha256"].startswith("sha256:")


HOSTILE = [
    "\x1b[31mred\x1b[0m car \x07",
    "[/oops] a [bold]cat[/bold]",
    "قطة صغيرة \u202e txt.exe",
    "🐈 and 🚗",
    "'; DROP TABLE generations; --",
    "../../etc/passwd",
    " a cat \n with a newline\t",
    "\x00 nul",
    "x" * 10_000,
]


def test_hostile_prompts_are_ordinary_prompts(home: Path) -> None:
    stdin = b"".join(json.dumps({"prompt": prompt}).encode() + b"\n" for prompt in HOSTILE)
    ran = cems("generate", "-", "--no-score", "--json", home=home, stdin=stdin)
    assert ran.code == 0, ran.err
    assert [item["prompt"] for item in ran.lines] == HOSTILE
    assert "\x1b" not in ran.out + ran.err
    shown = cems("history", "ls", home=home)
    assert "\x1b" not in shown.out
    assert "\u202e" not in shown.out
    listed = cems("history", "ls", "--json", home=home).document
    assert sorted(item["prompt"] for item in listed) == sorted(HOSTILE)
    assert_consistent(home)


def test_a_bad_line_refuses_the_whole_file_before_the_first_picture(home: Path) -> None:
    file = home.parent / "prompts.txt"
    file.write_bytes(b"a cat\n\ncaf\xe9\n")
    ran = cems("generate", "-f", str(file), home=home)
    assert ran.code == 2
    assert "line 3" in ran.err
    assert not (home / "cems.db").exists() or rows(home) == 0


@contextmanager
def damaged_pack(folder: Path, damage: str) -> Iterator[dict[str, str]]:
    """An environment whose shipped checkpoints are a damaged copy."""
    copy = folder / "damaged"
    shutil.copytree(ROOT / "checkpoints", copy / "checkpoints")
    weights = next((copy / "checkpoints/starter/starter-base/unet").glob("*.safetensors"))
    data = bytearray(weights.read_bytes())
    match damage:
        case "truncated":
            weights.write_bytes(data[: len(data) // 2])
        case "altered":
            data[-100] ^= 0xFF
            weights.write_bytes(data)
        case "missing":
            weights.unlink()
        case "manifest":
            (copy / "checkpoints/starter/manifest.json").write_text("{")
    yield {"PYTHONPATH": f"{copy}{os.pathsep}{ROOT}"}


@pytest.mark.parametrize("damage", ["truncated", "altered", "missing", "manifest"])
def test_a_damaged_weight_file_is_refused_by_name(home: Path, damage: str) -> None:
    with damaged_pack(home.parent, damage) as extra:
        ran = draw(home, extra=extra)
        assert ran.code == 3, ran.err
        assert ran.err.splitlines()[-1].startswith(" hint: ")
        assert cems("starter", "verify", home=home, extra=extra).code == 3
    assert rows(home) == 0
    assert pngs(home) == []


def test_a_folder_that_cannot_be_written_is_refused_before_any_work(home: Path) -> None:
    blocked = home.parent / "file"
    blocked.write_text("not a folder")
    ran = draw(home, "--out", str(blocked / "pictures"))
    assert ran.code == 8, ran.err
    assert "cannot" in ran.err


def test_a_newer_database_is_refused_and_left_alone(home: Path) -> None:
    assert draw(home, "--no-score", "--json").code == 0
    with closing(sqlite3.connect(home / "cems.db")) as database, database:
        database.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) "
            "SELECT migration_set, 'm999', applied_at FROM _sqlite_migrations LIMIT 1"
        )
    before = (home / "cems.db").read_bytes()
    ran = draw(home)
    assert ran.code == 8, ran.err
    assert "newer" in ran.err
    assert (home / "cems.db").read_bytes() == before


def test_a_locked_database_is_told_and_no_picture_is_left_behind(home: Path) -> None:
    assert draw(home, "--no-score").code == 0
    holder = sqlite3.connect(home / "cems.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        ran = draw(home, "--no-score")
    finally:
        holder.execute("ROLLBACK")
        holder.close()
    assert ran.code == 8, ran.err
    assert_consistent(home)


def start(
    home: Path, *arguments: str, extra: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "cems_tui", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(home, extra),
        cwd=home.parent,
        bufsize=0,  # what is read line by line leaves the rest for `communicate`
    )


def test_one_engine_has_the_device_and_the_other_is_refused_or_waits(home: Path) -> None:
    first = start(home, "generate", CAT, "--function", FUNCTION, "-n", "900", "--no-score", "-q")
    assert first.stdout is not None
    first.stdout.readline()
    refused = draw(home, "--no-score")
    assert refused.code == 7, refused.err
    assert str(first.pid) in refused.err
    waiting = start(home, "generate", CAT, "--function", FUNCTION, "--no-score", "-q", "--wait")
    time.sleep(2)
    assert waiting.poll() is None
    first.kill()  # a killed engine leaves no lock behind
    first.communicate()
    out, err = waiting.communicate(timeout=PATIENCE)
    assert waiting.returncode == 0, err.decode()
    assert Path(out.decode().strip()).exists()


IMPORTED = {"parsing": "typer", "importing": "torch._C"}
"""Moment → what was just imported: the first part of a long import."""


@pytest.mark.parametrize("moment", [*IMPORTED, "between pictures", "first row"])
def test_ctrl_c_ends_with_130_and_loses_nothing(home: Path, moment: str) -> None:
    process = start(
        *(home, "generate", CAT, "--function", FUNCTION, "-n", "200", "--no-score", "-q"),
        extra=TELLS_IMPORTS if moment in IMPORTED else None,
    )
    assert process.stdout is not None
    if moment in IMPORTED:
        until_imported(process, IMPORTED[moment])
    else:
        process.stdout.readline()
        time.sleep(0.0 if moment == "first row" else 0.5)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, err.decode()
    assert b"Traceback" not in err
    if moment != "parsing" or (home / "cems.db").exists():  # so early there need be nothing yet
        assert_consistent(home)


def test_killing_it_at_random_moments_leaves_database_and_folder_consistent(home: Path) -> None:
    chance = random.Random(20)
    for _ in range(KILLS):
        process = start(
            home, "generate", CAT, "--function", FUNCTION, "-n", "300", "--no-score", "-q"
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(chance.uniform(0.0, 1.0))
        process.kill()
        process.communicate()
    # the next engine adopts what had no row yet and takes away what was half written
    assert draw(home, "--no-score").code == 0
    assert_consistent(home)
    assert rows(home) >= 4


def test_a_session_budget_stops_before_it_is_broken(home: Path) -> None:
    ran = draw(home, "-n", "50", "--no-score", "--json", "--session-budget", "0.00001")
    assert ran.code == 6, ran.err
    assert 0 < sum(item["cost_usd"] for item in ran.lines) <= 0.00001 * 1.5
    assert len(ran.lines) == rows(home)


def test_watt_hours_are_held_to_what_is_measured_and_nothing_else(home: Path) -> None:
    unknown = draw(home, "--no-score", "--session", "mine", "--session-energy", "1")
    assert unknown.code == 6
    assert "takes of electricity is not known here" in unknown.err
    assert rows(home) == 0

    assert draw(home, "--no-score").code == 0
    with sqlite3.connect(home / "cems.db") as db:
        db.execute("UPDATE generations SET energy_wh = 0.5")
    dear = draw(home, "--no-score", "--session", "mine", "--session-energy", "0.0001")
    assert dear.code == 6
    assert "over the budget of 0.0001 Wh" in dear.err
    bill = draw(home, "--dry-run", "--session-energy", "9")
    assert "session energy 9 Wh: 1 picture expected to take" in bill.err

    more = draw(home, "-n", "2", "--no-score", "--session", "mine", "--session-energy", "9")
    with sqlite3.connect(home / "cems.db") as db:
        [(unmeasured,)] = db.execute("SELECT COUNT(*) FROM generations WHERE energy_wh IS NULL")
    assert more.code == (6 if unmeasured else 0)
    assert rows(home) == (2 if unmeasured else 3), "what the first took has to be known"
    assert ("was not measured" in more.err) == bool(unmeasured)


def test_a_benchmark_runs_is_stopped_goes_on_and_is_exported(home: Path) -> None:
    prompts = home.parent / "prompts.txt"
    prompts.write_text("a cat\na red car\n")
    run = ("bench", "run", "--prompts", str(prompts), "--functions", FUNCTION, "--seeds", "2")
    first = cems(*run, "--name", "small", "--json", home=home)
    assert first.code == 0, first.err
    assert len(first.lines) == 4
    again = cems(*run, "--name", "small", "--json", home=home)
    assert again.code == 0
    assert again.out == ""
    table = cems("bench", "export", "small", "--format", "jsonl", home=home)
    assert {row["metric"] for row in table.lines} == {"nima", "clip"}
    assert len(table.lines) == 8
    assert pngs(home) == []
    assert "the bill said ~" in first.err


def test_a_benchmark_grows_without_drawing_again_and_teaches_prices(home: Path) -> None:
    prompts = home.parent / "prompts.txt"
    prompts.write_text("a cat\na red car\n")
    run = ("bench", "run", "--prompts", str(prompts), "--functions", FUNCTION, "--name", "small")
    assert cems(*run, home=home).code == 0
    said = cems("route", "a cat", "--json", home=home).lines[0]["candidates"]
    assert {one["cost_source"] for one in said if one["function"] == FUNCTION} == {"measured"}
    [left] = cems(*run, "--dry-run", "--json", home=home).lines
    assert (left["cells"], left["kept"], left["picture_bytes"]) == (0, 2, 0)
    [left] = cems(*run, "--seeds", "3", "--resume", "--dry-run", "--json", home=home).lines
    assert (left["cells"], left["kept"], left["picture_bytes_at_most"]) == (4, 2, False)
    assert left["score_seconds"] > 0
    wider = ("bench", "run", "--name", "small", "--metrics", "nima,clip,sharpness", "--resume")
    [left] = cems(*wider, "--dry-run", "--json", home=home).lines
    assert (left["cells"], left["reads"]) == (0, 2)
    grown = cems(*wider, "--json", home=home)
    assert [one["read_only"] for one in grown.lines] == [True, True]
    assert {*grown.lines[0]["scores"]} == {"sharpness"}
    other = ("bench", "rescore", "small", "--scorers", "starter-nima", "--name", "other")
    again = cems(*other, home=home)
    assert again.code == 0, again.err
    assert "2 read" in again.err
    files = [*(home / "bench-pictures").rglob("*.webp")]
    assert len(files) == 2
    assert cems("bench", "rm", "small", "--yes", home=home).code == 0
    assert all(path.exists() for path in files)
    assert cems("bench", "rm", "other", "--pictures", "--yes", home=home).code == 0
    assert not any(path.exists() for path in files)
    refused = cems("bench", "rescore", "other", "--scorers", "sharpness", home=home)
    assert refused.code == 2
    assert "no pictures" in refused.err
    assert len(cems("bench", "export", "other", "--format", "jsonl", home=home).lines) == 6
