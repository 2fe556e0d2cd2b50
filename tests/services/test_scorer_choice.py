"""Which instrument reads whose pictures, and what is said where none can."""

from __future__ import annotations

import gc
import hashlib
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cems_tui import paths
from cems_tui.domain.function import GenerationFunction, Model
from cems_tui.domain.score import MixedConstants, MixedScale, Score
from cems_tui.errors import ModelMissing, OutOfMemory, UnknownName, UsageError
from cems_tui.generation.residency import Residency
from cems_tui.models.ledger import Entry, Ledger, PinnedFile
from cems_tui.profile import Profile
from cems_tui.scoring.instruments import (
    INSTRUMENTS,
    METRICS,
    LineUp,
    instruments_of,
    line_up,
    metrics_of,
    needed,
    ranges_of,
)
from cems_tui.scoring.panel import LazyScorer, MixedReading, Panel, ScorerChoice
from cems_tui.services.planner import Planner
from cems_tui.services.scorers import Scorers, SharedRoom
from cems_tui.settings import Settings, problems

MODELS = sorted({name for one in INSTRUMENTS for name in one.weights})
STARTER = ("starter-base@20",)
ALL = tuple(metric for metric in METRICS if metric != "mixed")


def names(found: LineUp) -> list[str]:
    return [one.name for one in found.instruments]


def choose(
    *metrics: str,
    pack: bool = False,
    installed: Sequence[str] = (),
    named: dict[str, str] | None = None,
    pack_scorers: bool = True,
) -> LineUp:
    return line_up(
        metrics,
        pack_pictures=pack,
        named=named or {},
        installed=set(installed).__contains__,
        pack_scorers=pack_scorers,
    )


def test_the_pack_s_own_scorers_read_its_pictures_even_where_larger_ones_are() -> None:
    assert names(choose("nima", "clip", pack=True, installed=MODELS)) == [
        "starter-nima",
        "starter-clip",
    ]


def test_other_pictures_are_never_read_by_the_pack_s_small_scorers() -> None:
    found = choose("nima", "clip")
    assert names(found) == []
    assert [one.pull for one in found.missing] == [("nima",), ("clip-vit-g-14",)]
    assert "`cems pull nima`" in str(found.missing[0])


def test_of_several_large_instruments_the_first_that_is_there_reads() -> None:
    assert names(choose("clip", installed=["clip-vit-b-32"])) == ["clip-vit-b-32"]
    assert names(choose("clip", installed=["clip-vit-b-32", "clip-vit-g-14"])) == ["clip-vit-g-14"]


def test_what_the_user_names_reads_every_picture_or_is_missing() -> None:
    named = {"nima": "starter-nima", "clip": "clip-vit-b-32"}
    for pack in (True, False):
        found = choose("nima", "clip", pack=pack, installed=MODELS, named=named)
        assert names(found) == ["starter-nima", "clip-vit-b-32"]
    found = choose("clip", pack=True, installed=["clip-vit-g-14"], named=named)
    assert names(found) == []
    assert found.missing[0].pull == ("clip-vit-b-32",)


def test_an_instrument_of_two_models_asks_for_the_one_that_lacks() -> None:
    found = choose("aesthetic", pack=True, installed=["clip-vit-l-14"])
    assert found.missing[0].pull == ("laion-aesthetic",)
    assert choose("aesthetic").missing[0].pull == ("laion-aesthetic", "clip-vit-l-14")


def test_mixed_brings_its_parts_and_sharpness_needs_nothing() -> None:
    assert needed(["mixed", "sharpness"]) == ["sharpness", "nima", "clip"]
    assert names(choose("sharpness", pack_scorers=False)) == ["sharpness"]


metric_lists = st.lists(st.sampled_from(METRICS), unique=True)
choices = st.fixed_dictionaries(
    {},
    optional={m: st.sampled_from(instruments_of(m)) for m in ("nima", "clip")},
)


@given(metric_lists, st.booleans(), st.sets(st.sampled_from(MODELS)), choices, st.booleans())
def test_every_metric_is_read_once_by_something_that_is_there_or_is_told_missing(
    metrics: list[str], pack: bool, installed: set[str], named: dict[str, str], pack_scorers: bool
) -> None:
    found = choose(
        *metrics, pack=pack, installed=list(installed), named=named, pack_scorers=pack_scorers
    )
    told = [one.metric for one in found.instruments] + [one.metric for one in found.missing]
    assert sorted(told) == sorted(needed(metrics))
    for one in found.instruments:
        assert set(one.weights) <= installed
        assert not one.in_pack or pack_scorers
        if one.metric in named:
            assert one.name == named[one.metric]
        elif not pack:
            assert not one.in_pack
    for lacking in found.missing:
        assert not set(lacking.pull) & installed


