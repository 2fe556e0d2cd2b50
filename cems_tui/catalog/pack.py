"""Where the starter pack is and what its manifest says, read without verifying it.

Verification hashes files and belongs to loading (`cems_tui.starter.manifest.verify`).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cems_tui import paths


@dataclass(frozen=True, slots=True)
class StarterPack:
    """A folder with pipelines, scorers, a router and a manifest; perhaps incomplete."""

    root: Path
    files: dict[str, Any] = field(default_factory=dict)
    """The manifest's entry of each file, by path relative to the root."""

    @classmethod
    def at(cls, root: Path | None = None) -> StarterPack:
        """The pack in that folder (default: the one shipped); empty when it has no manifest.

        A damaged manifest is not this function's business: nothing of the pack then counts as
        installed, and `cems starter verify` says why.
        """
        root = root or paths.checkpoints() / "starter"
        try:
            manifest = json.loads((root / "manifest.json").read_text("utf-8"))
            files = manifest["files"]
        except (OSError, ValueError, KeyError, TypeError):
            files = {}
        return cls(root, files if isinstance(files, dict) else {})

    def pipeline(self, name: str) -> Path | None:
        """The diffusers folder of a pipeline, if the manifest lists one."""
        return self.root / name if f"{name}/model_index.json" in self.files else None

    def folder(self, name: str) -> Path | None:
        """Any component's folder, if the manifest lists files in it."""
        prefix = f"{name}/"
        return self.root / name if any(path.startswith(prefix) for path in self.files) else None

    def digest(self, name: str) -> str | None:
        """`sha256:…` over the digests of a component's weight files; None when not listed.

        The same figure as hashing the files themselves (`generation.fingerprint`).
        """
        prefix = f"{name}/"
        weights = sorted(
            (path.removeprefix(prefix), entry["sha256"])
            for path, entry in self.files.items()
            if path.startswith(prefix) and path.endswith(".safetensors")
        )
        if not weights:
            return None
        lines = "".join(f"{path} sha256:{digest}\n" for path, digest in weights)
        return f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}"
