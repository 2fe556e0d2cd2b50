"""The catalog: what there is, what is installed, and where every figure comes from."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from cems_tui import catalog
from cems_tui.errors import UnknownName
from cems_tui.generation.fingerprint import weights_digest
from cems_tui.pricing import Pricing

CEMS_PRICES = {
    "sdxl-turbo@4": 1.02667e-4,
    "sd-turbo@1": 1.46667e-5,
    "amused-512@12": 3.26e-5,
    "sd-taesd@25": 1.05867e-4,
}


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


def test_every_figure_says_where_it_comes_from() -> None:
    for function in catalog.builtin().values():
        if function.expected.seconds is not None:
            assert function.expected.source, function.name


def test_every_model_names_its_licence_and_source() -> None:
    for model in catalog.builtin().models().values():
        assert model.licence
        assert model.source


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
