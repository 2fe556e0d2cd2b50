"""The only composer: every part of the program, built of one profile's paths and settings."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Protocol

from cems_tui import log, paths, settings
from cems_tui.cancel import Stop, never, shielded
from cems_tui.domain.foreign_syntax import ForeignSyntax
from cems_tui.domain.generation import Generation
from cems_tui.domain.pricing import Pricing
from cems_tui.domain.request import Event, Request
from cems_tui.errors import StorageError
from cems_tui.locks import Holder, this_command
from cems_tui.models.ledger import RESERVED
from cems_tui.services.device_access import DeviceAccess

if TYPE_CHECKING:
    from PIL.Image import Image

    from cems_tui.bench.desk.ballot_desk import BallotDesk
    from cems_tui.bench.desk.bench_desk import BenchDesk
    from cems_tui.catalog.catalog import Stamp
    from cems_tui.catalog.fit import Room
    from cems_tui.catalog.survey import Survey
    from cems_tui.domain.function import Catalog, GenerationFunction
    from cems_tui.generation.cost_model import Certainty, CostModel, Observation
    from cems_tui.generation.device_status import Hold
    from cems_tui.generation.families.registry import EngineSettings
    from cems_tui.generation.machine_speed import OriginSpeed
    from cems_tui.generation.networks import Shelf
    from cems_tui.generation.pipeline import Pipeline
    from cems_tui.generation.residency import PartByPart, Residency
    from cems_tui.routing.checkpoints.shelf import RouterShelf
    from cems_tui.routing.features.text_encoder import TowerRoom
    from cems_tui.routing.features.text_towers import TextTowers
    from cems_tui.scoring.panel import Scorer, ScorerRoom
    from cems_tui.services.app.picture_gallery import Gallery
    from cems_tui.services.app.router_desk import RouterDesk
    from cems_tui.services.app.settings_desk import SettingsDesk
    from cems_tui.services.doctor import Doctor
    from cems_tui.services.engine.resident_client import ResidentClient
    from cems_tui.services.explainer import Explainer
    from cems_tui.services.keeper import AppKeeper
    from cems_tui.services.library import Library
    from cems_tui.services.loop.shadow import IdleShadow
    from cems_tui.services.models import Models
    from cems_tui.services.own_scores import OwnScores
    from cems_tui.services.planner import Planner
    from cems_tui.services.queue.owner import JobOwners
    from cems_tui.services.queue.runner import QueueRunner
    from cems_tui.services.queue.turn_order import Order
    from cems_tui.services.router_trainer import RouterTrainer
    from cems_tui.services.routers import Routers
    from cems_tui.services.scorers import Scorers
    from cems_tui.services.session import Session
    from cems_tui.store.database import SessionKind, Store


class Profile:
    """One user's folders and settings, and everything that is built of them.

    A part that is imported where it is handed out costs only those who ask for it.
    """

    def __init__(
        self,
        here: paths.Paths,
        chosen: settings.Settings | None = None,
        *,
        forgiving: bool = False,
    ) -> None:
        """Read nothing yet.

        Args:
            here: where everything lives.
            chosen: the settings; None reads config.toml once, when the first is asked for: what
                needs none works beside a file that cannot be followed.
            forgiving: whether defaults hold in the place of what cannot be followed there.
        """
        self.paths = here
        self._chosen = chosen
        self._forgiving = forgiving
        self.shipped = paths.checkpoints()
        self.pack = self.shipped / "starter"

    @classmethod
    def current(cls) -> Profile:
        """The profile of this environment.

        Raises:
            ConfigError: CEMS_HOME names the home of a user who is not there.
        """
        return cls(paths.current())

    @classmethod
    def forgiving(cls) -> Profile:
        """The same with defaults in the place of what config.toml says that cannot be followed:
        the app opens beside such a file, and mends it.

        Raises:
            ConfigError: CEMS_HOME names the home of a user who is not there.
        """
        return cls(paths.current(), forgiving=True)

    def _configured(self) -> settings.Settings:
        """What config.toml says now."""
        if self._forgiving:
            return settings.followed(self.paths.config_file)[0]
        return settings.load(self.paths.config_file)

    @cached_property
    def settings(self) -> settings.Settings:
        """What the user configured.

        Raises:
            ConfigError: config.toml cannot be read, or says something that cannot be followed.
        """
        return self._chosen or self._configured()

    @property
    def config_problems(self) -> tuple[str, ...]:
        """What is wrong in config.toml, one sentence each."""
        return settings.followed(self.paths.config_file)[1]

    @property
    def pictures(self) -> Path:
        """Where pictures go unless a command says otherwise.

        Raises:
            ConfigError: the setting names the home of a user who is not there.
        """
        said = self.settings.generation.pictures
        if not said:
            return self.paths.pictures
        return paths.expanded(said, "generation.pictures").absolute()

    @property
    def pricing(self) -> Pricing:
        """What memory over time costs."""
        chosen = self.settings.pricing
        return Pricing(float(chosen.usd_per_gb_second), float(chosen.usd_per_kwh) or None)

    # What was recorded.

    @contextmanager
    def history(self) -> Iterator[Store]:
        """The database for reading; an empty one where there is none yet."""
        from cems_tui.store.database import open_store

        with open_store(self.paths.database, read_only=True) as store:
            yield store

    def gallery(self) -> Gallery:
        """The history as the app shows and changes it."""
        from cems_tui.services.app.picture_gallery import Gallery

        return Gallery(self.paths.database)

    def bench_desk(self) -> BenchDesk:
        """Benchmarks as the app shows and runs them."""
        from cems_tui.bench.desk.bench_desk import BenchDesk

        return BenchDesk(
            history=self.history,
            pricing=lambda: self.pricing,
            shelf=self.shelf,
            asked_router=lambda: self.routers.asked_by_default(),
            installed=lambda: [one.name for one in self.catalog().installed()],
            device=self.device,
        )

    def ballot_desk(self) -> BallotDesk:
        """Blind votes as the app asks for them."""
        from cems_tui.bench.desk.ballot_desk import BallotDesk

        return BallotDesk(self.history, self.records)

    def settings_desk(self) -> SettingsDesk:
        """The settings as the app shows and changes them."""
        from cems_tui.services.app.settings_desk import SettingsDesk

        return SettingsDesk(self.paths.config_file)

    def router_desk(self) -> RouterDesk:
        """The routers as the app shows and chooses them."""
        from cems_tui.services.app.router_desk import RouterDesk

        return RouterDesk(self.routers)

    @contextmanager
    def records(self) -> Iterator[Store]:
        """The database for writing what needs no device: benchmarks, marks.

        Raises:
            StorageError: it cannot be written, or is locked for over 5 s.
        """
        from cems_tui.store.database import open_store

        with open_store(self.paths.database) as store:
            yield store

    @property
    def job_owners(self) -> JobOwners:
        """The processes that work on the queue."""
        from cems_tui.services.queue.owner import JobOwners

        return JobOwners(self.paths.queue_owners)

    def settle_queue(self) -> None:
        """Bring back what dead processes left in the queue; writes only where there is any.

        Raises:
            StorageError: the rows cannot be read or written.
        """
        with self.history() as store:
            dead = [one for one in store.queue.owners() if not self.job_owners.alive(one)]
        if dead:
            with self.records() as store:
                store.queue.settle(self.job_owners.alive)

    @contextmanager
    def queue_runner(self, store: Store, order: Order = "family") -> Iterator[QueueRunner]:
        """This process as one that works on jobs, until the block ends.

        Raises:
            StorageError: its lock cannot be made, or the rows cannot be written.
        """
        from cems_tui.services.queue.runner import QueueRunner

        with self.job_owners.enter() as owner:
            store.queue.settle(self.job_owners.alive)
            yield QueueRunner(store.queue, owner, order)

    @property
    def scores(self) -> OwnScores:
        """The scores of one's own pictures and benchmarks."""
        from cems_tui.services.own_scores import OwnScores

        return OwnScores(self.history, lambda: self.pricing)

    # Models, and the device they run on.

    @property
    def models(self) -> Models:
        """What pulls, verifies, removes and imports models."""
        from cems_tui.services.models import Models

        return Models(self.paths.models, self.paths.state / "models", self.pack)

    @property
    def device(self) -> DeviceAccess:
        """Who holds the device, and what is on it."""
        return DeviceAccess(self.paths.device_lock, self.paths.resident_file)

    def catalog(self) -> Catalog:
        """The shipped catalog with what was pulled and imported, as things are now.

        Raises:
            StorageError: something is recorded by a newer cems.
        """
        from cems_tui.catalog.catalog import read_catalog

        return read_catalog(self.paths.models)

    def catalog_stamp(self) -> Stamp:
        """Tells cheaply whether the catalog would be another one now than it was."""
        from cems_tui.catalog.catalog import stamp

        return stamp(self.paths.models)

    def weight_budget(self) -> int:
        """Bytes that weights may hold on this machine's device, as the user configured it."""
        from cems_tui.generation.device import probe, weight_budget_bytes

        chosen, kind = self.settings.device, self.settings.generation.chosen_device
        return weight_budget_bytes(probe(kind), chosen.budget_mb, chosen.leave_bytes)

    def room(self) -> Room:
        """What this machine's device offers a model, as the user configured it.

        Raises:
            ConfigError: a setting of the device cannot be followed.
        """
        from cems_tui.services.machine_survey import room_here

        return room_here(self.settings, self.device.presence())

    def survey(self, planner: Planner) -> Survey:
        """This machine, every model of the planner's catalog, and what is worth pulling.

        Raises:
            ConfigError: a setting of the device cannot be followed.
            WeightsError: the shipped evidence is missing or damaged.
        """
        from cems_tui.catalog.recommend import read_evidence
        from cems_tui.services.machine_survey import survey

        evidence = read_evidence(self.shipped / "evidence" / "cems.json")
        present = self.device.presence()
        return survey(planner, evidence, self.settings, present, self.paths.models)

    def library(self, store: Store, planner: Planner, survey: Survey) -> Library:
        """Every model of the planner's catalog, as both windows list them."""
        from cems_tui.services.keeper import drawn_here, read_library

        return read_library(planner, drawn_here(store), survey, self.models.ledger())

    def keeper(self) -> AppKeeper:
        """The models for the app."""
        from cems_tui.services.keeper import AppKeeper

        return AppKeeper(
            self.models,
            self.device,
            self.history,
            self.planner_over,
            self.survey,
            self.paths.state / "pulls.json",
        )

    # Routers.

    def towers(self, room: TowerRoom | None = None) -> TextTowers:
        """The text encoders of this machine, looked for when one is wanted.

        Args:
            room: where they are kept; None keeps each once it was read.
        """
        from cems_tui.routing.features.text_towers import TextTowers, places_of

        return TextTowers(
            lambda: places_of(
                self.catalog(),
                self.paths.models,
                self.paths.encoders_file,
                self.shipped / "encoder",
            ),
            room,
        )

    def shelf(self, room: TowerRoom | None = None) -> RouterShelf:
        """Every router checkpoint there is now; `room` keeps the text encoders they read."""
        from cems_tui.routing.checkpoints.shelf import RouterShelf
        from cems_tui.starter.prompt_notes import wording_of

        return RouterShelf(self._router_folders, self.towers(room), wording_of)

    @property
    def routers(self) -> Routers:
        """Which router is in use, and the files of all."""
        from cems_tui.services.routers import Routers

        return Routers(
            folders=self._router_folders,
            config_file=self.paths.config_file,
            configured=self._configured,
            before_file=self.paths.state / "routers-before.json",
            shelf=self.shelf,
            towers=self.towers,
            catalog=self.catalog,
            scores=self.scores,
        )

    @property
    def trainer(self) -> RouterTrainer:
        """Trains, extends and calibrates routers."""
        from cems_tui.services.router_trainer import RouterTrainer

        return RouterTrainer(
            own=self.paths.routers,
            workspace=self.paths.trainings,
            cache=self.paths.embeddings,
            tables=self.pack / "router",
            encoders_file=self.paths.encoders_file,
            shelf=self.shelf,
            towers=self.towers,
            catalog=self.catalog,
            scores=self.scores,
            in_use=lambda: self.routers.asked_by_default(),
        )

    def explainer(self, shelf: RouterShelf | None = None) -> Explainer:
        """Explains decisions of a shelf's routers; None is those there are now."""
        from cems_tui.services.explainer import open_explainer

        return open_explainer(shelf or self.shelf(), self.history, self.shipped)

    @property
    def _router_folders(self) -> tuple[Path, ...]:
        """Where router checkpoints lie: the user's own first, then the shipped ones."""
        return (self.paths.routers, self.shipped / "routers", self.pack / "router")

    # Scores.

    @property
    def scorers(self) -> Scorers:
        """The instruments at hand, as the user configured them."""
        from cems_tui.catalog.catalog import StarterPack
        from cems_tui.services.scorers import Scorers

        return Scorers(
            self.models.ledger, StarterPack.at(self.pack), self.settings.quality, self._pack_scorer
        )

    def _pack_scorer(self, metric: str) -> Scorer:
        """The starter pack's own instrument; imports torch."""
        from cems_tui.scoring.clip import ClipScorer
        from cems_tui.scoring.nima import NimaScorer
        from cems_tui.scoring.nima_head import load_nima
        from cems_tui.starter.prompt_notes import read_prompt

        folder = self._verified(f"scorers/{metric}")
        if metric == "nima":
            return NimaScorer(folder, load_nima)
        return ClipScorer(folder, wording=read_prompt)

    def _verified(self, component: str) -> Path:
        """The folder of a component of the pack, every file checked against the manifest."""
        from cems_tui.starter.manifest import verify

        verify(self.pack, only=[component])
        return self.pack / component

    # One prompt.

    @contextmanager
    def planner(self) -> Iterator[Planner]:
        """A planner that knows what was measured here; needs no device and writes nothing."""
        with self.history() as store:
            yield self.planner_over(store)

    def planner_over(self, store: Store, room: TowerRoom | None = None) -> Planner:
        """A planner over the catalog, the router shelf and the runs in a database.

        Args:
            room: where the text encoders of routers are kept; None keeps each once it was read.
        """
        from cems_tui.generation.unread_words import UnreadWords
        from cems_tui.services.planner import Planner
        from cems_tui.starter.prompt_notes import StarterVocabulary

        catalog = self.catalog()
        return Planner(
            catalog=catalog,
            cost_model=self.cost_model(store, catalog),
            pricing=self.pricing,
            shelf=self.shelf(room),
            settings=self.settings,
            note_sources=(ForeignSyntax(), UnreadWords(), StarterVocabulary()),
            room=self.room,
        )

    def cost_model(self, store: Store, catalog: Catalog | None = None) -> CostModel:
        """What a picture takes here, by the runs in a database.

        Args:
            catalog: the functions there are; None reads them.
        """
        from cems_tui.generation.cost_model import CostModel
        from cems_tui.generation.families import registry
        from cems_tui.generation.machine_speed import load_references_of, references_of

        functions = list((self.catalog() if catalog is None else catalog).values())
        told, loads = references_of(functions), load_references_of(functions)
        by_model = {one.model.name: one for one in functions}
        settings = self._engine_settings()

        def precision_of(model: str) -> str | None:
            function = by_model.get(model)
            return None if function is None else registry.precision_of(function, settings)

        return CostModel(
            observations(store), self.pricing, told, loads, precision_of, self._held_weights
        )

    @contextmanager
    def engine(
        self,
        *,
        session_name: str | None = None,
        kind: SessionKind = "command",
        wait_seconds: float | None = 0.0,
        pictures: Path | None = None,
        yields: bool = False,
        stop: Stop = never,
        on_wait: Callable[[Holder], None] = lambda holder: None,
    ) -> Iterator[Engine]:
        """An engine that holds the device until the block ends.

        Args:
            yields: whether it asks now and then who else wants the device, see `Engine.give_way`.
            wait_seconds, stop, on_wait: as `Hold.acquire`.

        Raises:
            StorageError: the database or the pictures folder cannot be written.
            DeviceBusy: another process holds the device, and does not give way.
            Interrupted: `stop` said so while it waited.
        """
        from cems_tui.store.database import open_store

        minutes = self.settings.device.keep_alive_minutes if kind == "app" else 0
        folder = pictures or self.pictures
        with ExitStack() as stack:
            paths.ensure_writable(folder)
            store = stack.enter_context(open_store(self.paths.database))
            name = session_name or os.environ.get("CEMS_SESSION") or None
            kind_of_device = self.settings.generation.chosen_device
            hold = self.device.hold(minutes, kind_of_device, yields=yields)
            self.make_way(patient=bool(wait_seconds))
            hold.acquire(wait_seconds, stop, on_wait)
            stack.callback(hold.release)
            session_id = store.session(name, kind=kind, command=this_command())
            yield self._engine(stack, store, session_id, hold, folder, pictures is not None)

    @contextmanager
    def engine_on(self, hold: Hold) -> Iterator[Engine]:
        """An engine on a device that is held, for pictures of sessions that others opened.

        Raises:
            StorageError: the database or the pictures folder cannot be written.
        """
        from cems_tui.store.database import open_store

        with ExitStack() as stack:
            paths.ensure_writable(self.pictures)
            store = stack.enter_context(open_store(self.paths.database))
            yield self._engine(stack, store, "", hold, self.pictures, False)

    @contextmanager
    def command_engine(
        self,
        *,
        session_name: str | None = None,
        wait_seconds: float = 0.0,
        pictures: Path | None = None,
        keep_alive_minutes: float | None = None,
        on_wait: Callable[[Holder], None] = lambda holder: None,
    ) -> Iterator[CommandEngine]:
        """The resident engine, if there is one or is to be one; else an engine until the end.

        Args:
            keep_alive_minutes: how long it stays for the next command; None is the setting.
            on_wait: told who holds the device, when it is waited for.

        Raises:
            as `engine`.
        """
        from cems_tui.services.engine.resident_socket import usable
        from cems_tui.store.database import open_store

        said = keep_alive_minutes
        minutes = self.settings.device.keep_alive_minutes if said is None else said
        folder = pictures or self.pictures
        place = self.paths.resident_engine
        client: ResidentClient | None = None
        with ExitStack() as stack:
            if usable(place) and (minutes or place.exists()):
                client = self._client(
                    wait_seconds, minutes if said is not None or minutes else None, on_wait
                )
                stack.callback(client.close)
            if client is None or not (client.open() or minutes):
                own = self.engine(
                    session_name=session_name,
                    wait_seconds=wait_seconds,
                    pictures=pictures,
                    on_wait=on_wait,
                )
                yield stack.enter_context(own)
                return
            if not client.there:
                client.start()
            paths.ensure_writable(folder)
            store = stack.enter_context(open_store(self.paths.database))
            self._reconcile(store, folder, foreign_folder=pictures is not None)
            name = session_name or os.environ.get("CEMS_SESSION") or None
            session_id = store.session(name, command=this_command())
            planner = self.planner_over(store)
            client.serves(session_id, folder.absolute(), lambda made: _learn(planner, made))
            yield CommandEngine(client, planner, store, session_id)

    def idle_shadow(self) -> IdleShadow:
        """What draws for lots in an engine's idle time, as config.toml says at that moment."""
        from cems_tui.services.loop.shadow import IdleShadow

        return IdleShadow(lambda: self._configured().shadow)

    def warm_up(self) -> None:
        """Import what a first picture needs, without the device: seconds, once in a process.

        A card is priced, and the starter pack's instruments read a grey picture. What is wrong
        with a model's files is told where it is drawn with.
        """
        from PIL.Image import new as new_picture

        from cems_tui.domain.decision import Policy
        from cems_tui.generation.families import registry
        from cems_tui.generation.residency import Residency
        from cems_tui.store.pictures import commit_picture

        del Residency, commit_picture  # imported: that is all
        installed = self.catalog().installed()
        with self.planner() as planner:
            asked = Request("", "a", Policy.balanced())
            planner.decide(asked, frozenset(), installed_only=True)
            for function in {one.model.family: one for one in installed}.values():
                registry.warm_up(function)
            for model in [
                one.model.name for one in installed if one.model.name.startswith(RESERVED)
            ][:1]:
                self.scorers.panel(planner).read([new_picture("RGB", (64, 64))], ["a"], model)

    def make_way(self, *, patient: bool = False) -> bool:
        """Have the resident engine give the device up, if it is idle; whether there was one.

        Args:
            patient: whether one that draws is to end after that.
        """
        from cems_tui.services.engine.resident_client import retire

        return retire(self.paths.resident_engine, patient=patient)

    def _client(
        self, wait_seconds: float, minutes: float | None, on_wait: Callable[[Holder], None]
    ) -> ResidentClient:
        """A command's side of the resident engine."""
        from cems_tui.services.engine.launch import engine_key, start_engine
        from cems_tui.services.engine.resident_client import ResidentClient

        here = self.paths
        key = engine_key(
            (here.data, here.cache, here.config, here.state),
            (here.config_file, here.routers, here.encoders_file),
        )
        seconds = None if minutes is None else minutes * 60

        def await_device() -> None:
            holder = self.device.holder()
            if holder is not None and holder.yields:
                return  # the engine will be given way to
            hold = self.device.hold()
            hold.acquire(wait_seconds, on_wait=on_wait)
            hold.release()

        return ResidentClient(
            here.resident_engine,
            key,
            seconds,
            lambda: start_engine(key, seconds or 0.0),
            await_device,
            wait_seconds,
        )

    def _engine(
        self,
        stack: ExitStack,
        store: Store,
        session_id: str,
        hold: Hold,
        folder: Path,
        foreign_folder: bool,
    ) -> Engine:
        """An engine on a device that is held; closed with the stack."""
        self._reconcile(store, folder, foreign_folder=foreign_folder)
        residency = self._residency(store, hold)
        planner = self.planner_over(store, self._tower_room(residency))
        session, scorer_room = self._session(planner, store, session_id, folder, hold, residency)
        stack.callback(session.close)
        return Engine(session, planner, store, session_id, hold, scorer_room)

    def _reconcile(self, store: Store, folder: Path, *, foreign_folder: bool) -> None:
        """Put right what a killed process left in a folder of pictures."""
        from cems_tui.store.pictures import RefusedPictures, reconcile

        refused = RefusedPictures.read(self.paths.refused_pictures, folder)
        reconcile(store, folder, ours_only=foreign_folder, refused=refused)
        refused.keep()

    def _residency(self, store: Store, hold: Hold) -> Residency:
        """The ledger of what holds weights on a device that is held."""
        from cems_tui.generation.device import probe, weight_cap_bytes
        from cems_tui.generation.families import registry
        from cems_tui.generation.networks import Shelf
        from cems_tui.generation.residency import Residency
        from cems_tui.services.queue.outlook import models_wanted

        shelf, chosen = Shelf(), self.settings.device
        kind = self.settings.generation.chosen_device
        residency = Residency(
            weight_cap_bytes(probe(kind), chosen.budget_mb, chosen.leave_bytes),
            lambda function: self.pipeline(function, shelf),
            lambda function: registry.expected_weights(function, self._engine_settings(), shelf),
            hold=shelf.hold,
            changed=hold.publish,
            reclaim=shelf.arenas.release,
            room=lambda: probe(kind).less(chosen.leave_bytes - shelf.arenas.idle_bytes),
            wanted=lambda: models_wanted(store.queue, residency.resident()),
            part_by_part=self._part_by_part(shelf),
        )
        return residency

    def _session(
        self,
        planner: Planner,
        store: Store,
        session_id: str,
        folder: Path,
        hold: Hold,
        residency: Residency,
    ) -> tuple[Session, ScorerRoom | None]:
        """A session that draws on this machine's device and records in the store."""
        from cems_tui.generation.families import registry
        from cems_tui.services.session import Session
        from cems_tui.store.pictures import commit_picture

        def commit(image: Image, generation: Generation) -> None:
            with shielded():
                commit_picture(store, image, generation)

        scorer_room = self._scorer_room(residency)
        session = Session(
            planner=planner,
            residency=residency,
            judges=self.scorers.panel(planner, scorer_room),
            commit=commit,
            pricing=planner.pricing,
            session_id=session_id,
            pictures=folder,
            on_measured=lambda made: _learn(planner, made),
            warm_up=registry.warm_up,
            due=lambda: hold.asked() | hold.due(residency.present(), time()),
            recorded=lambda request: store.generation(request) if store.has(request) else None,
        )
        return session, scorer_room

    def _scorer_room(self, residency: Residency) -> ScorerRoom | None:
        """Where instruments are kept: in the ledger of the device, unless they read elsewhere."""
        from cems_tui.generation.device import likely_kind
        from cems_tui.services.scorers import SharedRoom

        apart = self.settings.quality.device == "cpu" and likely_kind() != "cpu"
        return None if apart else SharedRoom(residency)

    def _tower_room(self, residency: Residency) -> TowerRoom | None:
        """Where text encoders are kept: in the ledger where that is of main memory, which they
        read in."""
        from cems_tui.generation.device import likely_kind
        from cems_tui.services.engine.tower_room import SharedTowerRoom

        shared = likely_kind(self.settings.generation.chosen_device) == "cpu"
        return SharedTowerRoom(residency) if shared else None

    def _part_by_part(self, shelf: Shelf) -> PartByPart | None:
        """How what is too large for the device is drawn with; None where that is not done."""
        from cems_tui.generation.device import likely_kind
        from cems_tui.generation.families import registry
        from cems_tui.generation.families.offload import OFFLOADING_DEVICES
        from cems_tui.generation.residency import PartByPart

        if likely_kind(self.settings.generation.chosen_device) not in OFFLOADING_DEVICES:
            return None
        in_turn = replace(self._engine_settings(), in_parts=True)
        return PartByPart(
            lambda function: self.pipeline(function, shelf, in_parts=True),
            lambda function: registry.expected_weights(function, in_turn, shelf),
        )

    def pipeline(
        self, function: GenerationFunction, shelf: Shelf | None = None, *, in_parts: bool = False
    ) -> Pipeline:
        """The function's model on the device; a damaged file of the pack is refused first.

        Args:
            shelf: where its networks are found if another model holds them.
            in_parts: with layers in main memory that are brought to the device in turn.
        """
        from cems_tui.generation.families import registry
        from cems_tui.generation.pipeline import WordedPipeline
        from cems_tui.starter.prompt_notes import read_prompt

        settings = replace(self._engine_settings(), in_parts=in_parts)
        if not function.model.name.startswith(RESERVED):
            return registry.load(function, settings, shelf)
        self._verified(function.model.name)
        pipeline = registry.load(function, settings, shelf)
        return WordedPipeline(pipeline, read_prompt)

    def _held_weights(self, function: GenerationFunction) -> Mapping[str, int] | None:
        """What the files of an installed model say that its networks hold."""
        from cems_tui.generation.families import registry

        return registry.held_weights(function, self._engine_settings())

    def _engine_settings(self) -> EngineSettings:
        """How pipelines are loaded."""
        from cems_tui.generation.families.registry import EngineSettings
        from cems_tui.generation.precision import as_precision

        chosen = self.settings.generation
        return EngineSettings(
            device=chosen.chosen_device,
            precision=as_precision(chosen.precision),
            threads=int(chosen.threads) or None,
        )

    # All of it.

    @property
    def doctor(self) -> Doctor:
        """Looks at everything a picture depends on."""
        from cems_tui.models.leftovers import half_written
        from cems_tui.services.doctor import Doctor

        def survey() -> Survey:
            with self.planner() as planner:
                return self.survey(planner)

        def prices() -> tuple[Sequence[OriginSpeed], Sequence[Certainty]]:
            with self.history() as store:
                known = self.cost_model(store)
            installed = self.catalog().installed()
            return known.origins(), [known.certainty(function) for function in installed]

        return Doctor(
            paths=self.paths,
            pack=self.pack,
            device=self.device,
            drawing=lambda: self.settings.generation,
            weight_budget=self.weight_budget,
            survey=survey,
            left_over=lambda: [
                *self.models.leftovers(),
                *self.routers.leftovers(),
                *half_written(self.paths.roots, self.models.unfinished),
            ],
            unreadable=lambda: list(self.models.ledger().unreadable),
            shared=lambda: self.settings.storage.shared,
            history=self.history,
            prices=prices,
        )


