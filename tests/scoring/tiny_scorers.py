"""Large scorers' architectures with few random weights, in the folders that real ones come in."""

from __future__ import annotations

import gzip
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

SIDE = 32
"""Pixels of the pictures that the tiny towers look at."""

WIDTH = 32
MEAN = (0.48145466, 0.4578275, 0.40821073)
DEVIATION = (0.26862954, 0.26130258, 0.27577711)


def save_transformers_clip(folder: Path, *, activation: str = "quick_gelu") -> Any:
    """A CLIPModel with CLIP's own vocabulary, saved whole; the model is returned."""
    import torch
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

    torch.manual_seed(5)
    layers = {
        "hidden_size": WIDTH,
        "intermediate_size": 4 * WIDTH,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "hidden_act": activation,
        "projection_dim": WIDTH,
    }
    config = CLIPConfig(
        text_config={
            **layers,
            "vocab_size": 49408,
            "max_position_embeddings": 77,
            "bos_token_id": 49406,
            "eos_token_id": 49407,
            "pad_token_id": 49407,
        },
        vision_config={**layers, "image_size": SIDE, "patch_size": 8},
        projection_dim=WIDTH,
    )
    model = CLIPModel(config).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() > 1:  # at their default size words and pixels would change no score
                weight.normal_(0, 0.25)
            elif "bias" in name:
                weight.normal_(0, 0.1)
        model.text_projection.weight.neg_()  # pictures and prompts then mostly agree
    model.save_pretrained(folder, safe_serialization=True)
    processor = CLIPImageProcessor(
        size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}
    )
    processor.save_pretrained(folder)
    save_clip_tokenizer(folder)
    return model


def save_clip_tokenizer(folder: Path) -> None:
    """CLIP's tokenizer of 49,408 tokens, from the vocabulary that open_clip carries."""
    from open_clip.tokenizer import bytes_to_unicode, default_bpe
    from transformers import CLIPTokenizer

    lines = gzip.decompress(Path(default_bpe()).read_bytes()).decode().split("\n")
    merges = [tuple(line.split()) for line in lines[1 : 49152 - 256 - 2 + 1]]
    letters = list(bytes_to_unicode().values())
    words = [*letters, *(f"{x}</w>" for x in letters), *("".join(pair) for pair in merges)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    CLIPTokenizer(
        vocab={word: index for index, word in enumerate(words)},
        merges=merges,
        model_max_length=77,
    ).save_pretrained(folder)


def save_as_open_clip(model: Any, folder: Path, **config: Any) -> Path:
    """The same dual encoder in open_clip's layout, by its own names."""
    import torch
    from safetensors.torch import save_file

    source = model.state_dict()
    tensors: dict[str, Any] = {"logit_scale": source["logit_scale"]}
    for ours, theirs in _NAMES.items():
        tensors[ours] = source[theirs]
    for ours, theirs in (("transformer", "text_model"), ("visual.transformer", "vision_model")):
        for layer in range(2):
            tensors |= _layer(source, f"{ours}.resblocks.{layer}", f"{theirs}.encoder", layer)
    tensors["text_projection"] = source["text_projection.weight"].t()
    tensors["visual.proj"] = source["visual_projection.weight"].t()
    folder.mkdir(exist_ok=True)
    save_file(
        {name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()},
        folder / "open_clip_pytorch_model.safetensors",
    )
    assert isinstance(tensors["logit_scale"], torch.Tensor)
    cut = {"image_size": SIDE, "layers": 2, "width": WIDTH, "head_width": 16, "patch_size": 8}
    text = {"context_length": 77, "vocab_size": 49408, "width": WIDTH, "heads": 2, "layers": 2}
    document = {
        "model_cfg": {"embed_dim": WIDTH, "vision_cfg": cut, "text_cfg": text, **config},
        "preprocess_cfg": {"mean": MEAN, "std": DEVIATION},
    }
    (folder / "open_clip_config.json").write_text(json.dumps(document))
    return folder


_NAMES = {
    "positional_embedding": "text_model.embeddings.position_embedding.weight",
    "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
    "ln_final.weight": "text_model.final_layer_norm.weight",
    "ln_final.bias": "text_model.final_layer_norm.bias",
    "visual.class_embedding": "vision_model.embeddings.class_embedding",
    "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
    "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
    "visual.ln_pre.weight": "vision_model.pre_layrnorm.weight",
    "visual.ln_pre.bias": "vision_model.pre_layrnorm.bias",
    "visual.ln_post.weight": "vision_model.post_layernorm.weight",
    "visual.ln_post.bias": "vision_model.post_layernorm.bias",
}


def _layer(source: Any, ours: str, theirs: str, number: int) -> dict[str, Any]:
    import torch

    before = f"{theirs}.layers.{number}"
    found = {}
    for kind in ("weight", "bias"):
        parts = [source[f"{before}.self_attn.{one}_proj.{kind}"] for one in "qkv"]
        found[f"{ours}.attn.in_proj_{kind}"] = torch.cat(parts)
        for name, other in (
            ("attn.out_proj", "self_attn.out_proj"),
            ("ln_1", "layer_norm1"),
            ("ln_2", "layer_norm2"),
            ("mlp.c_fc", "mlp.fc1"),
            ("mlp.c_proj", "mlp.fc2"),
        ):
            found[f"{ours}.{name}.{kind}"] = source[f"{before}.{other}.{kind}"]
    return found


def save_aesthetic_head(folder: Path, sizes: tuple[int, ...] = (WIDTH, 16, 8, 1)) -> list[Any]:
    """A head of linear layers as LAION's is saved; (weight, bias) of each is returned."""
    import torch
    from safetensors.torch import save_file

    generator = torch.Generator().manual_seed(9)
    layers = [
        (torch.randn(b, a, generator=generator), torch.randn(b, generator=generator))
        for a, b in pairwise(sizes)
    ]
    folder.mkdir(exist_ok=True)
    save_file(
        {  # every second was dropout, which has no weights
            f"layers.{2 * number}.{kind}": tensor
            for number, layer in enumerate(layers)
            for kind, tensor in zip(("weight", "bias"), layer, strict=True)
        },
        folder / "sac+logos+ava1-l14-linearMSE.safetensors",
    )
    return layers


def save_nima(folder: Path, backbone: str = "vgg16") -> Path:
    """pyiqa's NIMA with random weights that give every picture other marks."""
    import torch
    from safetensors.torch import save_file

    from cems_tui.scoring.nima_network import build

    torch.manual_seed(11)
    network = build(backbone)
    with torch.no_grad():
        network.classifier[2].weight.normal_(0, 0.6)
        network.classifier[2].bias.normal_(0, 0.5)
    folder.mkdir(exist_ok=True)
    path = folder / f"NIMA_{backbone}.safetensors"
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, path)
    return path
