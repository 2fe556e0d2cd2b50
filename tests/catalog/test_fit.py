"""Whether a device holds a model, and what is worth pulling for it."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cems_tui import paths
from cems_tui.catalog.fit import VERDICTS, Fit, Room, fit, leaves, of_picture, scaled
from cems_tui.catalog.recommend import LEAST_GAIN, Candidate, Evidence, read_evidence, recommend
from cems_tui.domain.function import Expected, Footprint, Model
from cems_tui.errors import WeightsError
from cems_tui.generation.admission import Resident
from tests.routing.fakes import SHARED_DATA

GB = 1_000_000_000
TABLE = SHARED_DATA / "cems_train.parquet"
CEMS = {
    "sdxl-turbo": ("sdxl-turbo@4", 7.0),
    "sd-turbo": ("sd-turbo@1", 2.6),
    "amused-512": ("amused-512@12", 2.1),
    "sd-taesd": ("sd-taesd@25", 2.8),
}

sizes = st.integers(0, 40 * GB)
maybe = st.none() | sizes
footprints = st.builds(
    Footprint,
    weights_bytes=maybe,
    largest_bytes=maybe,
    activation_bytes=maybe,
    download_bytes=maybe,
)


def room(
    weight: float, run: float | None = None, *, kind: str = "cuda", offloads: bool = False
) -> Room:
    whole = weight if run is None else run
    free = int(whole * GB)
    return Room(kind, "a device", 80 * GB, free, int(weight * GB), free, offloads=offloads)


def candidate(name: str, function: str, size: float, **changes: object) -> Candidate:
    footprint = Footprint(int(size * GB), int(size * GB), int(size * GB), 0)
    model = Model(name, "stable-diffusion", "a licence", f"org/{name}", footprint=footprint)
    fewest = int(function.rpartition("@")[2])
    return Candidate(
        replace(model, **changes),
        (function,),
        fit(footprint, room(24)),
        fewest,  # type: ignore[arg-type]
    )


def replace_download(one: Candidate, size: float) -> Candidate:
    footprint = replace(one.model.footprint, download_bytes=int(size * GB))
    return replace(one, model=replace(one.model, footprint=footprint))


def cems_models(**installed: Path) -> list[Candidate]:
    return [
        candidate(name, function, size, path=installed.get(name.replace("-", "_")))
        for name, (function, size) in CEMS.items()
    ]


@pytest.fixture
def evidence() -> Evidence:
    return read_evidence(paths.checkpoints() / "evidence" / "cems.json")


@given(footprints, sizes, sizes, sizes, sizes)
def test_more_memory_never_makes_a_verdict_worse(
    footprint: Footprint, weight: int, run: int, more: int, more_run: int
) -> None:
    small = Room("cuda", "d", 80 * GB, run, weight, run)
    large = Room("cuda", "d", 80 * GB, run, weight + more, run + more_run)
    assert VERDICTS.index(fit(footprint, large).verdict) <= VERDICTS.index(
        fit(footprint, small).verdict
    )


@given(footprints, sizes, sizes, st.booleans())
def test_what_fits_is_within_both_limits_and_what_is_not_known_is_not_judged(
    footprint: Footprint, weight: int, run: int, offloads: bool
) -> None:
    device = Room("cuda", "d", 80 * GB, run, weight, run, offloads=offloads)
    verdict = fit(footprint, device).verdict
    weights, beside = footprint.weights_bytes, footprint.most_activation_bytes or 0
    assert (verdict == "unknown") == (weights is None)
    if verdict == "fits":
        assert weights is not None
        assert weights <= weight
        assert weights + beside <= run
    if verdict == "fits with offload":
        assert offloads, "it is not promised where it is not done"
        assert footprint.largest_bytes is not None
        assert footprint.largest_bytes + beside <= run


@given(footprints)
def test_twice_the_bytes_a_number_never_fits_better_and_downloads_the_same(
    footprint: Footprint,
) -> None:
    wide = scaled(footprint, 2)
    assert wide.download_bytes == footprint.download_bytes
    assert VERDICTS.index(fit(wide, room(8)).verdict) >= VERDICTS.index(
        fit(footprint, room(8)).verdict
    )


def test_the_reason_names_the_numbers() -> None:
    sdxl = Footprint(7 * GB, int(6.9 * GB), int(5.1 * GB), 2 * GB)
    assert fit(sdxl, room(12)) == Fit(
        "fits", "Its weights take about 6.9 GB and drawing up to 2.7 GB, of 12.0 GB there are."
    )
    tight = fit(sdxl, room(6.4, 8, offloads=True))
    assert tight.verdict == "fits with offload"
    assert all(number in tight.reason for number in ("6.9 GB", "6.4 GB", "5.1 GB", "2.7 GB"))
    small = fit(sdxl, room(4, offloads=True))
    assert small.verdict == "does not fit"
    assert "5.1 GB" in small.reason


def test_a_model_is_not_said_to_fit_part_by_part_where_nothing_draws_like_that() -> None:
    sdxl = Footprint(7 * GB, int(6.9 * GB), int(5.1 * GB), 2 * GB)
    said = fit(sdxl, room(6.4, 8))
    assert said.verdict == "does not fit"
    assert "part" not in said.reason


def test_what_an_estimate_may_be_short_by_has_to_be_free_too() -> None:
    model = Footprint(7 * GB, 6 * GB, 6 * GB, 2 * GB)
    assert fit(model, room(8.1)).verdict == "does not fit"
    assert fit(model, room(8.8)).verdict == "fits"
    assert fit(replace(model, activation_reach=1.0), room(8.1)).verdict == "fits"


def test_the_reason_for_not_knowing_is_true_of_an_installed_model_too() -> None:
    assert fit(Footprint(download_bytes=GB), room(8)) == Fit(
        "unknown", "What it takes of the device is not known yet."
    )


def test_memory_that_others_use_is_told() -> None:
    busy = Room("cuda", "d", 24 * GB, 4 * GB, None, 4 * GB)
    assert "20.0 GB of 24.0 GB is in use" in fit(Footprint(None, 7 * GB), busy).reason


def test_the_shipped_evidence_knows_every_set_of_the_four(evidence: Evidence) -> None:
    functions = [function for function, _ in CEMS.values()]
    sets = [frozenset(c) for size in range(1, 5) for c in combinations(functions, size)]
    assert set(evidence.sets) == set(sets)
    for one in sets:
        figures = evidence.sets[one]
        assert figures.oracle >= figures.best_single
        assert sum(figures.wins.values()) == pytest.approx(1, abs=1e-3)
        assert set(figures.wins) == one
        assert all(figures.oracle >= evidence.sets[less].oracle for less in sets if less < one)


def test_the_evidence_agrees_with_the_card_of_the_shipped_router(evidence: Evidence) -> None:
    import json

    card = json.loads((paths.checkpoints() / "routers" / "cems-mixed.json").read_text("utf-8"))
    quality = {row["name"]: row["quality"] for row in card["evaluation"]["strategies"]}
    assert evidence.prompts == card["training"]["prompts"]
    assert evidence.sets[evidence.functions].oracle == pytest.approx(quality["oracle"], abs=1e-5)
    for function, _ in CEMS.values():
        alone = evidence.sets[frozenset({function})]
        assert alone.best_single == pytest.approx(quality[f"always:{function}"], abs=1e-5)


@pytest.mark.skipif(not TABLE.exists(), reason="the CEMS score table is not on this machine")
def test_the_shipped_evidence_is_what_its_script_makes(tmp_path: Path) -> None:
    from tests.experiments.cems_evidence import main

    assert main([str(TABLE), str(tmp_path / "cems.json")]) == 0
    made = (tmp_path / "cems.json").read_text("utf-8")
    assert made == (paths.checkpoints() / "evidence" / "cems.json").read_text("utf-8")


def test_a_function_without_scores_has_no_gain(evidence: Evidence) -> None:
    assert evidence.gain(["sdxl@50"], ["sd-turbo@1"]) is None


def test_a_gain_is_what_the_sets_differ_by(evidence: Evidence) -> None:
    gain = evidence.gain(["sdxl-turbo@4", "sdxl-turbo@1"], ["sd-turbo@1", "mine@3"])
    assert gain is not None
    assert gain.beside == ("sd-turbo@1",)
    assert gain.single == pytest.approx(1.29638 - 1.23846)
    assert gain.routed == pytest.approx(1.32112 - 1.23846)
    assert gain.wins == pytest.approx(0.67407)
    assert gain.cell == "≤+0.08"
    assert "67% of the CEMS prompts" in gain.sentence


def test_the_first_model_with_scores_is_told_by_its_own(evidence: Evidence) -> None:
    gain = evidence.gain(["sd-turbo@1"], ["starter-base@20"])
    assert gain is not None
    assert (gain.single, gain.routed, gain.wins) == (None, None, None)
    assert gain.cell == "1.24"


def test_damaged_evidence_says_so(tmp_path: Path) -> None:
    (tmp_path / "e.json").write_text("{}")
    with pytest.raises(WeightsError, match="damaged"):
        read_evidence(tmp_path / "e.json")


def test_the_recommended_set_is_the_most_gain_for_the_bytes(evidence: Evidence) -> None:
    found = recommend(cems_models(), evidence, room(8), 500 * GB)
    assert found.names == ("sd-taesd", "sd-turbo", "sdxl-turbo")
    assert all(pick.evidence for pick in found.picks)
    assert found == recommend(cems_models(), evidence, room(8), 500 * GB)


def test_a_model_that_a_later_one_makes_needless_is_left_out(evidence: Evidence) -> None:
    small = [one for one in cems_models() if one.model.name != "sdxl-turbo"]
    cheap = [replace_download(one, 1.7) if one.model.name == "amused-512" else one for one in small]
    assert "amused-512" in recommend(cheap, evidence, room(6), 500 * GB).names
    every = [*cheap, candidate("sdxl-turbo", "sdxl-turbo@4", 7.0)]
    assert "amused-512" not in recommend(every, evidence, room(12), 500 * GB).names


def test_what_is_installed_is_not_recommended_and_counts(
    evidence: Evidence, tmp_path: Path
) -> None:
    here = cems_models(sdxl_turbo=tmp_path, sd_taesd=tmp_path)
    assert recommend(here, evidence, room(8), 500 * GB).names == ("sd-turbo",)
    done = cems_models(sdxl_turbo=tmp_path, sd_taesd=tmp_path, sd_turbo=tmp_path)
    assert recommend(done, evidence, room(8), 500 * GB).picks == ()


def test_a_cpu_is_recommended_nothing_and_told_why(evidence: Evidence) -> None:
    found = recommend(cems_models(), evidence, room(16, kind="cpu"), 500 * GB)
    assert found.picks == ()
    assert "CPU" in found.note


def test_gated_and_too_large_models_are_not_recommended(evidence: Evidence) -> None:
    gated = candidate("sdxl-turbo", "sdxl-turbo@4", 7.0, gated=True)
    large = replace(
        candidate("sd-turbo", "sd-turbo@1", 2.6), fit=Fit("fits with offload", "Part by part.")
    )
    assert recommend([gated, large], evidence, room(8), 500 * GB).picks == ()


def test_a_noncommercial_licence_is_told(evidence: Evidence) -> None:
    one = candidate("sdxl-turbo", "sdxl-turbo@4", 7.0, noncommercial=True)
    [pick] = recommend([one], evidence, room(8), 500 * GB).picks
    assert "forbids commercial use" in pick.reason


def test_a_roomy_device_is_offered_one_newer_model_that_says_it_has_no_evidence(
    evidence: Evidence, tmp_path: Path
) -> None:
    newer = [candidate("new-large", "new-large@4", 16), candidate("new-small", "new-small@4", 8)]
    slow = candidate("slow", "slow@50", 18)
    found = recommend([*newer, slow, *cems_models()], evidence, room(20, 40), 500 * GB)
    assert found.names[-1] == "new-large"
    assert not found.picks[-1].evidence
    assert found.picks[-1].reason.startswith("no evidence yet")
    assert recommend(newer, evidence, room(8), 500 * GB).picks == ()
    there = [candidate("new-large", "new-large@4", 16, path=tmp_path), newer[1]]
    assert recommend(there, evidence, room(20), 500 * GB).picks == ()


@given(st.integers(0, 60), st.sets(st.sampled_from(sorted(CEMS))))
def test_a_set_is_within_its_share_of_the_disk_and_every_model_adds_something(
    free: int, installed: set[str]
) -> None:
    evidence = read_evidence(paths.checkpoints() / "evidence" / "cems.json")
    candidates = cems_models(**{name.replace("-", "_"): Path() for name in installed})
    found = recommend(candidates, evidence, room(20), free * GB)
    assert found.download_bytes <= free * GB // 2
    assert not installed & set(found.names)
    there = {CEMS[name][0] for name in {*installed, *found.names}}
    for name in found.names:
        without = evidence.oracle(there - {CEMS[name][0]})
        assert evidence.oracle(there) - without >= LEAST_GAIN


# What one picture takes of the device


def test_a_picture_takes_the_weights_and_what_its_pixels_take() -> None:
    expected = Expected(memory_bytes=46, held_bytes=21, load_bytes=3)
    found = of_picture(expected, Footprint(), area=1.0, least_bytes=None)
    assert (found.weights_bytes, found.activation_bytes) == (21, 25)


def test_what_files_say_and_what_the_catalog_says_stand_in_for_what_was_never_drawn() -> None:
    model = Footprint(weights_bytes=100, activation_bytes=10)
    found = of_picture(Expected(held_bytes=90), model, area=4.0, least_bytes=None)
    assert (found.weights_bytes, found.activation_bytes) == (90, 40)
    found = of_picture(Expected(), model, area=4.0, least_bytes=77)
    assert (found.weights_bytes, found.activation_bytes) == (100, 77)


def test_a_picture_that_nobody_knows_anything_of_may_fit() -> None:
    unknown = of_picture(Expected(), Footprint(), area=1.0, least_bytes=10**15)
    assert fit(unknown, room(8)).verdict == "unknown"
    sure = of_picture(Expected(held_bytes=1), Footprint(), area=1.0, least_bytes=10**15)
    assert fit(sure, room(8)).verdict == "does not fit"


def test_who_would_leave_is_the_least_recently_used_whose_weights_are_not_shared() -> None:
    there = (
        Resident("old", {"tower": 2 * GB, "old": 3 * GB}, leased=False),
        Resident("nima", {"nima": GB}, leased=False, kind="scorer"),
        Resident("new", {"new": 4 * GB}, leased=False),
    )
    device = replace(room(10), residents=there)
    wanted = {"tower": 2 * GB, "own": 2 * GB}
    assert leaves("mine", wanted, 0, replace(room(12), residents=there)) == ()
    assert leaves("mine", wanted, 0, replace(room(11), residents=there)) == ("nima",)
    assert leaves("mine", wanted, 0, device) == ("old",)
    assert leaves("mine", wanted, 2 * GB, device) == ("nima", "old")
    assert leaves("mine", wanted, 3 * GB, device) == ("nima", "new")
    assert leaves("mine", wanted, 7 * GB, device) == (), "nobody where it does not fit anyway"
    assert leaves("new", {"new": 4 * GB}, 0, replace(room(9), residents=there)) == ("nima",)