class Drawing(Protocol):
    """What makes pictures: a session of this process, or the resident engine's."""

    def run(self, request: Request, emit: Callable[[Event], None], stop: Stop) -> Generation:
        """One picture, as `Session.run`."""
        ...

    def resident(self) -> frozenset[str]:
        """Names of the models on the device."""
        ...


@dataclass(frozen=True, slots=True)
class CommandEngine:
    """Everything a command needs to make pictures, wherever they are drawn."""

    session: Drawing
    planner: Planner
    store: Store
    session_id: str

    def record_failure(self, request: Request, message: str, exit_code: int) -> None:
        """Keep that a request failed; a database that cannot be written is told, not raised."""
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

    def spent_usd(self, *, load_cost: bool = False, session: str | None = None) -> float:
        """US dollars this session, or that one, has cost; unpriced pictures are not in it."""
        stats = self.store.stats(session=session or self.session_id)
        return stats.spent_usd(load_cost=load_cost)


@dataclass(frozen=True, slots=True)
class Engine(CommandEngine):
    """One that draws in this process."""

    session: Session
    hold: Hold
    """The device, for as long as something is on it."""

    scorer_room: ScorerRoom | None = None
    """Where instruments are kept beside the models; None where they read on another device."""

    def give_way(self, stop: Stop, on_wait: Callable[[Holder], None]) -> None:
        """Let whoever waits for the device have it, and take it back after them.

        Args:
            stop: asked while others have it.
            on_wait: told who has it.

        Raises:
            Interrupted: `stop` said so; then the device is not held.
        """
        if self.hold.wanted:
            self.session.close()
            self.hold.release()
            self.hold.acquire(None, stop, on_wait)


def _learn(planner: Planner, generation: Generation) -> None:
    """Have the planner learn what a picture took."""
    observation = observed(generation)
    if observation is not None:
        planner.learn(observation)


def observations(store: Store) -> list[Observation]:
    """What was measured on this machine, oldest first."""
    from cems_tui.generation.cost_model import Observation

    return [
        Observation(**{field.name: getattr(row, field.name) for field in fields(row)})
        for row in store.observations()
        if None not in (row.encode_seconds, row.denoise_seconds, row.decode_seconds)
    ]


def observed(generation: Generation) -> Observation | None:
    """What one picture taught about its function; None when it was not fully measured."""
    from cems_tui.generation.cost_model import Observation

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
        load_seconds=seconds.load,
        memory_bytes=generation.peak_memory_bytes,
        load_bytes=generation.load_bytes,
        held_bytes=generation.held_bytes,
        stage_bytes=generation.stage_bytes,
        precision=generation.precision,
        contention=generation.contention,
        energy_wh=generation.energy_wh,
    )
