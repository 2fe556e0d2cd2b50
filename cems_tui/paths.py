"""Where things live: one folder when CEMS_HOME is set, the platform's folders otherwise.

Nothing is created here; whoever writes creates (`ensure`).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from cems_tui.errors import ConfigError, StorageError

APP = "cems-tui"


@dataclass(frozen=True, slots=True)
class Paths:
    """The folders of one profile."""

    data: Path
    cache: Path
    config: Path
    state: Path

    @property
    def private(self) -> tuple[Path, ...]:
        """What tells others what was drawn."""
        return (
            self.database,
            self.pictures,
            self.bench_pictures,
            self.log_file,
            self.config_file,
        )

    @property
    def roots(self) -> tuple[Path, ...]:
        """The folders that everything lies in, each once, none within another."""
        every = (self.data, self.cache, self.config, self.state)
        outer = [one for one in every if not any(one != o and one.is_relative_to(o) for o in every)]
        return tuple(dict.fromkeys(outer))

    @property
    def swept(self) -> tuple[tuple[Path, bool], ...]:
        """Where any command clears the half files of killed ones, and whether also below.

        Pictures and models are not among them: who writes there clears there.
        """
        flat = (self.data, self.config, self.routers, self.models / "ledger")
        return (*((folder, False) for folder in flat), (self.state, True), (self.cache, True))

    @property
    def database(self) -> Path:
        return self.data / "cems.db"

    @property
    def pictures(self) -> Path:
        return self.data / "pictures"

    @property
    def bench_pictures(self) -> Path:
        """The pictures of benchmarks, a folder each."""
        return self.data / "bench-pictures"

    @property
    def refused_pictures(self) -> Path:
        """What was found in folders of pictures that is no picture of the history."""
        return self.cache / "refused-pictures.json"

    @property
    def models(self) -> Path:
        return self.data / "models"

    @property
    def routers(self) -> Path:
        return self.data / "routers"

    @property
    def encoders_file(self) -> Path:
        """Where the text towers lie that routers were trained with."""
        return self.data / "encoders.json"

    @property
    def prompt_sets(self) -> Path:
        """Public sets of prompts that were fetched, a folder each."""
        return self.cache / "prompt-sets"

    @property
    def embeddings(self) -> Path:
        return self.cache / "embeddings"

    @property
    def trainings(self) -> Path:
        """Trainings that were stopped, to go on from."""
        return self.state / "trainings"

    @property
    def config_file(self) -> Path:
        return self.config / "config.toml"

    @property
    def log_file(self) -> Path:
        return self.state / "cems.log"

    @property
    def device_lock(self) -> Path:
        return self.state / "device.lock"

    @property
    def bench_locks(self) -> Path:
        """A lock file of each benchmark that was run."""
        return self.state / "benches"

    @property
    def queue_owners(self) -> Path:
        """A lock file of each process that works on jobs of the queue."""
        return self.state / "queue"

    @property
    def resident_engine(self) -> Path:
        """The folder of the socket that the resident engine listens on; its owner's alone."""
        return self.state / "engine"

    @property
    def resident_file(self) -> Path:
        """Where the engine that holds the device tells what is on it."""
        return self.state / "resident.json"


def current() -> Paths:
    """The paths of this environment: CEMS_HOME, or the platformdirs folders of `cems-tui`.

    Raises:
        ConfigError: CEMS_HOME names the home of a user who is not there.
    """
    if home := os.environ.get("CEMS_HOME"):
        root = expanded(home, "CEMS_HOME").absolute()
        return Paths(data=root, cache=root / "cache", config=root, state=root / "state")
    import platformdirs

    return Paths(
        data=platformdirs.user_data_path(APP),
        cache=platformdirs.user_cache_path(APP),
        config=platformdirs.user_config_path(APP),
        state=platformdirs.user_state_path(APP),
    )


def expanded(text: str, name: str) -> Path:
    """A path as people write it, `~` being their home.

    Args:
        name: the setting or variable it comes from.

    Raises:
        ConfigError: it names the home of a user who is not there.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise ConfigError(
            f"{name} is {text!r}, and there is no home of that user", "Write the whole path."
        ) from error


def ensure(folder: Path) -> Path:
    """The folder, created with its parents if need be.

    Raises:
        StorageError: it cannot be created or is not a folder.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"cannot create the folder {folder}: {error.strerror or error}",
            "Choose a folder you may write to (--out, or CEMS_HOME).",
        ) from error
    return folder


def ensure_writable(folder: Path) -> Path:
    """The folder, created if need be, once a file could be made in it.

    Raises:
        StorageError: nothing can be written there.
    """
    import tempfile

    ensure(folder)
    try:
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise StorageError(
            f"cannot write into {folder}: {error.strerror or error}",
            "Choose a folder you may write to (--out, or CEMS_HOME).",
        ) from error


def checkpoints() -> Path:
    """The folder of the trained artifacts shipped with the package."""
    return Path(str(files("checkpoints")))
