"""Text towers are found where pipelines lie, by digest, and `cems router train` reads them."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from cems_tui import paths
from cems_tui.catalog import catalog
from cems_tui.domain.decision import Policy
from cems_tui.domain.request import Request
from cems_tui.errors import ModelMissing, OutOfMemory, UnknownName, WeightsError
from cems_tui.generation.residency import Residency
from cems_tui.profile import Profile
from cems_tui.routing.features.clip_text import read_tower
from cems_tui.routing.features.text_towers import Place, TextTowers, places_of, remember
from cems_tui.services.engine.tower_room import SharedTowerRoom
from tests.cli.cems import Ran, cems

STARTER = paths.checkpoints() / "starter" / "starter-base"
TOWER = read_tower(STARTER)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CEMS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    return tmp_path


def copied(folder: Path) -> Path:
    for part in ("text_encoder", "tokenizer"):
        shutil.copytree(STARTER / part, folder / part)
    return folder


def towers() -> TextTowers:
    here = paths.current()
    return TextTowers(lambda: places_of(catalog.builtin(), here.models, here.encoders_file))


def test_an_installed_pipelines_tower_is_reused() -> None:
    tower, folder = towers().choose(None)
    assert tower.facts.id == "starter-base"
    assert folder == STARTER
    assert towers().choose("starter-small")[0].facts.id == "starter-small"
    assert towers().find(TOWER.facts).facts == TOWER.facts


def test_a_folder_is_found_again_by_its_digest_wherever_it_lies(home: Path) -> None:
    folder = copied(home / "my-tower")
    data = (folder / "text_encoder" / "model.safetensors").read_bytes()
    (folder / "text_encoder" / "model.safetensors").write_bytes(data[:-1] + b"\x01")
    tower, where = towers().choose(str(folder))
    assert tower.facts.id == "my-tower"
    with pytest.raises(WeightsError, match="not on this machine"):
        towers().find(tower.facts)
    remember(tower, where, paths.current().encoders_file)
    assert towers().find(tower.facts).facts == tower.facts


def ledger(budget: int) -> Residency:
    def unused(wanted: object) -> None:
        raise AssertionError("no model is loaded here")

    return Residency(budget, unused, unused)  # type: ignore[arg-type]


def test_a_tower_stands_in_the_ledger_leaves_it_and_is_read_again_when_it_is_wanted() -> None:
    from cems_tui.routing.features.sentence_encoder import SentenceEncoder
    from cems_tui.routing.features.text_towers import SENTENCE_ENCODER

    shipped = paths.checkpoints() / "encoder"
    sentences = TextTowers(lambda: [Place(SENTENCE_ENCODER, shipped)]).choose(None, "text")[0]
    assert isinstance(sentences, SentenceEncoder)
    for own, name in ((TOWER, "starter-base:text"), (sentences, SENTENCE_ENCODER)):
        residency = ledger(own.held_bytes)
        here = [Place("starter-base", STARTER), Place(SENTENCE_ENCODER, shipped)]
        tower = TextTowers(lambda here=here: here, SharedTowerRoom(residency)).find(own.facts)  # type: ignore[misc]
        assert residency.held_bytes == 0, "it is read when it is wanted"
        read = tower.embeddings(["a red car"])
        assert (read == own.embeddings(["a red car"])).all()
        [there] = residency.present()
        assert (there.model, there.kind, there.in_use) == (name, "text tower", False)
        assert residency.held_bytes == own.held_bytes
        assert residency.resident() == frozenset(), "it draws nothing"
        assert residency.free(name)
        assert residency.held_bytes == 0
        assert (tower.embeddings(["a red car"]) == read).all()


def test_a_tower_that_has_no_room_says_so_with_the_numbers() -> None:
    room = SharedTowerRoom(ledger(TOWER.held_bytes - 1))
    tower = TextTowers(lambda: [Place("starter-base", STARTER)], room).find(TOWER.facts)
    with pytest.raises(OutOfMemory, match=r"starter-base:text needs 1\.1 MB; 0\.0 MB is in use"):
        tower.embeddings(["a red car"])


def test_a_prompt_is_decided_by_its_letters_where_the_tower_has_no_room() -> None:
    room = SharedTowerRoom(ledger(1))
    with Profile.current().history() as store:
        planner = Profile.current().planner_over(store, room)
        asked = Request("", "a red car", Policy.tradeoff(0.5), router="cems-mixed")
        decision = planner.decide(asked, frozenset(), installed_only=False)
    assert decision.choice is not None
    assert decision.features == "instant"
    [note] = [note.text for note in decision.notes if note.kind == "memory"]
    assert note.endswith("only the prompt's letters were read")
    assert not decision.provisional, "more room is not on its way"


def test_another_tower_under_the_same_name_is_refused_with_both_digests() -> None:
    facts = replace(TOWER.facts, sha256="sha256:before")
    with pytest.raises(WeightsError, match="sha256:before") as caught:
        towers().find(facts)
    assert TOWER.facts.sha256 in str(caught.value)


def test_the_papers_tower_comes_first_where_the_hub_cache_has_it(home: Path) -> None:
    from transformers import CLIPTextConfig, CLIPTextModel

    name = "models--openai--clip-vit-base-patch16"
    folder = home / "hub" / "hub" / name / "snapshots" / ("0" * 40)
    CLIPTextModel(CLIPTextConfig(vocab_size=210)).save_pretrained(folder)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(STARTER / "tokenizer" / file, folder / file)
    with pytest.raises(WeightsError, match="shape of ViT-B/16"):  # 210 words are not its 49,408
        towers().choose(None)


def test_nothing_at_hand_and_unknown_names_say_what_to_do() -> None:
    with pytest.raises(ModelMissing, match="no CLIP text tower") as caught:
        TextTowers(list).choose(None)
    assert "--encoder" in caught.value.hint
    with pytest.raises(UnknownName, match="starter-bass"):
        towers().choose("starter-bass")
    empty = TextTowers(lambda: [Place("gone", STARTER / "nowhere")])
    with pytest.raises(WeightsError, match="not on this machine"):
        empty.find(TOWER.facts)


def scores(home: Path, functions: tuple[str, ...]) -> Path:
    """A small table whose first function is good for crowds and the second for the rest."""
    rows = ["prompt_id,prompt,function,metric,score,cost_usd"]
    things = ("ball", "box", "cone", "ring", "star", "cup", "tree", "fish")
    colours = ("red", "blue", "green", "yellow", "purple", "white")
    for number in range(48):
        one, two = things[number % 8], things[number // 6]
        crowd = number % 2
        prompt = f"a {colours[number // 8]} {one}" + f" and a {two} on a table" * crowd
        head = f"p{number},{prompt}"
        for place, function in enumerate(functions):
            score = f"{crowd == place:d}.{number % 7}"
            rows.append(f"{head},{function},quality,{score},1e-{place + 5}")
    path = home / f"{len(functions)}.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def test_the_command_trains_and_routes_with_a_tower_that_is_installed(home: Path) -> None:
    table = scores(home, ("starter-base@20", "starter-small@4"))
    assert run(home, "bench", "import", str(table), "--name", "b").code == 0
    options = ("--kind", "cems", "--encoder", "starter-base", "--tower", "frozen")
    trained = run(home, "router", "train", "--bench", "b", "--name", "mine", *options)
    assert trained.code == 0, trained.err
    assert re.search(r"epoch (\d+) of \1\b", trained.err)
    routed = run(home, "route", "a red ball", "--router", "mine", "--json")
    assert routed.code == 0, routed.err
    known = [c for c in routed.lines[0]["candidates"] if c["quality_source"] == "router"]
    assert len(known) == 2
    assert all(c["quality"] is None and c["interval"] is None for c in known)
    assert sum(c["probability"] for c in known) == pytest.approx(1.0, abs=1e-5)
    assert run(home, "route", "a ball", "--router", "mine", "--floor", "1").code == 2
    dial = run(home, "route", "a ball", "--router", "mine", "--tradeoff", "0", "--json")
    assert dial.lines[0]["choice"] == "starter-small@4"


def test_a_benchmark_of_a_new_function_extends_a_router_of_clusters(home: Path) -> None:
    for name, functions in (
        ("old", ("starter-base@20", "starter-small@4")),
        ("fresh", ("starter-turbo@1",)),
    ):
        table = scores(home, functions)
        assert run(home, "bench", "import", str(table), "--name", name).code == 0
    Profile.current().trainer.train("old", "themes", "clusters", None, lambda text: None)
    options = ("--extend", "themes", "--name", "more", "--json")
    more = run(home, "router", "train", "--bench", "fresh", *options)
    assert more.code == 0, more.err
    card = Profile.current().shelf().named("more").card
    assert list(card.functions) == ["starter-base@20", "starter-small@4", "starter-turbo@1"]
    assert card.verdict == "not evaluated"


@pytest.mark.parametrize(
    "arguments",
    [
        ("--kind", "cems", "--features", "instant"),
        ("--kind", "knn", "--features", "instant", "--encoder", "starter-base"),
    ],
)
def test_what_cannot_be_trained_is_a_usage_error(home: Path, arguments: tuple[str, ...]) -> None:
    ran = run(home, "router", "train", "--bench", "b", "--name", "x", *arguments)
    assert ran.code == 2
    assert not ran.out


def run(home: Path, *arguments: str) -> Ran:
    return cems(*arguments, home=home / "home")