@given(metric_lists, st.sets(st.sampled_from(MODELS)), st.sampled_from(MODELS))
def test_installing_more_never_loses_a_metric(
    metrics: list[str], installed: set[str], more: str
) -> None:
    before = choose(*metrics, installed=list(installed))
    after = choose(*metrics, installed=[*installed, more])
    assert {one.metric for one in before.instruments} <= {one.metric for one in after.instruments}


def test_lists_of_metrics_and_ranges_are_read_or_refused() -> None:
    assert metrics_of(" nima,clip , nima,") == ("nima", "clip")
    with pytest.raises(UnknownName, match="'clap'"):
        metrics_of("nima,clap")
    assert ranges_of("") is None
    assert ranges_of("3, 7,10,30") == MixedConstants(3, 7, 10, 30)
    for text in ("1,2,3", "a,b,c,d", "3,3,10,30"):
        with pytest.raises(UsageError):
            ranges_of(text)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("metrics", "nima,clap"),
        ("metrics", 3),
        ("nima", "clip-vit-g-14"),
        ("clip", "other"),
        ("mixed", "1,2"),
        ("device", "tpu"),
    ],
)
def test_a_setting_that_cannot_be_followed_is_named(key: str, value: object) -> None:
    [problem] = problems({"quality": {key: value}})
    assert f"quality.{key}" in problem
    assert not problems({"quality": {"metrics": "sharpness,mixed", "clip": "clip-vit-b-32"}})
    assert not problems({"quality": {"mixed": "3,7,10,30", "nima": "", "device": "cpu"}})


@dataclass
class Reader:
    """An instrument that reads one number off everything."""

    metric: str
    id: str
    value: float
    higher_is_better: bool = True
    weight_bytes: int = 100

    def score(self, images: Sequence[Image.Image], prompts: Sequence[str]) -> list[float]:
        return [self.value] * len(images)


@dataclass
class Room:
    """Readers by name, and how often each was loaded."""

    readers: dict[str, Reader]
    loaded: list[str] = field(default_factory=list)
    alive: dict[str, Any] = field(default_factory=dict)

    def lazy(self, name: str) -> LazyScorer:
        def load() -> Any:
            self.loaded.append(name)
            reader = replace(self.readers[name])
            self.alive[name] = weakref.ref(reader)
            return reader

        return LazyScorer(name, load)


NIMA = Reader("nima", "nima:1", 5.0)
CLIP = Reader("clip", "clip:1", 20.0)
PICTURE = Image.new("RGB", (4, 4))


def test_a_panel_loads_each_instrument_once_and_lets_go_of_it() -> None:
    room = Room({"nima": NIMA, "clip": CLIP})
    panel = Panel(lambda model: ScorerChoice((room.lazy("nima"), room.lazy("clip"))))
    panel.read([PICTURE], ["a"], "m")
    panel.read([PICTURE], ["b"], "m")
    assert room.loaded == ["nima", "clip"]
    assert panel.free() == ("nima", "clip")
    gc.collect()
    assert all(alive() is None for alive in room.alive.values())
    assert panel.free() == ()
    panel.read([PICTURE], ["c"], "m")
    assert room.loaded == ["nima", "clip"] * 2


