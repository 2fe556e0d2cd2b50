"""What a diffusers pipeline can be asked for, and what is said when a job asks for more."""

from __future__ import annotations

from dataclasses import dataclass
from inspect import signature
from typing import Any

from cems_tui.domain.capabilities import WAYS_OUT, Capabilities, Wanted, obstacle
from cems_tui.domain.note import Note, NoteKind
from cems_tui.errors import OutOfMemory, UsageError
from cems_tui.generation.device import free_memory_bytes
from cems_tui.generation.families.anatomy import Anatomy
from cems_tui.generation.families.capabilities import of_pipeline, prompt_tokens
from cems_tui.generation.pipeline import Job
from cems_tui.generation.unread_words import left_out_from, quoted, unread_note

_LARGEST_SEED = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Abilities:
    """What one loaded pipeline can be asked for."""

    capabilities: Capabilities
    clip_skip: int
    """The most layers of its text encoders that can be left out; 0 when it cannot."""

    own_scheduler: bool = False
    """Whether it runs with the scheduler it came with only."""

    @property
    def classifier_free(self) -> bool:
        """Whether guidance is a second pass of every step."""
        return self.capabilities.guidance in ("free", "positive")

    def passes(self, job: Job) -> int:
        """Pictures in the batch of every step."""
        return 2 if job.guidance > 1 and self.classifier_free else 1


def abilities_of(pipe: Any, anatomy: Anatomy) -> Abilities:
    """What a pipeline can do, from its family and its configuration."""
    return Abilities(
        capabilities=of_pipeline(pipe, anatomy),
        clip_skip=_most_clip_skip(pipe),
        own_scheduler=anatomy.own_scheduler,
    )


def check(job: Job, abilities: Abilities, model: str) -> None:
    """Refuse a job that the pipeline cannot follow.

    Raises:
        UsageError: it asks for a size, number of steps, seed, guidance, negative prompt, clip
            skip or scheduler that the model has no use for.
    """
    wanted = Wanted(job.width, job.height, job.guidance, bool(job.negative.strip()))
    if (stands := obstacle(abilities.capabilities, wanted)) is not None:
        raise UsageError(f"{model} {stands.words}", WAYS_OUT[stands.kind])
    if job.steps < 1:
        raise UsageError(f"{model} cannot draw in {job.steps} steps", "Use 1 or more.")
    if not 0 <= job.seed <= _LARGEST_SEED:
        raise UsageError(f"the seed {job.seed} is out of range", "Use 0 to 2**64 - 1.")
    if job.scheduler is not None and abilities.own_scheduler:
        raise UsageError(f"{model} cannot draw with the scheduler {job.scheduler}", "Leave it out.")
    if job.clip_skip is not None and not 0 <= job.clip_skip <= abilities.clip_skip:
        raise UsageError(
            f"{model} cannot leave out {job.clip_skip} layers of its text encoder",
            f"Use 0 to {abilities.clip_skip}." if abilities.clip_skip else "Leave it out.",
        )


def check_room(
    job: Job, abilities: Abilities, pipe: Any, decoder: Any, device: str, *, tiles: bool = False
) -> bool:
    """On a CPU the kernel would kill the process where a card's allocator says no.

    Args:
        device: the torch device type that draws.
        tiles: whether the decoder works in tiles.

    Returns:
        Whether the decoder's largest layers fit what is free, so that it may try the whole.

    Raises:
        OutOfMemory: the largest layers alone do not fit what is free.
    """
    if device != "cpu":
        return True
    free = free_memory_bytes()
    denoise = _least_denoise_bytes(pipe, job, abilities.passes(job))
    whole, tiled = _least_decode_bytes(pipe, decoder.config, job)
    least = max(denoise, tiled if tiles else whole)
    if least > free:
        raise OutOfMemory(
            f"{job.width}x{job.height} needs more than {least / 1e9:,.1f} GB to draw, and "
            f"{free / 1e9:,.1f} GB is free"
        )
    return whole <= free


