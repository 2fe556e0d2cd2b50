"""A decision explained with the router that took it and the table that router learned from."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from cems_tui import paths
from cems_tui.cli.price_card import price_card
from cems_tui.domain.decision import Policy, RoutingDecision
from cems_tui.domain.estimate import Cluster, Neighbour, PromptEstimate
from cems_tui.profile import Profile
from cems_tui.routing.checkpoints.checkpoint import Checkpoint, save_checkpoint
from cems_tui.routing.checkpoints.codecs import features_for
from cems_tui.routing.checkpoints.scale import Scale
from cems_tui.routing.checkpoints.shelf import RouterShelf
from cems_tui.routing.decide.route import Asked, route
from cems_tui.routing.explain.explanation import Explanation, explain
from cems_tui.routing.explain.words import rows
from cems_tui.routing.training.order import TrainingOrder
from cems_tui.routing.training.train import train as train_by
from cems_tui.score_tables.formats import parse_table
from cems_tui.services.explainer import NO_LICENCE, Explainer, nearest_texts, open_explainer
from cems_tui.settings import Settings
from cems_tui.store.database import open_store
from tests.routing.fakes import expecting, offer, table_with_signal, train
from tests.routing.test_explanation import KNOWN, OFFERS, PROMPT, WILD

FISH = "a red fish and a blue ball in the snow"
PRICED = [offer("cheap@1", 1e-6), offer("dear@20", 1e-5), offer("odd@4", 4e-6)]


@pytest.fixture(scope="module")
def trained() -> Checkpoint:
    return train(table_with_signal(), metric="quality", name="mine", keep_prompts=True)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CEMS_HOME", str(tmp_path))
    return tmp_path


def shelf_with(checkpoint: Checkpoint) -> RouterShelf:
    save_checkpoint(paths.current().routers, checkpoint)
    return RouterShelf([paths.current().routers])


def explainer(shelf: RouterShelf, *, shipped: bool = False) -> Explainer:
    here = paths.current()
    brought = here.routers if shipped else paths.checkpoints()
    return open_explainer(shelf, Profile(here).history, brought)


def decision_of(checkpoint: Checkpoint, shelf: RouterShelf, prompt: str = FISH) -> RoutingDecision:
    asked = Asked(checkpoint.name, checkpoint.metric)
    made = route(prompt, PRICED, checkpoint.estimate(prompt), Policy("lambda", 3e4), asked=asked)
    return replace(made, router_sha256=shelf.digest(checkpoint.name))


def textless(checkpoint: Checkpoint) -> Checkpoint:
    return replace(checkpoint, router=replace(checkpoint.router, prompts=()))


def test_the_words_and_neighbours_of_a_router_that_keeps_its_prompts(trained: Checkpoint) -> None:
    shelf = shelf_with(trained)
    told = explainer(shelf).explain(decision_of(trained, shelf))
    assert {one.text for one in told.leading} & {"fish", "a red fish", "red fish"}
    assert len(told.neighbours) == 3
    assert set(told.neighbours[0].scores or {}) == {"cheap@1", "dear@20", "odd@4"}
    assert told.neighbours_note == ""
    assert told.flips


def test_a_router_retrained_under_the_same_name_is_not_asked_about_an_old_decision(
    trained: Checkpoint,
) -> None:
    shelf = shelf_with(trained)
    old = decision_of(trained, shelf)
    other = train(table_with_signal(seed=5), metric="quality", name="mine")
    told = explainer(shelf_with(other)).explain(old)
    assert "the router mine is another one by now" in told.words_note
    assert told.words == ()
    assert told.flips  # the recorded figures still say what would change the pick
    without_digest = explainer(shelf_with(other)).explain(replace(old, router_sha256=None))
    assert without_digest.words_note == "the router mine estimates differently by now"


def test_a_decision_from_before_digests_is_explained_if_the_estimates_agree(
    trained: Checkpoint,
) -> None:
    shelf = shelf_with(trained)
    old = replace(decision_of(trained, shelf), router_sha256=None)
    assert explainer(shelf).explain(old).words


def test_a_router_that_is_gone_leaves_what_was_recorded(trained: Checkpoint) -> None:
    made = decision_of(trained, shelf_with(trained))
    told = explainer(RouterShelf([])).explain(made)
    assert "the router cannot be asked" in told.words_note
    assert told.flips


def test_without_text_the_neighbours_come_from_the_users_own_table(trained: Checkpoint) -> None:
    with open_store(paths.current().database) as store:
        table = table_with_signal()
        store.benches.import_rows("own", [asdict(row) for row in table.rows])
        stored = parse_table(enumerate(store.benches.long_rows("own"), 1), "own")
    silent = textless(trained)
    training = replace(silent.card.training, table=stored.digest)
    silent = replace(silent, card=replace(silent.card, training=training))
    shelf = shelf_with(silent)
    told = explainer(shelf).explain(decision_of(silent, shelf))
    assert told.neighbours_note == ""
    assert len(told.neighbours) == 3
    assert "blue ball" in told.neighbours[0].prompt
    measured = stored.pivot("quality")
    row = measured.prompts.index(told.neighbours[0].prompt)
    column = measured.functions.index("cheap@1")
    assert (told.neighbours[0].scores or {})["cheap@1"] == measured.scores[row, column]


@pytest.mark.parametrize("shipped", [True, False])
def test_without_text_and_table_it_says_why_no_neighbours_are_shown(
    trained: Checkpoint, shipped: bool
) -> None:
    silent = textless(trained)
    shelf = shelf_with(silent)
    told = explainer(shelf, shipped=shipped).explain(decision_of(silent, shelf))
    assert told.neighbours == ()
    assert told.neighbours_note.startswith("this router holds no training text")
    assert (told.neighbours_note == NO_LICENCE) is shipped


def test_a_database_that_cannot_be_read_costs_the_neighbours_alone(trained: Checkpoint) -> None:
    silent = textless(trained)
    shelf = shelf_with(silent)
    paths.current().database.write_bytes(b"not a database" * 100)
    told = explainer(shelf).explain(decision_of(silent, shelf))
    assert told.words
    assert told.neighbours_note.startswith("no training prompts:")


def test_filled_cells_of_an_incomplete_table_are_not_shown_as_scores(trained: Checkpoint) -> None:
    training = replace(trained.card.training, missing=3)
    holed = replace(trained, card=replace(trained.card, training=training))
    shelf = shelf_with(holed)
    told = explainer(shelf).explain(decision_of(holed, shelf))
    assert told.neighbours
    assert all(neighbour.scores is None for neighbour in told.neighbours)
    assert told.neighbours_note.startswith("no scores")


def test_a_decision_that_no_router_took_is_explained_by_its_figures() -> None:
    made = route(PROMPT, OFFERS, None, Policy.pinned("b@4"))
    told = explainer(RouterShelf([])).explain(made)
    assert told.words_note == "no router rates b@4"


def test_the_dial_is_stated_too_where_the_router_knows_it(trained: Checkpoint) -> None:
    shelf = shelf_with(trained)
    costs = {one.function: one.cost_usd for one in PRICED}
    weight = trained.lambda_at(0.5, costs)
    asked = Asked("mine", "quality")
    estimates = trained.estimate(FISH)
    made = route(FISH, PRICED, estimates, Policy.tradeoff(0.5), weight, asked=asked)
    told = explainer(shelf).explain(made)
    dial = next(flip for flip in told.flips if flip.what == "tradeoff")
    assert dial.now == 0.5
    if dial.value is not None:
        there = trained.lambda_at(dial.value, costs)
        again = route(FISH, PRICED, estimates, Policy.tradeoff(dial.value), there)
        assert again.choice == told.runner_up


def test_the_cluster_of_a_router_that_keeps_clusters_is_told(
    trained: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = Cluster(4, 1204, {"cheap@1": 5.1, "dear@20": 5.4, "odd@4": 4.4})

    class Clustered:
        functions, metric = trained.functions, trained.metric

        def estimate(self, prompt: str) -> PromptEstimate:
            return replace(trained.estimate(prompt), nearest=())

        def cluster_of(self, prompt: str) -> Cluster:
            return cluster

    shelf = shelf_with(trained)
    clustered = replace(trained, router=Clustered())  # type: ignore[arg-type]
    monkeypatch.setattr(shelf, "named", lambda name: clustered)
    told = explainer(shelf, shipped=True).explain(decision_of(trained, shelf))
    assert told.cluster == cluster
    text = "\n".join(text for _, text in rows(told, str))
    assert "1,204 training prompts like it" in text
    assert NO_LICENCE in text


def test_a_router_of_clusters_tells_the_size_and_means_of_the_prompts_cluster() -> None:
    _ = features_for("clusters", None)
    made = train_by(TrainingOrder(table_with_signal(), "quality", "mine", kind="clusters"))
    shelf = shelf_with(made)
    told = explainer(shelf, shipped=True).explain(decision_of(made, shelf))
    assert told.cluster is not None
    assert 0 < told.cluster.prompts <= 300
    assert set(told.cluster.means) == {"cheap@1", "dear@20", "odd@4"}
    assert told.neighbours_note == NO_LICENCE


def test_scores_are_told_on_the_scale_the_router_was_mapped_to(trained: Checkpoint) -> None:
    scale = Scale(slope=2.0, intercept=1.0, widen=1.0, scorer=None, readings=50, correlation=0.9)
    mapped = replace(trained, card=replace(trained.card, scale=scale))
    shelf = shelf_with(mapped)
    plain = explainer(shelf_with(trained)).explain(decision_of(trained, shelf_with(trained)))
    shelf = shelf_with(mapped)
    told = explainer(shelf).explain(decision_of(mapped, shelf))
    was, now = plain.neighbours[0].scores, told.neighbours[0].scores
    assert was is not None
    assert now == pytest.approx({name: 1.0 + 2.0 * value for name, value in was.items()})
    assert told.standing is not None


def test_the_decision_is_placed_among_those_for_the_training_prompts(trained: Checkpoint) -> None:
    shelf = shelf_with(trained)
    told = explainer(shelf).explain(decision_of(trained, shelf))
    assert told.standing is not None
    assert told.standing.prompts == 300
    picks = []
    for row in trained.training_estimates:
        worth = dict(zip(trained.functions, map(float, row), strict=True))
        picks.append(route("x", PRICED, expecting(worth), Policy("lambda", 3e4)).choice)
    assert told.standing.share == pytest.approx(picks.count(told.choice) / 300)
    assert 0.0 <= told.standing.smaller_leads <= 1.0
    assert "of 300 prompts it is picked for" in "\n".join(text for _, text in lines_of(told))


def test_the_nearest_texts_share_the_rarest_words() -> None:
    texts = ["a cat", "a red dog", "a red cat", "a bus", "the red bus"]
    found = nearest_texts("my red dog", texts, 2)
    assert [one.prompt for one in found] == ["a red dog", "a red cat"]
    assert nearest_texts("nothing alike", texts, 3) == ()


# --- in words ------------------------------------------------------------------------------------


def lines_of(told: Explanation) -> list[tuple[str, str]]:
    return rows(told, lambda usd: f"${usd * 1000:.3g}")


def test_the_words_fit_on_a_narrow_screen(trained: Checkpoint) -> None:
    shelf = shelf_with(trained)
    told = explainer(shelf).explain(decision_of(trained, shelf, FISH + ", a fish" * 300))
    lines = lines_of(told)
    assert len(lines) <= 16
    assert sum(1 + len(text) // 66 for _, text in lines) <= 22


def test_what_comes_from_a_prompt_is_shown_and_never_obeyed() -> None:
    text = f"fish {WILD} snow"
    estimate = KNOWN.estimate(text)
    made = route(text, OFFERS, estimate, Policy("lambda", 0.0))
    near = Neighbour(WILD, 0.1, {"d@20": 1.0})
    told = replace(explain(made, KNOWN), neighbours=(near,))
    for _, line in lines_of(told):
        assert not set(line) & set("\x1b\x00\x07\n\t\u202e")
    assert json.dumps(told.to_json())


def test_a_figure_as_it_is_written_changes_the_pick() -> None:
    made = route(PROMPT, OFFERS, KNOWN.estimate(PROMPT), Policy("lambda", 3e4))
    told = explain(made, None)
    text = "\n".join(text for _, text in lines_of(told))
    written = float(text.split("at λ ")[1].split(" ")[0].replace(",", ""))
    policy = Policy("lambda", written)
    assert route(PROMPT, OFFERS, KNOWN.estimate(PROMPT), policy).choice == told.runner_up


def test_in_a_narrow_terminal_the_card_keeps_its_names_whole(trained: Checkpoint) -> None:
    from rich.console import Console

    named = [replace(one, function=f"a-model-of-some-name-{one.function}") for one in PRICED]
    made = route("a cat", named, None, Policy.tradeoff(0.5))
    console = Console(width=80, color_system=None)
    with console.capture() as shown:
        console.print(price_card(made, Settings(), console.width))
    for one in named:
        assert one.function in shown.get()
