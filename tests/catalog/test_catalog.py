"""The catalog: what there is, what is installed, and where every figure comes from."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from cems_tui.catalog import catalog
from cems_tui.catalog.catalog import function_names, rows
from cems_tui.domain.function import Expected
from cems_tui.domain.pricing import Pricing
from cems_tui.errors import UnknownName
from cems_tui.generation.families.registry import FAMILIES
from cems_tui.generation.networks import weights_digest
from cems_tui.models.ledger import checked_name
from cems_tui.models.repository import PICKLES
from cems_tui.models.target import is_noncommercial

CEMS_PRICES = {
    "sdxl-turbo@4": 1.02667e-4,
    "sd-turbo@1": 1.46667e-5,
    "amused-512@12": 3.26e-5,
    "sd-taesd@25": 1.05867e-4,
}


DRAWING = [row for row in rows() if row.get("function")]
SUPPORT = [row for row in rows() if not row.get("function")]
NOT_IN_PACK = [row for row in rows() if "pack" not in row]
REPO = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")

NETWORKS = {
    "sdxl-turbo": {
        "SDXL, SDXL-Turbo and Lightning UNet": 2,
        "SD and SDXL autoencoder": 2,
        "CLIP ViT-L/14 text encoder": 2,
        "OpenCLIP ViT-bigG/14 text encoder": 2,
    },
    "sd-turbo": {
        "SD 2.1 and SD-Turbo UNet": 2,
        "SD and SDXL autoencoder": 2,
        "OpenCLIP ViT-H/14 text encoder, 23 layers": 2,
    },
    "sd-taesd": {"SD 1.5 UNet": 2, "TAESD": 2, "CLIP ViT-L/14 text encoder": 2},
    "sd-1.5": {"SD 1.5 UNet": 2, "SD and SDXL autoencoder": 2, "CLIP ViT-L/14 text encoder": 2},
    "ssd-1b": {
        "SSD-1B UNet": 2,
        "SD and SDXL autoencoder": 2,
        "CLIP ViT-L/14 text encoder": 2,
        "OpenCLIP ViT-bigG/14 text encoder": 2,
    },
    "segmind-vega": {
        "Segmind-Vega UNet": 2,
        "SD and SDXL autoencoder": 2,
        "CLIP ViT-L/14 text encoder": 2,
        "OpenCLIP ViT-bigG/14 text encoder": 2,
    },
    "pixart-sigma": {
        "PixArt-Sigma transformer": 2,
        "SD and SDXL autoencoder": 2,
        "T5 v1.1 XXL encoder": 2,
    },
    "sana-0.6b": {"SANA 0.6B transformer": 2, "SANA autoencoder (f32c32)": 2, "Gemma 2 2B": 2},
    "sana-1.6b": {"SANA 1.6B transformer": 2, "SANA autoencoder (f32c32)": 2, "Gemma 2 2B": 2},
    "flux-schnell": {
        "FLUX.1-schnell transformer": 2,
        "SD 3 and FLUX.1 autoencoder": 2,
        "CLIP ViT-L/14 text encoder": 2,
        "T5 v1.1 XXL encoder": 2,
    },
    "z-image-turbo": {
        "Z-Image transformer": 2,
        "SD 3 and FLUX.1 autoencoder": 2,
        "Qwen 3 4B": 2,
    },
}
"""What a model is made of, by the names of the counted networks, and bytes a parameter."""

NETWORKS |= dict.fromkeys(("sdxl", "sdxl-lightning-4step"), NETWORKS["sdxl-turbo"])
NETWORKS["lcm-dreamshaper-v7"] = NETWORKS["sd-1.5"]


def _name(row: dict[str, Any]) -> str:
    return str(row["name"])


def _counted() -> dict[str, int]:
    path = Path(__file__).parents[1] / "results" / "2026-11-21-parameters.json"
    return {one["network"]: one["counted"] for one in json.loads(path.read_text())}


def test_no_two_models_and_no_two_functions_have_one_name() -> None:
    models = [row["name"] for row in rows()]
    functions = [name for row in rows() for name in function_names(row)]
    assert len({*models, *functions}) == len(models) + len(functions)


@pytest.mark.parametrize("row", DRAWING, ids=_name)
def test_a_function_is_its_model_at_a_number_of_steps(row: dict[str, Any]) -> None:
    assert [*function_names(row)] == [f"{row['name']}@{f['steps']}" for f in row["function"]]
    assert [f["steps"] for f in row["function"]] == sorted({f["steps"] for f in row["function"]})
    for function in row["function"]:
        assert function["steps"] >= 1
        assert 0 <= function["guidance"] <= 20
        multiple = 32 if row["family"] in ("amused", "sana") else 16
        assert function["width"] % multiple == function["height"] % multiple == 0


@pytest.mark.parametrize("row", NOT_IN_PACK, ids=_name)
def test_a_name_can_be_typed_and_means_one_model(row: dict[str, Any]) -> None:
    assert checked_name(row["name"]) == row["name"] == row["name"].lower()
    assert row["licence"].strip()
    assert row["summary"].strip()


@pytest.mark.parametrize("row", rows(), ids=_name)
def test_a_row_says_nothing_that_nobody_reads(row: dict[str, Any]) -> None:
    assert set(row) <= {
        "name", "family", "role", "pack", "licence", "gated", "noncommercial", "source", "parts",
        "files", "convert", "summary", "footprint", "function",
        "capabilities", "revision", "sha256",
    }  # fmt: skip


@pytest.mark.parametrize("row", NOT_IN_PACK, ids=_name)
def test_a_model_comes_from_a_repository_or_from_parts_that_do(row: dict[str, Any]) -> None:
    known = catalog.known_models()
    if "parts" not in row:
        assert REPO.fullmatch(row["source"])
        assert known[row["name"]].repo == row["source"]
        return
    repos = [known[part].repo for part in row["parts"].values()]
    assert None not in repos
    assert row["source"] == " with ".join(str(repo) for repo in repos)
    assert next(iter(row["parts"])) == "base"


@pytest.mark.parametrize("row", DRAWING, ids=_name)
def test_a_model_that_draws_is_of_a_family_that_runs(row: dict[str, Any]) -> None:
    assert row["family"] in FAMILIES
    assert "role" not in row


@pytest.mark.parametrize("row", SUPPORT, ids=_name)
def test_a_model_that_draws_nothing_says_what_it_is_for(row: dict[str, Any]) -> None:
    assert row["family"] == "support"
    assert row["role"] in ("scorer", "text-tower", "part")
    model = catalog.builtin().models()[row["name"]]
    assert model.role == row["role"]
    assert not model.installed


@pytest.mark.parametrize("row", [row for row in rows() if "files" in row], ids=_name)
def test_only_rows_that_convert_name_pickles(row: dict[str, Any]) -> None:
    pickles = [path for path in row["files"] if path.endswith(PICKLES)]
    assert bool(pickles) == row.get("convert", False)


def test_every_part_is_a_part_of_something() -> None:
    used = {part for row in rows() for part in row.get("parts", {}).values()}
    assert {row["name"] for row in SUPPORT if row["role"] == "part"} <= used


@pytest.mark.parametrize("row", NOT_IN_PACK, ids=_name)
def test_a_licence_that_forbids_money_is_marked_so_and_asked_for(row: dict[str, Any]) -> None:
    if is_noncommercial(row["licence"]):
        assert row["noncommercial"]
    assert catalog.known_models()[row["name"]].noncommercial == row.get("noncommercial", False)


def test_models_of_one_repository_share_its_terms() -> None:
    terms: dict[str, set[tuple[object, ...]]] = {}
    for row in rows():
        facts = (row["licence"], row.get("gated", False), row.get("noncommercial", False))
        if "pack" not in row and "parts" not in row:
            terms.setdefault(row["source"], set()).add(facts)
    assert all(len(found) == 1 for found in terms.values())


def test_a_figure_says_who_tells_it_and_where() -> None:
    for function in catalog.builtin().values():
        expected = function.expected
        assert expected.provenance in ("estimated", "published"), function.name
        if (expected.seconds, expected.memory_bytes) == (None, None):
            assert expected == Expected(), function.name
        else:
            assert expected.source, function.name
        assert expected.seconds is None or expected.seconds > 0, function.name


@pytest.mark.parametrize("row", [r for r in DRAWING if "pack" not in r], ids=_name)
def test_a_model_that_draws_says_what_it_takes(row: dict[str, Any]) -> None:
    footprint = catalog.builtin().models()[row["name"]].footprint
    assert footprint.provenance == "estimated"
    assert footprint.source
    assert footprint.download_bytes is not None
    assert footprint.weights_bytes is not None
    assert footprint.largest_bytes is not None
    assert 0 < footprint.largest_bytes < footprint.weights_bytes
    # Files hold at least half of what is held on a device (aMUSEd's decoder is widened there).
    assert footprint.weights_bytes < 2 * footprint.download_bytes


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_a_footprint_is_the_sum_of_the_counted_networks(name: str) -> None:
    counted = _counted()
    held = [counted[network] * width for network, width in NETWORKS[name].items()]
    footprint = catalog.builtin().models()[name].footprint
    assert footprint.weights_bytes == sum(held)
    assert footprint.largest_bytes == max(held)


def test_a_footprint_counts_a_table_of_positions_and_a_decoder_that_runs_in_float32() -> None:
    counted, models = _counted(), catalog.builtin().models()
    encoders = (
        "CLIP ViT-L/14 text encoder",
        "OpenCLIP ViT-bigG/14 text encoder",
        "T5 v1.1 XXL encoder",
    )
    networks = ("SD 3.5 medium transformer", "SD 3 and FLUX.1 autoencoder", *encoders)
    positions = 384 * 384 * 1536
    held = 2 * (sum(counted[network] for network in networks) + positions)
    assert models["sd-3.5-medium"].footprint.weights_bytes == held
    projected = counted["CLIP ViT-L/14 text encoder"] + 768 * 768
    for side in (256, 512):
        halves = counted[f"aMUSEd {side} transformer"] + projected
        footprint = models[f"amused-{side}"].footprint
        assert footprint.weights_bytes == 2 * halves + 4 * counted["aMUSEd decoder"]


def test_sdxl_is_one_model_at_four_step_counts() -> None:
    functions = catalog.builtin().of_model("sdxl")
    assert [function.steps for function in functions] == [10, 25, 50, 100]
    assert all(function.model is functions[0].model for function in functions)


def test_lightning_is_drawn_as_it_was_distilled() -> None:
    for steps in (2, 4, 8):
        (function,) = catalog.builtin().of_model(f"sdxl-lightning-{steps}step")
        assert (function.steps, function.guidance) == (steps, 0)
        assert function.scheduler == "EulerDiscreteScheduler(timestep_spacing=trailing)"
        parts = dict(catalog.known_models()[function.model.name].parts)
        unet = catalog.known_models()[parts["unet"]]
        assert unet.files == (f"sdxl_lightning_{steps}step_unet.safetensors",)


@pytest.mark.parametrize("name", ["sd-3.5-medium", "flux-schnell"])
def test_gated_models_are_marked(name: str) -> None:
    assert catalog.builtin().models()[name].gated


def _pack(root: Path) -> Path:
    """A pack whose manifest lists one pipeline of two weight files."""
    files = {}
    for name, data in {
        "starter-base/model_index.json": b"{}",
        "starter-base/unet/diffusion_pytorch_model.safetensors": b"weights of a network",
        "starter-base/vae/diffusion_pytorch_model.safetensors": b"weights of another",
    }.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        files[name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    (root / "manifest.json").write_text(json.dumps({"format": 1, "files": files}))
    return root


def test_cems_s_four_functions_have_the_published_prices_and_are_not_installed() -> None:
    functions = catalog.builtin()
    for name, usd in CEMS_PRICES.items():
        assert not functions[name].installed
        assert functions[name].expected.provenance == "published"
        assert "CEMS" in functions[name].expected.source
        assert Pricing().of(functions[name].expected).usd == pytest.approx(usd, rel=1e-5)


def test_what_is_published_prices_a_request_as_the_paper_does() -> None:
    per_thousand = {
        name: 1000 * (Pricing().of(catalog.builtin()[name].expected).usd or 0)
        for name in CEMS_PRICES
    }
    # The paper's bill of 5,000 requests on one model each.
    assert {name: round(5 * usd, 4) for name, usd in per_thousand.items()} == {
        "sdxl-turbo@4": 0.5133,
        "sd-turbo@1": 0.0733,
        "amused-512@12": 0.1630,
        "sd-taesd@25": 0.5293,
    }


def test_a_model_of_the_pack_is_installed_when_the_manifest_lists_it(tmp_path: Path) -> None:
    functions = catalog.builtin(_pack(tmp_path))
    assert functions["starter-base@20"].installed
    assert not functions["starter-small@8"].installed


def test_the_digest_of_a_pack_model_is_that_of_its_files(tmp_path: Path) -> None:
    model = catalog.builtin(_pack(tmp_path))["starter-base@20"].model
    assert model.path is not None
    assert model.digest == weights_digest(model.path)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"files": 3}', '{"files": []}'])
def test_with_a_damaged_manifest_nothing_of_the_pack_counts_as_installed(
    tmp_path: Path, text: str
) -> None:
    (tmp_path / "manifest.json").write_text(text)
    assert catalog.builtin(tmp_path).installed() == []


def test_an_unknown_function_suggests_near_names() -> None:
    with pytest.raises(UnknownName) as refused:
        catalog.builtin().function("starter-bass@20")
    assert "starter-base@20" in refused.value.hint
