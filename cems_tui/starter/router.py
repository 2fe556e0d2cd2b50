"""Puts a trained router into the pack: `python -m cems_tui.starter.router --pack DIR --name R`."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from cems_tui import paths
from cems_tui.errors import WeightsError
from cems_tui.starter.manifest import read_manifest, write_manifest

FOLDER = "router"
ENDINGS = (".json", ".safetensors")


def add_router(pack: Path, routers: Path, name: str) -> None:
    """Copy a router's card and weights into the pack and list them in its manifest.

    Raises:
        WeightsError: there is no such router, or no pack.
    """
    before = read_manifest(pack)
    target = pack / FOLDER
    target.mkdir(exist_ok=True)
    for ending in ENDINGS:
        file = routers / f"{name}{ending}"
        if not file.is_file():
            raise WeightsError(f"{file} is missing", "Train it with `cems router train`.")
        shutil.copyfile(file, target / file.name)
    write_manifest(
        pack,
        version=before.version,
        licence=before.licence,
        pipelines=before.pipelines,
        scorers=before.scorers,
        name=before.name,
        licences={path: entry.licence for path, entry in before.files.items()},
        created=before.created,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pack", type=Path, required=True, help="the pack's folder")
    parser.add_argument("--name", default="starter", help="the router, of one's own folder")
    chosen = parser.parse_args()
    add_router(chosen.pack, paths.current().routers, chosen.name)


if __name__ == "__main__":
    main()
