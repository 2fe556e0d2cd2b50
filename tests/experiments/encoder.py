"""Makes the sentence encoder that ships, in 8 bits a number, from its authors' files.

`python -m tests.experiments.encoder FOLDER OUT`.

FOLDER holds all-MiniLM-L6-v2 as its authors publish it (`cems pull all-minilm-l6-v2` fetches it).
The same files give the same bytes; files of another digest are refused. LICENSE and README.md of
OUT stay as they are, and are listed in its manifest.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from cems_tui.errors import CemsError, WeightsError
from cems_tui.files import SHARED, file_digest, write_bytes, write_text
from cems_tui.routing.features.encoder_files import (
    CONFIG,
    TOKENS,
    WEIGHTS,
    read_rounded,
    read_sentence_encoder,
)
from cems_tui.routing.features.sentence_encoder import BertShape
from cems_tui.starter.manifest import write_manifest

NAME = "all-minilm-l6-v2"
SOURCE = "sentence-transformers/all-MiniLM-L6-v2"
REVISION = "1110a243fdf4706b3f48f1d95db1a4f5529b4d41"
DIGESTS = {
    WEIGHTS: "sha256:53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    TOKENS: "sha256:be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
"""Of the authors' files at that revision."""


def build(source: Path, out: Path) -> str:
    """Writes the encoder and its manifest; returns the encoder's digest.

    Raises:
        WeightsError: a file of the source is missing, or not the one of the revision.
        StorageError: the folder cannot be written.
    """
    from safetensors.numpy import save

    for name, expected in DIGESTS.items():
        found = file_digest(source / name)
        if found != expected:
            raise WeightsError(f"{source / name} is not that of {SOURCE} at {REVISION}: {found}")
    shape = BertShape()
    tensors = read_rounded(source / WEIGHTS, shape)
    config = {"model_type": "bert", "hidden_act": "gelu", **asdict(shape), "source": SOURCE}
    out.mkdir(parents=True, exist_ok=True)
    write_bytes(out / WEIGHTS, save(tensors), mode=SHARED)
    write_bytes(out / TOKENS, (source / TOKENS).read_bytes(), mode=SHARED)
    text = json.dumps({**config, "revision": REVISION}, indent=1) + "\n"
    write_text(out / CONFIG, text, mode=SHARED)
    write_manifest(
        out,
        version="1",
        licence="Apache-2.0",
        pipelines={},
        scorers={},
        name=NAME,
        created="2026-11-27",
    )
    return read_sentence_encoder(out, NAME).facts.sha256


def main(arguments: Sequence[str]) -> int:
    """`FOLDER OUT`; 2 where the words are wrong, 1 where the files are."""
    if len(arguments) != 2:
        print("usage: python -m tests.experiments.encoder FOLDER OUT", file=sys.stderr)
        return 2
    try:
        print(build(*map(Path, arguments)))
    except CemsError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