def test_instruments_stand_in_the_ledger_of_the_device_and_leave_before_what_draws() -> None:
    readers = Room({"nima": NIMA, "clip": CLIP})
    drawing = {"base": {"unet": 500}, "other": {"other unet": 250}}
    ledger = Residency(
        700,
        lambda wanted: Drawing(drawing[wanted.model.name]),
        lambda wanted: drawing[wanted.model.name],
    )
    lazy = [replace(readers.lazy(name), weight_bytes=100) for name in ("nima", "clip")]
    panel = Panel(lambda model: ScorerChoice(tuple(lazy)), room=SharedRoom(ledger))
    with ledger.lease(a_function("base")):
        panel.read([PICTURE], ["a"], "base")
    assert ledger.held_bytes == 700
    assert {(one.model, one.kind) for one in ledger.present()} == {
        ("base", "generator"),
        ("nima", "scorer"),
        ("clip", "scorer"),
    }
    assert ledger.resident() == {"base"}, "what routes asks for those that draw"
    with (
        ledger.lease(a_function("base")),
        pytest.raises(OutOfMemory, match="other needs"),
        ledger.lease(a_function("other")),
    ):
        pass
    assert ledger.free("nima"), "stopped by its name"
    gc.collect()
    assert readers.alive["nima"]() is None
    panel.read([PICTURE], ["b"], "base")
    drawing["other"] = {"other unet": 200}
    with ledger.lease(a_function("other")):
        pass
    assert {one.model for one in ledger.present()} == {"base", "other"}


def test_an_instrument_larger_than_what_weights_may_hold_is_refused_before_it_is_loaded() -> None:
    readers = Room({"clip": CLIP})
    lazy = replace(readers.lazy("clip"), weight_bytes=900)
    panel = Panel(
        lambda model: ScorerChoice((lazy,)), room=SharedRoom(Residency(700, _none, _none))
    )
    with pytest.raises(OutOfMemory, match="clip needs"):
        panel.read([PICTURE], ["a"], "m")
    assert readers.loaded == []


def _none(wanted: GenerationFunction) -> Any:
    raise NotImplementedError


@dataclass
class Drawing:
    """A model that draws, in so many bytes."""

    weights: dict[str, int]
    closed: bool = False

    @property
    def names(self) -> dict[str, str]:
        return {key: key for key in self.weights}

    @property
    def weight_bytes(self) -> int:
        return sum(self.weights.values())

    def generate(self, job: Any, on_step: Any, stop: Any) -> Any:
        raise NotImplementedError

    def close(self) -> None:
        self.closed = True


def a_function(model: str) -> GenerationFunction:
    row = Model(model, "stable-diffusion", "CC0-1.0", "tests")
    return GenerationFunction(f"{model}@4", row, 4, 3.0, 64, 64)


def test_a_panel_reads_a_model_s_pictures_with_the_instruments_of_that_model() -> None:
    room = Room({"small": replace(NIMA, id="small:1", value=3.0), "large": NIMA})
    panel = Panel(
        lambda model: ScorerChoice((room.lazy("small" if model == "starter" else "large"),))
    )
    [own] = panel.read([PICTURE], ["a"], "starter")
    [other] = panel.read([PICTURE], ["a"], "sdxl")
    assert own == (Score("nima", 3.0, "small:1"),)
    assert other == (Score("nima", 5.0, "nima:1"),)


def test_mixed_is_told_with_its_parts_kept_back_and_never_of_other_instruments() -> None:
    room = Room({"nima": NIMA, "clip": CLIP})
    choice = ScorerChoice((room.lazy("nima"), room.lazy("clip")))
    constants = MixedConstants(3, 7, 10, 30)
    scale = MixedScale("nima:1", "clip:1", constants)
    other = MixedScale("starter-nima:1", "clip:1", constants)
    panel = Panel(
        lambda model: choice,
        lambda scores: (MixedReading(scale), MixedReading(other)),
        ("mixed",),
    )
    assert panel.read([PICTURE], ["a"]) == [(Score("mixed", 1.0, scale.id),)]
    assert str(constants) == "(nima − 3) ÷ 4 + (clip − 10) ÷ 20"


def test_what_is_missing_is_said_once() -> None:
    panel = Panel(lambda model: ScorerChoice((), (f"{model} is not read",)))
    assert panel.notes("sdxl") == ("sdxl is not read",)
    assert panel.notes("sdxl") == ()
    assert panel.notes("flux") == ("flux is not read",)


def test_a_picture_nothing_reads_has_no_scores_and_no_seconds() -> None:
    from cems_tui.scoring.panel import judged

    found = judged(Panel(lambda model: ScorerChoice(())), PICTURE, "a", "m")
    assert (found.scores, found.seconds, found.error) == ((), None, None)


