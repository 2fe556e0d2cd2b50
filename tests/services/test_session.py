"""One prompt through the session: what is reported, recorded, and refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from cems_tui.domain.decision import Policy, RoutingDecision
from cems_tui.domain.generation import Generation, Seconds
from cems_tui.domain.note import Note
from cems_tui.domain.pricing import Pricing
from cems_tui.domain.request import (
    Event,
    Generated,
    Loading,
    Noted,
    Request,
    Routed,
    Scoring,
    Starting,
    Step,
)
from cems_tui.errors import GenerationTimeout, Interrupted, ModelMissing, OutOfMemory
from cems_tui.generation.pipeline import WordedPipeline
from cems_tui.scoring.panel import Judges
from cems_tui.services.session import TOO_LARGE, Session, job_of
from tests.services.fakes_session import (
    FUNCTIONS,
    Committed,
    FakeJudges,
    FakePipeline,
    FakePlanner,
    FakeResidency,
    out_of_memory,
    request,
)


def _session(
    committed: Committed,
    pipeline: FakePipeline | None = None,
    judges: Judges | None = None,
    notes: tuple[Note, ...] = (),
    residency: FakeResidency | None = None,
    due: Callable[[], frozenset[str]] = frozenset,
    planner: FakePlanner | None = None,
    recorded: Callable[[str], Generation | None] = lambda request: None,
) -> Session:
    return Session(
        planner=planner or FakePlanner(notes),
        residency=residency or FakeResidency(pipeline or FakePipeline()),
        judges=judges or FakeJudges(),
        commit=committed,
        pricing=Pricing(),
        session_id="01SESSION",
        pictures=Path("/pictures"),
        due=due,
        recorded=recorded,
    )


def _never() -> bool:
    return False


def test_a_prompt_is_routed_loaded_drawn_scored_and_recorded_in_that_order() -> None:
    committed, events = Committed(), list[Event]()
    generation = _session(committed).run(request(seed=7), events.append, _never)
    kinds = [type(event) for event in events]
    assert kinds == [Routed, Starting, Loading, Step, Step, Step, Step, Scoring, Generated]
    assert committed.generations == [generation]
    assert generation.seed == 7
    assert generation.image == Path("/pictures/01REQUEST.png").absolute()


def test_a_picture_that_is_recorded_already_is_given_and_not_drawn_again() -> None:
    committed, events = Committed(), list[Event]()
    made = _session(committed).run(request(seed=7), lambda event: None, _never)
    known = {made.id: made}
    again = _session(committed, recorded=known.get).run(request(), events.append, _never)
    assert again == made
    assert [type(event) for event in events] == [Generated]
    assert committed.generations == [made]


def test_the_price_is_what_was_measured_by_the_equation() -> None:
    generation = _session(Committed()).run(request(), lambda event: None, _never)
    # encode 0.1 + denoise 0.2 + decode 0.1 seconds; 1,000,024 bytes round up to one gigabyte
    assert generation.cost_usd == pytest.approx(0.4 * 1 * 0.0000166667)
    assert generation.cost_source == "measured"
    assert generation.load_cost_usd == pytest.approx(2.0 * 0.0000166667)
    assert generation.peak_memory_bytes == 1_000_024


def test_a_resident_model_is_not_loaded_again_and_its_load_costs_nothing() -> None:
    session, events = _session(Committed()), list[Event]()
    session.run(request(), lambda event: None, _never)
    generation = session.run(request(function="tiny-base@8"), events.append, _never)
    assert not any(isinstance(event, Loading) for event in events)
    assert generation.load_cost_usd == 0.0
    assert generation.seconds.load == 0.0


def test_a_seed_is_drawn_when_none_is_given_and_told() -> None:
    session = _session(Committed())
    seeds = {session.run(request(), lambda event: None, _never).seed for _ in range(5)}
    assert len(seeds) == 5


def test_what_the_model_did_not_read_of_the_prompt_is_said() -> None:
    events: list[Event] = []
    pipeline = FakePipeline(notes=(Note("cut_prompt", "left out: “red moon”"),))
    _session(Committed(), pipeline).run(request(), events.append, _never)
    assert [event.note for event in events if isinstance(event, Noted)] == list(pipeline.notes)


def test_what_was_said_before_is_not_said_again_while_drawing() -> None:
    events, cut = list[Event](), Note("cut_prompt", "left out: “red moon”")
    pipeline = FakePipeline(notes=(cut, Note("other", "and this")))
    made = _session(Committed(), pipeline, notes=(cut,)).run(request(), events.append, _never)
    assert [event.note.text for event in events if isinstance(event, Noted)] == ["and this"]
    assert [note.text for note in made.decision.notes] == [cut.text, "and this"]


def test_a_model_is_given_the_words_it_was_taught_and_the_record_those_of_the_user() -> None:
    pipeline = FakePipeline()
    worded = WordedPipeline(pipeline, lambda text: text.replace("🐱", "cat"))
    assert worded.weight_bytes == pipeline.weight_bytes
    assert (worded.weights, worded.names) == (pipeline.weights, pipeline.names)
    job = job_of(request("a 🐱", negative="no 🐱"), FUNCTIONS["tiny-base@4"])
    worded.generate(job, lambda step, steps: None, _never)
    assert pipeline.given == [replace(job, prompt="a cat", negative="no cat")]


def test_notes_about_the_prompt_come_before_the_work() -> None:
    events = list[Event]()
    unknown = Note("unknown_words", "unknown word")
    made = _session(Committed(), notes=(unknown,)).run(request(), events.append, _never)
    assert isinstance(events[0], Routed)
    assert events[0].decision.notes == made.decision.notes == (unknown,)


@pytest.mark.parametrize("asked", range(6))
def test_stopping_in_any_phase_commits_nothing(asked: int) -> None:
    committed, calls = Committed(), count()
    with pytest.raises(Interrupted):
        _session(committed).run(request(), lambda event: None, lambda: next(calls) >= asked)
    assert committed.generations == []


def test_a_deadline_that_has_passed_is_a_timeout() -> None:
    committed = Committed()
    with pytest.raises(GenerationTimeout, match="within 0 s"):
        _session(committed).run(
            replace(request(), deadline_seconds=0.0), lambda event: None, _never
        )
    assert committed.generations == []


def test_out_of_memory_frees_the_others_and_tries_once_more() -> None:
    pipeline, events = FakePipeline(), list[Event]()
    residency = FakeResidency(pipeline)
    session = _session(Committed(), residency=residency)
    session.run(request(function="tiny-small@4"), lambda event: None, _never)
    pipeline.fail = [out_of_memory()]
    generation = session.run(request(), events.append, _never)
    assert generation.executed == "tiny-base@4"
    assert residency.resident() == {"tiny-base"}
    assert generation.fallback == "freed tiny-small, fake-nima"
    assert any(isinstance(e, Noted) and "freed tiny-small" in e.note.text for e in events)


def test_what_runs_out_of_memory_alone_on_the_device_is_drawn_part_by_part_and_stays_so() -> None:
    pipeline, events = FakePipeline(), list[Event]()
    residency = FakeResidency(pipeline)
    residency.offloads = True
    session = _session(Committed(), residency=residency)
    pipeline.fail = [out_of_memory()]
    generation = session.run(request(), events.append, _never)
    assert residency.leased_in_parts == [False, True]
    assert generation.executed == "tiny-base@4"
    assert generation.fallback == "its layers are brought to the device in turn"
    assert any(isinstance(e, Noted) and "in turn, trying again" in e.note.text for e in events)
    again = session.run(request(), events.append, _never)
    assert residency.leased_in_parts == [False, True, True]
    assert again.fallback == TOO_LARGE


def test_what_is_known_not_to_fit_is_not_tried_whole_where_layers_can_come_in_turn() -> None:
    residency = FakeResidency(FakePipeline())
    residency.whole_fits = False
    session = _session(Committed(), residency=residency)
    session.run(request(), lambda event: None, _never)
    assert residency.leased_in_parts == [False], "there is no such rung here"
    residency.offloads = True
    events = list[Event]()
    generation = session.run(request(), events.append, _never)
    assert residency.leased_in_parts == [False, True]
    assert generation.fallback == TOO_LARGE
    assert [e.note.text for e in events if isinstance(e, Noted)] == [TOO_LARGE]


def test_what_has_no_room_in_parts_either_is_out_of_memory() -> None:
    pipeline = FakePipeline(fail=[out_of_memory() for _ in range(2)])
    residency = FakeResidency(pipeline)
    residency.offloads = True
    with pytest.raises(OutOfMemory):
        _session(Committed(), residency=residency).run(request(), lambda event: None, _never)
    assert residency.leased_in_parts == [False, True]


def test_a_function_that_has_no_room_is_replaced_by_the_next_that_takes_less() -> None:
    asked = request(function="tiny-base@4")
    decision = FakePlanner().decide(asked, frozenset(), installed_only=True)
    sizes = {"tiny-base@4": 900, "tiny-base@8": 950, "tiny-small@4": 100}
    candidates = tuple(replace(c, memory_bytes=sizes.get(c.function)) for c in decision.candidates)
    free = replace(decision, policy=Policy.tradeoff(0.5), candidates=candidates)
    assert free.smaller_than(["tiny-base@4"]) == "tiny-small@4"
    assert free.smaller_than(["tiny-base@4", "tiny-small@4"]) is None
    assert decision.smaller_than(["tiny-base@4"]) is None, "the user named it"
    unknown = tuple(replace(c, memory_bytes=None) for c in candidates)
    assert replace(free, candidates=unknown).smaller_than(["tiny-base@4"]) is None

    class Planner(FakePlanner):
        def decide(
            self, request: Request, resident: frozenset[str], *, installed_only: bool
        ) -> RoutingDecision:
            return free

    pipeline, events, committed = FakePipeline(fail=[out_of_memory()]), list[Event](), Committed()
    made = _session(committed, pipeline, planner=Planner()).run(asked, events.append, _never)
    assert (made.function, made.executed) == ("tiny-base@4", "tiny-small@4")
    assert made.fallback == "tiny-base needs 2 MB, 1 MB is free"
    assert committed.generations == [made]
    assert {job.seed for job in pipeline.given} == {made.seed}
    assert any(isinstance(e, Noted) and "tiny-small@4 draws instead" in e.note.text for e in events)


def test_out_of_memory_twice_is_told() -> None:
    pipeline = FakePipeline(fail=[out_of_memory()])
    with pytest.raises(OutOfMemory, match="needs 2 MB"):
        _session(Committed(), pipeline).run(request(), lambda event: None, _never)


def test_a_picture_that_cannot_be_scored_is_kept_and_says_why() -> None:
    committed = Committed()
    generation = _session(committed, judges=FakeJudges(broken=True)).run(
        request(), lambda event: None, _never
    )
    assert committed.generations == [generation]
    assert generation.scores == ()
    assert generation.score_error == "the scorer's weights are damaged"
    assert generation.seconds.score is None


def test_without_scoring_nothing_is_read() -> None:
    generation = _session(Committed(), judges=FakeJudges(broken=True)).run(
        request(score=False), lambda event: None, _never
    )
    assert generation.scores == ()
    assert generation.score_error is None


def test_nothing_to_choose_from_is_a_missing_model() -> None:
    with pytest.raises(ModelMissing, match="nothing is installed"):
        _session(Committed()).run(
            replace(request(), policy=Policy.tradeoff(0.5)), lambda event: None, _never
        )


def test_a_record_survives_its_json() -> None:
    generation = _session(Committed()).run(request(), lambda event: None, _never)
    assert type(generation).from_json(generation.to_json()) == generation


def test_a_device_too_small_for_everything_is_out_of_memory() -> None:
    class TooSmall(FakePlanner):
        def decide(self, request: Request, resident: frozenset[str], *, installed_only: bool):  # type: ignore[no-untyped-def]
            decision = super().decide(request, resident, installed_only=installed_only)
            small = tuple(replace(c, fits=False) for c in decision.candidates)
            return replace(decision, choice=None, candidates=small, reason="nothing fits")

    session = Session(
        TooSmall(),
        FakeResidency(FakePipeline()),
        None,
        Committed(),
        Pricing(),
        "01SESSION",
        Path("/pictures"),
    )
    with pytest.raises(OutOfMemory, match="nothing fits"):
        session.run(replace(request(), policy=Policy.tradeoff(0.5)), lambda event: None, _never)


def test_the_dearest_candidate_is_one_that_could_have_drawn() -> None:
    decision = FakePlanner().decide(request(), frozenset(), installed_only=True)
    assert decision.dearest is not None
    assert decision.dearest.function == "tiny-small@4"
    too_big = tuple(replace(c, fits=c.function != "tiny-small@4") for c in decision.candidates)
    dearest = replace(decision, candidates=too_big).dearest
    assert dearest is not None
    assert dearest.function == "tiny-base@8"


def test_the_scorers_leave_the_device_with_the_last_model() -> None:
    due = {"a"}
    residency, judges = FakeResidency(FakePipeline()), FakeJudges()
    residency.models, judges.loaded = {"a", "b"}, ("nima",)
    session = _session(Committed(), judges=judges, residency=residency, due=lambda: frozenset(due))
    assert session.tend()
    assert (session.resident(), judges.loaded) == ({"b"}, ("nima",))
    due = {"b"}
    assert session.tend()
    assert (session.resident(), judges.loaded) == (frozenset(), ())


def test_the_process_is_made_ready_once_and_the_seconds_add_up() -> None:
    events = list[Event]()
    session = _session(Committed())
    first = session.run(request(), events.append, _never).seconds
    second = session.run(request(function="tiny-small@4"), events.append, _never).seconds
    assert [type(event) for event in events].count(Starting) == 1
    for seconds in (first, second):
        assert seconds.start is not None
        parts = seconds.to_json()
        total = parts.pop("total")
        assert sum(part or 0.0 for part in parts.values()) == pytest.approx(
            max(total, sum(part or 0.0 for name, part in parts.items() if name != "other"))
        )
        assert type(seconds).from_json(seconds.to_json()) == seconds


def test_seconds_of_which_a_part_is_unknown_have_no_rest() -> None:
    old = Seconds(load=1.0, encode=0.1, denoise=0.2, decode=0.1, score=None, total=9.0)
    assert old.other is None
    assert replace(old, start=5.0).other == pytest.approx(2.6)
    assert replace(old, start=7.0, encode=None).other is None
