"""The only module that knows every concrete class: builds planners, engines and the app's parts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from time import time
from typing import TYPE_CHECKING

from cems_tui import paths, settings
from cems_tui.catalog import catalog
from cems_tui.domain.generation import Generation
from cems_tui.domain.pricing import Pricing
from cems_tui.domain.request import Request
from cems_tui.errors import StorageError
from cems_tui.generation.cost_model import CostModel, Observation
from cems_tui.services import device
from cems_tui.services.planner import Planner
from cems_tui.services.session import Session

if TYPE_CHECKING:
    from PIL.Image import Image

    from cems_tui.domain.function import GenerationFunction
    from cems_tui.generation.device_status import Hold
    from cems_tui.generation.families.table import EngineSettings
    from cems_tui.generation.networks import Shelf
    from cems_tui.generation.pipeline import Pipeline
    from cems_tui.routing.checkpoints.shelf import RouterShelf
    from cems_tui.routing.features.towers import TextTowers
    from cems_tui.store.database import SessionKind, Store


STARTER = "starter-"
"""What the names of the starter pack's models begin with."""


def open_planner_settings() -> settings.Settings:
    """The user's settings."""
    return settings.load(paths.current().config_file)


@contextmanager
def open_history() -> Iterator[Store]:
    """The database for reading; an empty one where there is none yet."""
    from cems_tui.store.database import open_store

    with open_store(paths.current().database, read_only=True) as store:
        yield store


@contextmanager
def open_records() -> Iterator[Store]:
    """The database for writing what needs no device: benchmarks, marks.

    Raises:
        StorageError: it cannot be written, or is locked for over 5 s.
    """
    from cems_tui.store.database import open_store

    with open_store(paths.current().database) as store:
        yield store


@contextmanager
def open_planner() -> Iterator[Planner]:
    """A planner that knows what was measured here; needs no device and writes nothing."""
    with open_history() as store:
        yield build_planner(open_planner_settings(), store)


def build_planner(chosen: settings.Settings, store: Store) -> Planner:
    """A planner over the catalog, the router shelf and the runs in the database."""
    from cems_tui.starter.vocabulary import StarterVocabulary

    pricing = Pricing(float(chosen["pricing.usd_per_gb_second"]))
    return Planner(
        catalog=catalog.current(),
        cost_model=CostModel(observations(store), pricing),
        pricing=pricing,
        shelf=router_shelf(),
        settings=chosen,
        vocabulary=StarterVocabulary(),
        weight_budget_bytes=weight_budget(chosen),
    )


def weight_budget(chosen: settings.Settings) -> int:
    """Bytes that weights may hold on this machine's device, as the user configured it."""
    from cems_tui.generation.device import probe, weight_budget_bytes

    return weight_budget_bytes(
        probe(), float(chosen["device.budget_mb"]), int(float(chosen["device.leave_gb"]) * 1e9)
    )


def router_folders() -> tuple[Path, ...]:
    """Where router checkpoints lie: the user's own first, then the shipped ones."""
    shipped = paths.checkpoints()
    return (paths.current().routers, shipped / "routers", shipped / "starter" / "router")


def router_shelf() -> RouterShelf:
    """Every router checkpoint."""
    from cems_tui.routing.checkpoints.shelf import RouterShelf

    return RouterShelf(router_folders(), text_towers())


def text_towers() -> TextTowers:
    """The CLIP text towers of this machine, looked for when one is wanted."""
    from cems_tui.routing.features.towers import TextTowers, places_of

    return TextTowers(lambda: places_of(catalog.current()))


def observations(store: Store) -> list[Observation]:
    """What was measured on this machine, oldest first."""
    rows = [asdict(row) for row in store.observations()]
    return [
        Observation(**row)
        for row in rows
        if None not in (row["encode_seconds"], row["denoise_seconds"], row["decode_seconds"])
    ]


def observed(generation: Generation) -> Observation | None:
    """What one picture taught about its function; None when it was not fully measured."""
    seconds = generation.seconds
    if seconds.encode is None or seconds.denoise is None or seconds.decode is None:
        return None
    return Observation(
        function=generation.executed,
        width=generation.width,
        height=generation.height,
        encode_seconds=seconds.encode,
        denoise_seconds=seconds.denoise,
        decode_seconds=seconds.decode,
        load_seconds=seconds.load or None,
        memory_bytes=generation.peak_memory_bytes,
        load_bytes=generation.load_bytes or None,
    )


