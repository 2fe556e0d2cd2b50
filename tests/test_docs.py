"""The README tells the truth: every command it shows runs, and its two lines stand on their own."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.cli.cems import ROOT, cems

README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"(<!-- \w+ -->\n)?```sh\n(.*?)```", README, flags=re.S)
SETUP = {mark.strip(): block.strip() for mark, block in BLOCKS if mark}
SHOWN = [
    line.split("  #")[0].strip()
    for mark, block in BLOCKS
    if not mark
    for line in block.splitlines()
    if "cems " in line
]


def test_the_two_lines_are_single_lines_that_set_up_once() -> None:
    for mark, command in (("<!-- main -->", 'cems generate "'), ("<!-- tests -->", "pytest")):
        line = SETUP[mark]
        assert "\n" not in line
        assert line.startswith("(test -x .venv/bin/")  # a second call repeats no set-up
        assert command in line.rsplit("&&", 1)[1]


def test_the_readme_shows_its_commands() -> None:
    assert len(SHOWN) > 15


def test_the_readme_shows_every_picture_there_is_and_they_are_small() -> None:
    shown = set(re.findall(r"!\[[^\]]{10,}\]\((\.pictures/[^)]+)\)", README))
    files = list((ROOT / ".pictures").iterdir())
    assert shown == {f".pictures/{file.name}" for file in files}
    assert sum(file.stat().st_size for file in files) < 1_000_000


@pytest.fixture(scope="module")
def used_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a prompt file, a score table and a picture, as the README's reader would have."""
    folder = tmp_path_factory.mktemp("reader")
    (folder / "prompts.txt").write_text("a red car\na cat\n")
    (folder / "scores.csv").write_text(score_table())
    made = cems("generate", "a cat", "--out", "pictures", "--no-score", "-q", home=folder / "home")
    assert made.code == 0, made.err
    Path(made.out.strip()).rename(folder / "pictures" / "01EXAMPLE.png")
    return folder / "home"


def score_table() -> str:
    """Scores that are worth a router: cats are drawn better by one function, cars by the other."""
    rows = ["prompt_id,prompt,function,metric,score,cost_usd"]
    for number in range(160):
        noun = ("cat", "car")[number % 2]
        prompt = f"{number} a {noun} {('at night', 'in a garden')[number // 2 % 2]}"
        for function, liked, cost in (("cheap@4", "cat", 1e-6), ("dear@20", "car", 4e-6)):
            score = 30 + 4 * (noun == liked) + number % 7 / 10
            rows.append(f"{number},{prompt},{function},clip,{score},{cost}")
    return "\n".join(rows) + "\n"


@pytest.mark.slow
@pytest.mark.parametrize("shown", SHOWN)
def test_every_command_the_readme_shows_runs(shown: str, used_home: Path) -> None:
    stdin = (used_home.parent / "prompts.txt").read_bytes() if shown.startswith("cat ") else None
    words = shlex.split(shown.split(" > ")[0].rsplit("| ", 1)[-1])
    assert words[0] == "cems"
    ran = cems(*words[1:], home=used_home, stdin=stdin)
    assert ran.code == 0, ran.err
