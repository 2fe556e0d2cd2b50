"""Builds networks from their configurations: to be counted, or with random weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.generation.tiny_pipelines import WORDS, tokenizer
from tests.gpu.architectures import Architecture, Network


def make(network: Network, device: str) -> Any:
    """The network with the random weights it begins with; on `meta` it takes no memory."""
    import diffusers
    import torch
    import transformers

    library, class_name, settings = network
    made = getattr({"diffusers": diffusers, "transformers": transformers}[library], class_name)
    with torch.device(device):
        if library == "diffusers":
            return made.from_config(dict(settings)).eval()
        return made(made.config_class(**settings)).eval()


def parameter_count(network: Network) -> int:
    """How many parameters it has, shared ones once."""
    return sum(parameter.numel() for parameter in make(network, "meta").parameters())


def build(architecture: Architecture, folder: Path, device: str, precision: str) -> dict[str, int]:
    """Save a model of random weights as a diffusers folder, one network in memory at a time.

    Returns:
        The parameters of each network.
    """
    import diffusers
    import torch

    from cems_tui.generation.families.registry import FAMILIES

    layout = FAMILIES[architecture.family]
    index: dict[str, Any] = {"_class_name": layout.pipeline_class, **architecture.pipeline}
    counts: dict[str, int] = {}
    torch.manual_seed(0)
    for name, network in architecture.networks.items():
        made = make(network, device)
        counts[name] = sum(parameter.numel() for parameter in made.parameters())
        made.to(getattr(torch, precision)).to("cpu").save_pretrained(folder / name)
        index[name] = list(network[:2])
        del made
    for name, encoder in layout.tokenizers.items():
        settings = architecture.networks[encoder][2]
        context = settings.get("max_position_embeddings", layout.anatomy.prompt_tokens)
        _stand_in(settings["vocab_size"], context).save_pretrained(folder / name)
        index[name] = ["transformers", "PreTrainedTokenizerFast"]
    class_name, schedule = architecture.scheduler
    getattr(diffusers, class_name)(**schedule).save_pretrained(folder / "scheduler")
    index["scheduler"] = ["diffusers", class_name]
    (folder / "model_index.json").write_text(json.dumps(index))
    return counts


def architecture_of(folder: Path, family: str, steps: int, guidance: float, side: int) -> Any:
    """The architecture of a saved model."""
    from cems_tui.generation.families.registry import FAMILIES

    index = json.loads((folder / "model_index.json").read_text())
    scheduler = json.loads((folder / "scheduler/scheduler_config.json").read_text())
    return Architecture(
        family=family,
        networks={
            name: (*index[name], _plain(json.loads((folder / name / "config.json").read_text())))
            for name in FAMILIES[family].networks
        },
        scheduler=(index["scheduler"][1], _plain(scheduler)),
        steps=steps,
        guidance=guidance,
        side=side,
    )


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if not name.startswith("_")}


def _stand_in(vocabulary: int, context: int | None) -> Any:
    """A tokenizer of so many words; the real ones belong to the models."""
    more = (f"w{number}" for number in range(vocabulary - len(WORDS)))
    return tokenizer((*WORDS[:-1], *more, WORDS[-1]), context=context)