@dataclass(frozen=True, slots=True)
class Engine:
    """Everything one command or one app needs to make pictures."""

    session: Session
    planner: Planner
    store: Store
    session_id: str
    hold: Hold
    """The device, for as long as something is on it."""

    def record_failure(self, request: Request, message: str, exit_code: int) -> None:
        """Keep that a request failed; a database that cannot be written is told, not raised."""
        from cems_tui import log

        pinned = request.policy.value if request.policy.kind == "pinned" else None
        try:
            self.store.add_failure(
                request.id,
                self.session_id,
                request.prompt,
                message,
                exit_code,
                None if pinned is None else str(pinned),
            )
        except StorageError as error:
            log.error("the failure of %s was not recorded: %s", request.id, error)

    def spent_usd(self, *, load_cost: bool = False) -> float:
        """US dollars this session has cost so far; unpriced pictures are not in it."""
        stats = self.store.stats(session=self.session_id)
        return stats.spent_usd(load_cost=load_cost)


@contextmanager
def open_engine(
    *,
    session_name: str | None = None,
    kind: SessionKind = "command",
    wait_seconds: float | None = 0.0,
    pictures: Path | None = None,
) -> Iterator[Engine]:
    """An engine that holds the device until the block ends.

    Raises:
        StorageError: the database or the pictures folder cannot be written.
        DeviceBusy: another process holds the device.
    """
    import os
    import sys

    from cems_tui.store.database import open_store
    from cems_tui.store.pictures import reconcile

    here, chosen = paths.current(), open_planner_settings()
    folder = pictures or settings.pictures_folder(chosen)
    with ExitStack() as stack:
        paths.ensure_writable(folder)
        store = stack.enter_context(open_store(here.database))
        name = session_name or os.environ.get("CEMS_SESSION") or None
        hold = device.device_hold(chosen, keep_alive=kind == "app")
        hold.acquire(wait_seconds)
        stack.callback(hold.release)
        reconcile(store, folder, ours_only=pictures is not None)
        session_id = store.session(name, kind=kind, command=" ".join(sys.argv[1:])[:500])
        planner = build_planner(chosen, store)
        session = build_session(planner, store, session_id, folder, hold)
        stack.callback(session.close)
        yield Engine(session, planner, store, session_id, hold)


def build_session(
    planner: Planner, store: Store, session_id: str, folder: Path, hold: Hold
) -> Session:
    """A session that draws on this machine's device and records in the store."""
    from cems_tui.generation.networks import Shelf
    from cems_tui.generation.residency import Residency
    from cems_tui.services.scorers import scorer_panel

    shelf = Shelf()

    def learn(generation: Generation) -> None:
        observation = observed(generation)
        if observation is not None:
            planner.learn(observation)

    residency = Residency(
        weight_budget(planner.settings),
        lambda function: load_pipeline(function, shelf),
        lambda function: expected_weights(function, shelf),
        hold=shelf.hold,
        changed=hold.publish,
    )
    return Session(
        planner=planner,
        residency=residency,
        judges=scorer_panel(planner),
        commit=lambda image, generation: _commit(store, image, generation),
        pricing=planner.pricing,
        session_id=session_id,
        pictures=folder,
        on_measured=learn,
        warm_up=warm_up,
        due=lambda: hold.asked() | hold.due(residency.present(), time()),
    )


def _commit(store: Store, image: Image, generation: Generation) -> None:
    from cems_tui.cancel import shielded
    from cems_tui.store.pictures import commit_picture

    with shielded():
        commit_picture(store, image, generation)


def load_pipeline(function: GenerationFunction, shelf: Shelf | None = None) -> Pipeline:
    """The function's model on the device; a file of the pack that is damaged is refused first."""
    from cems_tui.generation.families import table
    from cems_tui.services.scorers import verified_component

    if function.model.name.startswith(STARTER):
        verified_component(function.model.name)
    return table.load(function, engine_settings(), shelf)


def warm_up(function: GenerationFunction) -> None:
    """Import what the function's family runs on: seconds, once a process."""
    from cems_tui.generation.families import table

    table.warm_up(function)


def expected_weights(function: GenerationFunction, shelf: Shelf) -> dict[str, int] | None:
    """Device bytes the function's weights will hold, by content; None when not known."""
    from cems_tui.generation.families import table

    return table.expected_weights(function, engine_settings(), shelf)


def engine_settings() -> EngineSettings:
    """How pipelines are loaded, as the user configured it."""
    from cems_tui.generation.families.table import EngineSettings

    return EngineSettings(threads=int(open_planner_settings()["generation.threads"]) or None)
