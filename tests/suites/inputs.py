"""Hostile inputs through every gate that reads what a stranger wrote.

A gate may refuse with an error of ours, or take the input; anything else that is raised is a
fault. `python -m tests.suites.inputs --runs 300000` mutates good inputs at random; with
`--guided` atheris, a coverage-guided fuzzer, chooses what to go on with (it is not among the
dependencies: `pip install atheris` first). Faults are written to `--faults DIR`, one file each.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import os
import random
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from contextlib import redirect_stderr, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from huggingface_hub.hf_api import ModelInfo
from safetensors.numpy import save

from cems_tui import paths, settings
from cems_tui.bench.prompts import parse_prompts
from cems_tui.domain.generation import Generation
from cems_tui.errors import CemsError
from cems_tui.generation.device_status import read_presence
from cems_tui.generation.weight_files import component_files, read_header, tensor_shapes
from cems_tui.locks import FileLock
from cems_tui.models.hub import answer
from cems_tui.models.inspect import inspect_folder
from cems_tui.models.ledger import Ledger
from cems_tui.models.queue import PullQueue
from cems_tui.routing.checkpoints.card import parse_card
from cems_tui.routing.checkpoints.package import read_package
from cems_tui.score_tables.formats import read_table
from cems_tui.services.engine.protocol import EngineReady
from cems_tui.services.engine.wire import BadMessage, decoded, encoded
from cems_tui.store.receipts import read_receipt, text_chunks
from cems_tui.store.search import parsed
from tests.store.records import generation
from tests.suites.mutations import mutated

Target = Callable[[bytes, Path], None]
"""Reads an input; the folder is its own and empty but for what it writes itself."""


@dataclass(frozen=True)
class Gate:
    """A reader of what a stranger wrote."""

    read: Target
    seeds: tuple[bytes, ...]
    refuses: tuple[type[BaseException], ...] = (CemsError,)
    """What it may raise."""


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


# One reader a gate.


def _hub(data: bytes, folder: Path) -> None:
    try:
        info = json.loads(data)
        answer.repository("org/name", ModelInfo(**info))
    except answer.WRONG_TYPES:
        pass  # the client says of these that no Hub answers so


def _index(data: bytes, folder: Path) -> None:
    answer.index(data, "org/name")


def _ledger(data: bytes, folder: Path) -> None:
    path = folder / "ledger" / "tiny.json"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    ledger = Ledger.read(folder)
    for entry in ledger.entries.values():
        ledger.present(entry)
        ledger.folder_of(entry)
        ledger.own_folder(entry)


def _card(data: bytes, folder: Path) -> None:
    parse_card(data.decode("utf-8", "surrogateescape"), "a card")


def _package(data: bytes, folder: Path) -> None:
    read_package(_file(folder / "a.router", data))


def _package_of_card(data: bytes, folder: Path) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as package:
        package.writestr("card.json", data)
        package.writestr("weights.safetensors", _WEIGHTS)
    _package(made.getvalue(), folder)


def _png(data: bytes, folder: Path) -> None:
    path = _file(folder / "a.png", data)
    text_chunks(path)
    read_receipt(path)


def _receipt(data: bytes, folder: Path) -> None:
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    texts = PngInfo()
    texts.add_itxt("cems", data.decode("utf-8", "replace").replace("\x00", ""))
    path = folder / "a.png"
    Image.new("RGB", (8, 8)).save(path, pnginfo=texts)
    Generation.from_json(read_receipt(path)).to_json()


def _config(data: bytes, folder: Path) -> None:
    settings.load(_file(folder / "config.toml", data))


def _csv(data: bytes, folder: Path) -> None:
    read_table(_file(folder / "a.csv", data))


def _jsonl(data: bytes, folder: Path) -> None:
    read_table(_file(folder / "a.jsonl", data))


def _parquet(data: bytes, folder: Path) -> None:
    read_table(_file(folder / "a.parquet", data))


def _header(data: bytes, folder: Path) -> None:
    path = _file(folder / "model.safetensors", data)
    read_header(path).loaded_bytes(2)
    tensor_shapes(path)


def _header_words(data: bytes, folder: Path) -> None:
    _header(len(data).to_bytes(8, "little") + data + b"\x00" * 16, folder)


def _shards(data: bytes, folder: Path) -> None:
    _file(folder / "diffusion_pytorch_model.safetensors.index.json", data)
    component_files(folder)


def _pipeline(data: bytes, folder: Path) -> None:
    _file(folder / "model_index.json", data)
    inspect_folder(folder)


def _prompts(ending: str) -> Target:
    def read(data: bytes, folder: Path) -> None:
        parse_prompts(data, f"prompts.{ending}")

    return read


def _wire(data: bytes, folder: Path) -> None:
    decoded(data)


def _search(data: bytes, folder: Path) -> None:
    parsed(data.decode("utf-8", "replace"), datetime(2026, 11, 27, tzinfo=UTC))


def _presence(data: bytes, folder: Path) -> None:
    lock = FileLock(folder / "device.lock", "the device")
    if not lock.held:
        lock.acquire()
    try:
        told = read_presence(_file(folder / "device.json", data), lock)
        if told is not None:
            assert told.total_bytes >= 0
    finally:
        lock.release()


def _pulls(data: bytes, folder: Path) -> None:
    def pull(*told: Any) -> Any:
        raise AssertionError("nothing is pulled before it is resumed")

    PullQueue(pull, _file(folder / "pulls.json", data), lambda model: None).close()


def _file(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


# Good inputs to begin with.

_WEIGHTS = save({})
_SHIPPED = paths.checkpoints() / "routers" / "cems-clip.json"
_GENERATED = _json(generation("01S", Path("/pictures"), id="01X").to_json())
_LISTING = _json(
    {
        "id": "org/name",
        "sha": "a" * 40,
        "gated": False,
        "cardData": {"license": "mit"},
        "tags": ["license:mit"],
        "siblings": [
            {"rfilename": "model_index.json", "size": 20, "blobId": "b" * 40},
            {
                "rfilename": "unet/model.safetensors",
                "size": 200,
                "blobId": "c" * 40,
                "lfs": {"sha256": "d" * 64, "size": 200, "pointerSize": 130},
            },
        ],
    }
)
_ENTRY = _json(
    {
        "name": "tiny",
        "repo": "org/tiny",
        "commit": "a" * 40,
        "folder": "org--tiny/" + "a" * 40,
        "licence": "mit",
        "gated": False,
        "accepted": None,
        "files": [{"path": "model_index.json", "bytes": 3, "sha256": "b" * 64}],
    }
)
_TABLE = (
    b"prompt_id,prompt,function,metric,score,seed,seconds,memory_bytes\n"
    b'1,"a cat, sitting",one@1,clip,31.5,0,0.5,1000\n'
    b'1,"a cat, sitting",two@4,clip,32.5,0,0.9,2000\n'
    b"2,a dog,one@1,clip,30,0,0.5,1000\n"
)
_ROWS = b"\n".join(
    _json({"prompt_id": "1", "prompt": "a cat", "function": name, "metric": "clip", "score": 31.5})
    for name in ("one@1", "two@4")
)
_PRESENCE = _json(
    {
        "pid": os.getpid(),
        "command": "cems generate",
        "device": "cpu",
        "keep_alive_seconds": 300.0,
        "models": [
            {
                "model": "tiny",
                "weights": {"a": 1000},
                "names": {"a": "unet"},
                "in_use": False,
                "leaving": False,
                "since": 1.0,
                "last_used": 2.0,
            }
        ],
    }
)
_INDEX = _json(
    {
        "_class_name": "StableDiffusionPipeline",
        "_diffusers_version": "0.42.0",
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
)
_CONFIG = (
    b"[routing]\ntradeoff = 0.5\nload_cost = 'on'\n[device]\nbudget_mb = 700\nleave_gb = 1.5\n"
    b"[pricing]\ncurrency = 'EUR'\nper_usd = 0.92\n[storage]\nshared = true\n"
)
_SEARCHES = (
    b"cat function:starter-turbo@1 score:>5 cost:<0.001 since:7d star:yes",
    "猫 session:monday rating:>=3 until:2026-11-27".encode(),
)
_HEADER = _json(
    {
        "__metadata__": {"format": "pt"},
        "a": {"dtype": "F16", "shape": [2, 4], "data_offsets": [0, 16]},
    }
)


def _parquet_seed() -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = {
        "prompt_id": ["1", "1"],
        "prompt": ["a cat", "a cat"],
        "function": ["one@1", "two@4"],
        "metric": ["clip", "clip"],
        "score": [31.5, 32.0],
        "seed": [0, 0],
    }
    made = io.BytesIO()
    pq.write_table(pa.table(rows), made)
    return made.getvalue()


def _zip_seed() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("card.json", _SHIPPED.read_bytes())
        package.writestr("weights.safetensors", _WEIGHTS)
    return made.getvalue()


def _png_seed() -> bytes:
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    texts = PngInfo()
    texts.add_itxt("cems", _GENERATED.decode(), zip=True)
    texts.add_text("parameters", "a cat\nSteps: 1, Seed: 3")
    made = io.BytesIO()
    Image.new("RGB", (8, 8)).save(made, "PNG", pnginfo=texts)
    return made.getvalue()


GATES: dict[str, Gate] = {
    "hub answer": Gate(_hub, (_LISTING,)),
    "pipeline index of a hub": Gate(_index, (_INDEX,)),
    "ledger entry": Gate(_ledger, (_ENTRY,)),
    "router card": Gate(_card, (_SHIPPED.read_bytes(),)),
    "router package": Gate(_package, (_zip_seed(),)),
    "card in a package": Gate(_package_of_card, (_SHIPPED.read_bytes(),)),
    "png": Gate(_png, (_png_seed(),)),
    "receipt": Gate(_receipt, (_GENERATED,)),
    "configuration": Gate(_config, (_CONFIG,)),
    "score table csv": Gate(_csv, (_TABLE, _TABLE.replace(b",", b";"))),
    "score table jsonl": Gate(_jsonl, (_ROWS,)),
    "score table parquet": Gate(_parquet, (_parquet_seed(),)),
    "weight file": Gate(
        _header, (save({}), len(_HEADER).to_bytes(8, "little") + _HEADER + b"0" * 16)
    ),
    "weight header": Gate(_header_words, (_HEADER,)),
    "shard index": Gate(_shards, (_json({"weight_map": {"a": "b-00001.safetensors"}}),)),
    "pipeline folder": Gate(_pipeline, (_INDEX,)),
    "prompts text": Gate(_prompts("txt"), (b"a cat\na dog --seed 3\n\n# none\n",)),
    "prompts csv": Gate(_prompts("csv"), (b'a cat, sitting\n"a dog",3\n',)),
    "prompts jsonl": Gate(
        _prompts("jsonl"), (b'{"prompt": "a cat", "seed": 3, "size": "64x64"}\n',)
    ),
    "engine message": Gate(
        _wire, (encoded(EngineReady("01R", frozenset({"tiny"}))),), (BadMessage,)
    ),
    "search": Gate(_search, _SEARCHES),
    "device status": Gate(_presence, (_PRESENCE,)),
    "queue of pulls": Gate(_pulls, (_json([{"model": "sd-turbo", "agreed": True}]),)),
}


def tried(gate: Gate, data: bytes, folder: Path) -> None:
    """Read the input.

    Raises:
        Exception: the gate raised what it may not.
    """
    with suppress(gate.refuses):
        gate.read(data, folder)


@dataclass
class Count:
    """How a run went."""

    gate: str
    runs: int = 0
    faults: int = 0
    slowest_seconds: float = 0.0


def run(name: str, runs: int, seed: int, folder: Path, faults: Path | None = None) -> Count:
    """Mutates the gate's good inputs, and the mutants that it took, at random."""
    gate, chance = GATES[name], random.Random(f"{name} {seed}")
    pool, count = list(gate.seeds), Count(name)
    for data in gate.seeds:
        tried(gate, data, folder)
    while count.runs < runs:
        data = mutated(chance.choice(pool), chance)
        began = time.process_time()
        try:
            gate.read(data, folder)
            if len(pool) < 200 and len(data) < 50_000 and chance.random() < 0.05:
                pool.append(data)
        except gate.refuses:
            pass
        except Exception as error:
            if faults is None:
                raise AssertionError(f"{name}: {error!r} of {data[:400]!r}") from error
            count.faults += 1
            _keep(faults, name, data, error)
        count.runs += 1
        count.slowest_seconds = max(count.slowest_seconds, time.process_time() - began)
    return count


