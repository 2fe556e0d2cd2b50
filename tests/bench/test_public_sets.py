"""Sets of prompts: ours spans its range, tables are read, public ones are fetched and checked."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from cems_tui.bench.prompt_sets import (
    PUBLIC,
    fetch,
    fetched,
    public_prompts,
    read_prompt_file,
    spectrum,
    table_prompts,
)
from cems_tui.cli.commands.bench.prompts import prompts_named
from cems_tui.errors import DownloadError, UsageError
from cems_tui.models.hub.client import Hub
from cems_tui.profile import Profile
from tests.cli.inside import Inside, inside
from tests.models.fake_hub import FakeHub, Fault

__all__ = ["inside"]


def silent(text: str) -> None:
    """Hears nothing."""


def test_our_own_set_spans_its_range() -> None:
    prompts = spectrum()
    assert len(prompts) >= 300
    assert len({one.prompt.lower() for one in prompts}) == len(prompts)
    assert prompts[0].prompt == "a white and empty wall"
    words = [len(one.prompt.split()) for one in prompts]
    assert min(words) == 1
    assert max(words) >= 50
    kinds = Counter(one.kind for one in prompts)
    assert len(kinds) >= 12
    assert min(kinds.values()) >= 12
    grades = Counter(one.difficulty for one in prompts)
    assert set(grades) == {1, 2, 3, 4, 5}
    assert min(grades.values()) >= 35


def test_harder_prompts_of_our_own_set_say_more() -> None:
    mean = {}
    for grade in range(1, 6):
        words = [len(one.prompt.split()) for one in spectrum() if one.difficulty == grade]
        mean[grade] = sum(words) / len(words)
    assert sorted(mean, key=mean.__getitem__) == [1, 2, 3, 4, 5]
    crowds = [one for one in spectrum() if one.kind == "crowd"]
    assert min(one.difficulty for one in crowds) >= 3


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_table_of_prompts_is_read_by_its_head(separator: str) -> None:
    told: list[str] = []
    text = separator.join(("Prompt", "Category", "Note")) + "\r\n"
    text += separator.join(("a cat", "animals", "x")) + "\r\n"
    text += separator.join(("  ", "", "")) + "\r\n" + separator.join(("a car", "", "y")) + "\r\n"
    lines = table_prompts(text, "t.csv", told.append)
    assert [(one.prompt, one.group, one.line) for one in lines] == [
        ("a cat", "animals", 2), ("a car", None, 4)
    ]  # fmt: skip
    assert any("Note" in one for one in told)
    assert any("1 row" in one for one in told)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("id,words\n1,a cat\n", "no column `prompt`"),
        ("prompt\n", "no prompt"),
        ("prompt,group\na cat,g\n" + "x" * 10_001 + ",g\n", "line 3"),
        ("prompt\n" + "y" * 1_000_000 + "\n", "line 2"),
        ("prompt,Prompt\na cat,b\n", "two columns `prompt`"),
        ("prompt,class,class\na cat,b,c\n", "two columns `class`"),
        ("prompt\na cat\na dog, running\n", "line 3: 1 column, and ' running' beyond the last"),
    ],
)
def test_a_bad_table_is_refused_and_named(text: str, word: str) -> None:
    with pytest.raises(UsageError, match=word):
        table_prompts(text, "t.csv", silent)


def test_a_table_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.csv").write_bytes(b"prompt\ncaf\xe9\n")
    with pytest.raises(UsageError, match="UTF-8"):
        read_prompt_file(tmp_path / "latin.csv", silent)
    with pytest.raises(UsageError, match="missing"):
        read_prompt_file(tmp_path / "missing.csv", silent)
    (tmp_path / "utf16.csv").write_bytes("prompt\nein Käfer\n".encode("utf-16"))
    assert read_prompt_file(tmp_path / "utf16.csv", silent)[0].prompt == "ein Käfer"


def parquet(columns: dict[str, list[object]]) -> bytes:
    import pyarrow
    from pyarrow import parquet as format

    stream = io.BytesIO()
    format.write_table(pyarrow.table(columns), stream)
    return stream.getvalue()


PARTI = (
    "Prompt\tCategory\tChallenge\tNote\nbond\tAbstract\tBasic\tx\n"
    '"a" sign\tArts\tBasic\tx\nbond\tAbstract\tBasic\ttwice\n'
)


def repositories() -> dict[str, dict[str, bytes]]:
    numbers = range(2_500)
    return {
        "nateraw/parti-prompts": {"README.md": b"#", "PartiPrompts.tsv": PARTI.encode()},
        "sayakpaul/drawbench": {
            "DrawBench Prompts - Sheet1.csv": b'Prompts,Category\n"a cat, a dog",Counting\n'
        },
        "poloclub/diffusiondb": {
            "metadata.parquet": parquet(
                {
                    "prompt": [f"prompt {number}" for number in numbers] + ["bad", None],
                    "prompt_nsfw": [0.1] * len(numbers) + [0.9, 0.0],
                }
            )
        },
        "phiyodr/coco2017": {
            "data/train-0.parquet": b"not asked for",
            "data/validation-0.parquet": parquet({"captions": [["one", "two"], ["three"]]}),
        },
    }


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with FakeHub(repositories(), licence="apache-2.0") as found:
        for name, value in found.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        yield found


def got(name: str, folder: Path, hub: FakeHub) -> list[tuple[str, str | None]]:
    record = fetch(PUBLIC[name], folder, Hub(hub.url), silent)
    assert fetched(PUBLIC[name], folder) == record
    assert record.licence == "apache-2.0"
    assert record.commit == hub.commit(PUBLIC[name].repository)
    lines = public_prompts(PUBLIC[name], record, folder, silent)
    return [(one.prompt, one.group) for one in lines]


def test_public_sets_are_fetched_with_their_licence_and_digest(
    hub: FakeHub, tmp_path: Path
) -> None:
    assert got("partiprompts", tmp_path, hub) == [("bond", "Abstract"), ('"a" sign', "Arts")]
    assert got("drawbench", tmp_path, hub) == [("a cat, a dog", "Counting")]
    assert got("coco", tmp_path, hub) == [("one", None), ("three", None)]
    assert hub.bytes_sent("data/train-0.parquet") == 0


def test_a_sample_is_the_same_every_time_and_leaves_out_what_it_must(
    hub: FakeHub, tmp_path: Path
) -> None:
    first = got("diffusiondb", tmp_path / "one", hub)
    assert len(set(first)) == 2_000
    assert ("bad", None) not in first
    assert got("diffusiondb", tmp_path / "other", hub) == first


def test_a_set_that_is_altered_on_its_way_or_gone_is_refused(hub: FakeHub, tmp_path: Path) -> None:
    hub.fail("metadata.parquet", Fault(corrupt=True, always=True))
    with pytest.raises(DownloadError, match="content differs"):
        fetch(PUBLIC["diffusiondb"], tmp_path, Hub(hub.url), silent)
    assert fetched(PUBLIC["diffusiondb"], tmp_path) is None
    hub.repos["sayakpaul/drawbench"] = {"other.csv": b""}
    with pytest.raises(DownloadError, match=r"DrawBench\*\.csv"):
        fetch(PUBLIC["drawbench"], tmp_path, Hub(hub.url), silent)


def test_a_damaged_record_is_told(tmp_path: Path) -> None:
    (tmp_path / "coco").mkdir()
    names = ("repository", "commit", "path", "sha256", "licence")
    outside = json.dumps(dict.fromkeys(names, "x") | {"path": "../../precious.csv"})
    for text in ("{", "[]", '{"repository": 1}', outside):
        (tmp_path / "coco" / "set.json").write_text(text)
        with pytest.raises(UsageError, match="damaged"):
            fetched(PUBLIC["coco"], tmp_path)


def test_the_sets_are_listed_and_printed(inside: Inside, tmp_path: Path) -> None:
    listed = {one["name"]: one for one in inside("bench", "prompts", "--json").document}
    assert {"spectrum", "starter", "history", *PUBLIC} <= set(listed)
    assert listed["spectrum"]["words"]["prompts"] >= 300
    assert listed["coco"]["fetched"] is False
    assert listed["partiprompts"]["licence"] == "Apache-2.0"
    ours = inside("bench", "prompts", "spectrum", "--json").document
    assert ours[0] == {"prompt": "a white and empty wall", "group": "plain", "difficulty": 1}
    assert inside("bench", "prompts", "history").code == 2
    (tmp_path / "twice.txt").write_text("a cat\na cat\na dog\n")
    ran = inside("bench", "prompts", "twice.txt", "-q")
    assert ran.out.splitlines() == ["a cat", "a dog"]
    assert "1 prompt repeated" in ran.err
    assert inside("bench", "prompts", "no such set").code == 2


def test_a_prompt_is_one_prompt_whatever_stands_around_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CEMS_HOME", str(tmp_path / "home"))
    (tmp_path / "p.txt").write_text("a cat\n\n \t\n a cat \na dog\na cat\n")
    lines = prompts_named(str(tmp_path / "p.txt"), Profile.current())
    assert [line.prompt for line in lines] == ["a cat", "a dog"]
    assert "2 prompts repeated: drawn once" in capsys.readouterr().err