def test_a_scorer_that_fails_is_told_not_raised() -> None:
    from cems_tui.scoring.panel import judged

    def load() -> Any:
        raise OutOfMemory("no room for it")

    found = judged(Panel(lambda model: ScorerChoice((LazyScorer("x", load),))), PICTURE, "a", "m")
    assert found.error == "no room for it"


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("CEMS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def install(name: str, content: bytes = b"weights", repo: str | None = None) -> Path:
    """A support model with one file, as a pull leaves it."""
    models = paths.current().models
    folder = models / name
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(content)
    pinned = PinnedFile("model.safetensors", len(content), hashlib.sha256(content).hexdigest())
    Ledger.read(models).write(Entry(name, repo or f"org/{name}", "0" * 40, (pinned,), folder=name))
    return folder


def scoring(**quality: str) -> tuple[Scorers, Planner]:
    """The scorers and the planner of these settings."""
    profile = Profile(paths.current(), Settings.of({"quality": quality}))
    with profile.history() as store:
        return profile.scorers, profile.planner_over(store)


def required(
    metrics: Sequence[str], functions: Sequence[str] = STARTER, **quality: str
) -> list[str]:
    scorers, planner = scoring(**quality)
    return names(scorers.require(planner, metrics, functions))


def test_a_benchmark_of_a_metric_without_weights_is_refused_with_exit_code_3(home: Path) -> None:
    with pytest.raises(ModelMissing) as caught:
        required(("nima", "aesthetic"))
    assert caught.value.exit_code == 3
    assert "aesthetic cannot be read" in str(caught.value)
    assert "Run `cems pull laion-aesthetic` and `cems pull clip-vit-l-14`" in caught.value.hint


def test_a_benchmark_of_the_pack_and_another_model_has_one_instrument_for_both(
    home: Path,
) -> None:
    both = (*STARTER, "sd-turbo@1")
    assert required(("nima",)) == ["starter-nima"]
    with pytest.raises(ModelMissing, match="nima cannot be read"):
        required(("nima",), both)
    install("nima")
    assert required(("nima",), both) == ["nima"]


def test_mixed_of_instruments_no_router_knows_needs_ranges_of_the_user_s_own(home: Path) -> None:
    install("nima")
    install("clip-vit-b-32")
    named = {"nima": "nima", "clip": "clip-vit-b-32"}
    with pytest.raises(UsageError, match="mixed cannot be read"):
        required(("mixed",), **named)
    scorers, planner = scoring(**named, mixed="3,7,10,30")
    found = scorers.require(planner, ("mixed",), STARTER)
    assert scorers.mixed_ranges(planner, found) == MixedConstants(3, 7, 10, 30)
    scores = (Score("nima", 5.0, "nima:x"), Score("clip", 20.0, "clip:y"))
    [scale] = scorers.mixed_scales(planner, scores)
    read = scale.read(scores)
    assert read is not None
    assert (read.metric, read.value) == ("mixed", 1.0)


def test_the_pack_s_router_knows_the_ranges_of_the_pack_s_scorers(home: Path) -> None:
    scorers, planner = scoring()
    found = scorers.require(planner, ("nima", "clip", "mixed"), STARTER)
    assert scorers.mixed_ranges(planner, found) is not None


def test_generating_with_a_model_says_which_scorers_it_lacks(home: Path) -> None:
    scorers, planner = scoring()
    panel = scorers.panel(planner)
    assert panel.notes("starter-base") == ()
    said = " ".join(panel.notes("sd-turbo"))
    assert "`cems pull nima`" in said
    assert "`cems pull clip-vit-g-14`" in said
    scorers, planner = scoring(metrics="sharpness")
    assert scorers.panel(planner).notes("sd-turbo") == ()


def test_a_model_that_lost_a_file_is_not_installed(home: Path) -> None:
    folder = install("nima")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelMissing):
        required(("nima",), nima="nima")


@pytest.mark.slow
def test_a_picture_s_sharpness_is_told_in_its_json(tmp_path: Path) -> None:
    from cems_tui.scoring.sharpness import SharpnessScorer
    from tests.cli.cems import cems

    (tmp_path / "config.toml").write_text('[quality]\nmetrics = "sharpness"\n')
    ran = cems("generate", "a red circle", "--seed", "3", "--json", home=tmp_path)
    assert ran.code == 0
    [told] = ran.lines
    assert set(told["scores"]) == {"sharpness"}
    assert told["scorers"]["sharpness"].startswith("laplacian-variance")
    with Image.open(told["image"]) as image:
        [value] = SharpnessScorer().score([image], ["a red circle"])
    assert told["scores"]["sharpness"] == pytest.approx(value)