def _keep(faults: Path, name: str, data: bytes, error: BaseException) -> None:
    faults.mkdir(parents=True, exist_ok=True)
    kind = f"{name.replace(' ', '-')}-{type(error).__name__}"
    if len(list(faults.glob(f"{kind}-*"))) < 20:
        number = len(list(faults.glob(f"{kind}-*")))
        (faults / f"{kind}-{number}").write_bytes(data)
        print(f"FAULT {name}: {error!r}"[:300], file=sys.stderr, flush=True)


def guided(name: str, runs: int, seconds: int, seed: int, faults: Path) -> None:
    """One gate under atheris; ends the process."""
    import atheris

    gate = GATES[name]
    for module in [module for name, module in sys.modules.items() if name.startswith("cems_tui.")]:
        for value in vars(module).values():
            ours = getattr(value, "__module__", None) == module.__name__
            if ours and hasattr(value, "__code__"):
                atheris.instrument_func(value)
    folder = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, data in enumerate(gate.seeds):
        (corpus / str(number)).write_bytes(data)

    def once(data: bytes) -> None:
        try:
            tried(gate, data, folder)
        except Exception as error:
            _keep(faults, name, data, error)

    def other(data: bytes, most: int, number: int) -> bytes:
        if number % 3 == 0:
            return bytes(atheris.Mutate(data, most))
        return mutated(data, random.Random(number))[:most]

    flags = [f"-runs={runs}", f"-seed={seed or 1}", "-max_len=20000", "-timeout=20"]
    if seconds:
        flags.append(f"-max_total_time={seconds}")
    arguments = [sys.argv[0], *flags, "-rss_limit_mb=2048", str(corpus)]
    atheris.Setup(arguments, once, custom_mutator=other)
    atheris.Fuzz()