def guidance_arguments(job: Job, abilities: Abilities) -> dict[str, Any]:
    """How the pipeline is told of guidance and negative prompt.

    A scale of 1 is passed as 0: Z-Image counts from there, for the others it is the same.
    """
    scale = job.guidance
    if abilities.classifier_free and scale <= 1:
        scale = 0.0
    negative = {"negative_prompt": job.negative} if job.negative.strip() else {}
    return {"guidance_scale": scale} | negative


def _most_clip_skip(pipe: Any) -> int:
    if "clip_skip" not in signature(type(pipe).__call__).parameters:
        return 0
    # diffusers takes the layer before those left out, and the embeddings are a layer.
    return int(_setting(pipe, "text_encoder", "num_hidden_layers")) - 1


def _setting(pipe: Any, component: str, name: str) -> Any:
    return getattr(getattr(getattr(pipe, component, None), "config", None), name, None)


_COLOURS = 3


def _least_denoise_bytes(pipe: Any, job: Job, batch: int) -> int:
    """What the largest layer of denoising holds at the very least: in and out."""
    if not hasattr(pipe, "unet"):
        return 0
    latents = job.width * job.height // pipe.vae_scale_factor**2
    return int(2 * batch * pipe.unet.config.block_out_channels[0] * latents * pipe.dtype.itemsize)


def _least_decode_bytes(pipe: Any, decoder: Any, job: Job) -> tuple[int, int]:
    """The same of decoding, of the whole at once and in tiles: then the picture alone counts."""
    both = 2 * job.width * job.height * pipe.dtype.itemsize
    channels = getattr(decoder, "decoder_block_out_channels", None) or decoder.block_out_channels
    return int(both * min(channels)), int(both * _COLOURS)


# How much of a prompt a pipeline reads, and the words it leaves out.


def unread(pipe: Any, anatomy: Anatomy, job: Job) -> tuple[Note, ...]:
    """What to tell the user about texts that are longer than what is read of them."""
    return (
        *_unread(pipe, anatomy, job.prompt, "cut_prompt"),
        *_unread(pipe, anatomy, job.negative, "cut_negative"),
    )


def _unread(pipe: Any, anatomy: Anatomy, text: str, kind: NoteKind) -> tuple[Note, ...]:
    tokenizer, limit = getattr(pipe, anatomy.reader) or pipe.tokenizer, prompt_tokens(pipe, anatomy)
    if limit is None:
        return ()
    ids = tokenizer(text)["input_ids"]
    over = len(ids) + _wrapping_tokens(tokenizer, anatomy) - limit
    if over <= 0:
        return ()
    return (unread_note(kind, limit, _last_words(tokenizer, text, ids, over)),)


def _wrapping_tokens(tokenizer: Any, anatomy: Anatomy) -> int:
    """What the chat template adds to a prompt."""
    if not anatomy.chat:
        return 0
    wrapped = tokenizer.apply_chat_template(
        [{"role": "user", "content": ""}],
        tokenize=False,
        add_generation_prompt=True,
        enable_thinking=True,
    )
    return len(tokenizer(wrapped)["input_ids"])


def _last_words(tokenizer: Any, text: str, ids: list[int], count: int) -> str:
    """The end of a text and where it begins, by the characters its last tokens stand for."""
    if tokenizer.is_fast:  # a word that it does not know is no mark around the prompt
        read = tokenizer(text, return_offsets_mapping=True, return_special_tokens_mask=True)
        pairs = zip(read["offset_mapping"], read["special_tokens_mask"], strict=True)
        starts = [start for (start, _), is_mark in pairs if not is_mark]
        return left_out_from(text, starts[-count:][0])
    marks = {tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id}
    places = [place for place, token in enumerate(ids) if token not in marks][-count:]
    return f"“{quoted(tokenizer.decode([ids[place] for place in places]))}”"