def main() -> None:
    """Runs the gates that are named, all of them when none is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("gates", nargs="*", choices=[*GATES, []], help="which; all when none")
    parser.add_argument("--runs", type=int, default=10_000, help="of each gate")
    parser.add_argument("--seconds", type=int, default=0, help="of each guided gate, at most")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--guided", action="store_true", help="let atheris choose")
    parser.add_argument("--faults", type=Path, default=Path(tempfile.gettempdir()) / "cems-faults")
    chosen = parser.parse_args()
    logging.disable(logging.CRITICAL)
    names = chosen.gates or list(GATES)
    if chosen.guided and len(names) == 1:
        guided(names[0], chosen.runs, chosen.seconds, chosen.seed, chosen.faults)
    for name in names:
        if chosen.guided:
            options = ["--guided", "--runs", str(chosen.runs), "--seed", str(chosen.seed)]
            options += ["--seconds", str(chosen.seconds)]
            command = [sys.executable, "-m", "tests.suites.inputs", name, *options]
            done = subprocess.run(
                [*command, "--faults", str(chosen.faults)], capture_output=True, text=True
            )
            told = [line for line in done.stderr.splitlines() if "FAULT" in line or "Done" in line]
            print(f"{name}: exit {done.returncode}", *told, sep="\n  ", flush=True)
            continue
        with tempfile.TemporaryDirectory() as folder, redirect_stderr(io.StringIO()) as told:
            count = run(name, chosen.runs, chosen.seed, Path(folder), chosen.faults)
        words = told.getvalue().strip()
        print(
            f"{name}: {count.runs} runs, {count.faults} faults, "
            f"slowest {count.slowest_seconds:.3f} s of processor",
            *words.splitlines()[:10],
            sep="\n  " if words else " ",
            flush=True,
        )


if __name__ == "__main__":
    main()
