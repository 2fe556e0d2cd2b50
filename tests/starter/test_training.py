"""Each training stage runs, leaves a checkpoint, and goes on from it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from cems_tui.errors import CemsError  # noqa: E402
from cems_tui.starter.captions import describe  # noqa: E402
from cems_tui.starter.recipe.training import dataset  # noqa: E402
from cems_tui.starter.recipe.training.build import Build  # noqa: E402
from cems_tui.starter.recipe.training.recipe import Recipe  # noqa: E402
from cems_tui.starter.recipe.training.trainer import Plan  # noqa: E402
from cems_tui.starter.scenes import random_scene  # noqa: E402

STAGES = ("decoder", "base", "small", "vq", "amused", "turbo", "clip", "nima", "checker")


def recipe(steps: int) -> Recipe:
    plan = Plan(steps=steps, batch=12, warm=1, halved=False)
    return Recipe(
        pictures=60,
        held=24,
        settled=30,
        width=32,
        small_width=16,
        workers=1,
        base=plan,
        small=replace(plan, halved=True),
        vq=replace(plan, batch=4),
        amused=plan,
        turbo=plan,
        decoder=replace(plan, batch=4),
        clip=plan,
        nima=replace(plan, batch=24),
        checker=plan,
        smoke_prompts=4,
    )


def _in_this_process(
    folder: Path, count: int, seed: str, workers: int, log: object, settled: bool = False
) -> None:
    if (folder / "captions.json").exists():
        return
    pictures, grids, captions, objects = dataset.make_chunk(seed, count, settled)
    folder.mkdir(parents=True)
    np.save(folder / "pictures.npy", pictures)
    np.save(folder / "grid.npy", grids)
    flat = [caption for ways in captions for caption in ways]
    np.save(folder / "tokens.npy", dataset.encode(flat).reshape(count, dataset.WAYS, -1))
    text = dataset.json.dumps({"captions": captions, "objects": objects})
    (folder / "captions.json").write_text(text)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A work folder in which every stage has run for two steps."""
    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("starter")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cems_tui.starter.recipe.training.build.make_split", _in_this_process)
        patch.setattr("cems_tui.starter.recipe.networks.vq.CODES", 40)
        Build(root, root / "pack", recipe(2), lambda line: None).run()
    return root


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_goes_on_from_its_checkpoint(built: Path, stage: str) -> None:
    log: list[str] = []
    path = built / "ckpt" / f"{stage}.pt"
    before = torch.load(path, weights_only=True)
    assert before["step"] == 2
    Build(built, built / "pack", recipe(3), log.append).run([stage])
    after = torch.load(path, weights_only=True)
    assert after["step"] == 3
    assert "resumes at step 2" in log
    assert any(not torch.equal(a, b) for a, b in zip(before["mean"], after["mean"], strict=True))


def test_a_complete_stage_is_left_alone(built: Path) -> None:
    path = built / "ckpt" / "nima.pt"
    done = torch.load(path, weights_only=True)["step"]
    Build(built, built / "pack", recipe(done), lambda line: None).run(["nima"])
    assert torch.load(path, weights_only=True)["step"] == done


def test_the_pack_verifies_and_its_parts_load(built: Path) -> None:
    from cems_tui.scoring.nima_head import load_nima
    from cems_tui.starter.manifest import verify
    from cems_tui.starter.recipe.checks.checker import load_checker
    from cems_tui.starter.recipe.networks.architectures import load_pipeline
    from cems_tui.starter.recipe.networks.tokenizer import VOCABULARY

    pack = built / "pack"
    manifest = verify(pack)
    kinds = ("base", "small", "turbo", "amused")
    assert set(manifest.pipelines) == {f"starter-{kind}" for kind in kinds}
    assert set(manifest.scorers) == {"clip", "nima"}
    assert all(entry["smoke"]["prompts"] == 4 for entry in manifest.pipelines.values())
    assert load_checker(pack / "checker").natural.colours
    pipeline = load_pipeline(pack / "starter-base")
    assert len(pipeline.tokenizer) == len(VOCABULARY)
    picture = pipeline("a cat", num_inference_steps=1, guidance_scale=1.0).images[0]
    assert picture.size == (64, 64)
    marks = load_nima(pack / "scorers" / "nima")(torch.rand(2, 3, 96, 80))
    assert marks.shape == (2, 10)
    assert torch.allclose(marks.sum(-1), torch.ones(2), atol=1e-5)


def test_an_evaluation_marks_every_prompt_of_every_function(built: Path) -> None:
    from cems_tui.starter.recipe.checks.measure import cases
    from cems_tui.starter.recipe.checks.pack_evaluation import Judges, evaluate, functions_of
    from cems_tui.starter.recipe.checks.results import CLASSES

    pack = built / "pack"
    asked = cases(1, "a test")
    assert [case.kind for case in asked] == list(CLASSES)
    functions = functions_of(pack, ["starter-small@1", "starter-base@2"])
    found = evaluate(pack, asked, functions, Judges.of(pack))
    assert list(found.marks) == ["starter-small@1", "starter-base@2"]
    assert all(len(marks) == 4 for marks in found.marks.values())
    assert all(seconds > 0 for seconds in found.seconds.values())
    assert all(1 <= mark.nima <= 10 for marks in found.marks.values() for mark in marks)


def test_open_clip_loads_the_judge(built: Path) -> None:
    open_clip = pytest.importorskip("open_clip")
    folder = built / "pack" / "scorers" / "clip"
    model = open_clip.create_model(f"local-dir:{folder}", require_pretrained=True).eval()
    from cems_tui.starter.recipe.networks.tokenizer import encode

    prompts = ["a cat", "a red car"]
    tokens = open_clip.get_tokenizer(f"local-dir:{folder}")(prompts)
    assert np.array_equal(tokens.numpy(), encode(prompts))
    with torch.no_grad():
        said = model.encode_text(tokens)
        seen = model.encode_image(torch.rand(2, 3, 64, 64))
    assert said.shape == seen.shape == (2, 128)


def test_the_encoder_is_the_closed_form_analysis(built: Path) -> None:
    from cems_tui.starter.recipe.networks import latents
    from cems_tui.starter.recipe.networks.architectures import LATENT_SCALE, make_autoencoder
    from cems_tui.starter.recipe.networks.decoder import to_tensor

    build = Build(built, built / "pack", recipe(2), lambda line: None)
    pictures = np.array(build.split("held").pictures[:4])
    exact = latents.encode(pictures, build.basis())
    with torch.no_grad():
        coded = make_autoencoder(build.basis()).encode(to_tensor(pictures)).latents * LATENT_SCALE
    assert torch.allclose(exact, coded, atol=1e-3)


def test_captions_survive_the_tokenizer() -> None:
    import random

    from cems_tui.starter.recipe.networks.tokenizer import CONTEXT, END, UNKNOWN, encode

    rng = random.Random(0)
    captions = [describe(random_scene(rng), rng) for _ in range(300)]
    tokens = encode([caption.replace(",", "") for caption in captions])
    assert tokens.shape == (300, CONTEXT)
    assert not (tokens == UNKNOWN).any()
    assert ((tokens == END).sum(1) == 1).all(), "no caption may be cut"


def test_training_goes_on_from_a_packs_averaged_weights(built: Path, tmp_path: Path) -> None:
    from cems_tui.starter.recipe.training.resume import adopt_pack

    log: list[str] = []
    build = Build(tmp_path, tmp_path / "pack", recipe(2), log.append)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cems_tui.starter.recipe.training.build.make_split", _in_this_process)
        adopt_pack(build, built / "pack")
    for stage in ("decoder", "base", "small", "vq", "amused", "turbo"):
        taken = torch.load(build.checkpoint(stage), weights_only=True)
        source = torch.load(built / "ckpt" / f"{stage}.pt", weights_only=True)
        assert taken["step"] == 0
        for ours, theirs in zip(taken["mean"], source["mean"], strict=True):
            assert torch.allclose(ours, theirs, atol=1e-3, rtol=1e-2), stage
    build.run(["base", "amused", "turbo"])
    after = torch.load(build.checkpoint("amused"), weights_only=True)
    assert after["step"] == 2
    assert after["earlier_samples"] > 0


def test_the_analysis_comes_back_out_of_a_packed_encoder(built: Path) -> None:
    from cems_tui.starter.recipe.networks import latents
    from cems_tui.starter.recipe.networks.architectures import encoder_kernel, make_autoencoder

    build = Build(built, built / "pack", recipe(2), lambda line: None)
    basis = build.basis()
    back = latents.basis_of_kernel(*encoder_kernel(make_autoencoder(basis).encoder))
    pictures = np.array(build.split("held").pictures[:4])
    assert torch.allclose(
        latents.encode(pictures, basis), latents.encode(pictures, back), atol=1e-3
    )
    assert torch.allclose(basis["decode"], back["decode"], atol=1e-3)


def test_settled_scenes_have_one_picture_each() -> None:
    seen: dict[str, bytes] = {}
    repeated = 0
    pictures, _, captions, _ = dataset.make_chunk("settled", 600, settled=True)
    for picture, ways in zip(pictures, captions, strict=True):
        for caption in set(ways):
            if caption in seen:
                repeated += 1
                assert picture.tobytes() == seen[caption], caption
            seen[caption] = picture.tobytes()
    assert repeated > 3


def test_the_three_gpu_steps_hand_their_weights_on(built: Path, tmp_path: Path) -> None:
    """The same path as on a GPU, each step on a machine that has nothing but the files."""
    from cems_tui.starter.recipe.training.gpu import STEPS, Machine, adopt_all, run_step

    machine = Machine("cpu", recipe(2), compiled=False)
    log: list[str] = []
    sources: list[Path] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cems_tui.starter.recipe.training.build.make_split", _in_this_process)
        patch.setattr("cems_tui.starter.recipe.training.gpu.Recipe", lambda: recipe(2))
        patch.setattr("cems_tui.starter.recipe.networks.vq.CODES", 40)
        for step in STEPS:
            out = tmp_path / f"out{step}"
            run_step(step, tmp_path / f"work{step}", out, sources, 1.0, machine, log.append)
            assert {f"{stage}.safetensors" for stage in STEPS[step]} <= {
                file.name for file in out.iterdir()
            }
            sources.append(out)
        adopt_all(tmp_path / "home", sources, log.append)
    taken = torch.load(tmp_path / "home" / "ckpt" / "turbo.pt", weights_only=True)
    assert taken["step"] == 0
    assert taken["earlier_samples"] == 2 * 12


def test_a_gpu_step_without_the_one_before_says_so(built: Path, tmp_path: Path) -> None:
    from cems_tui.starter.recipe.training.gpu import Machine, run_step

    machine = Machine("cpu", recipe(2), compiled=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cems_tui.starter.recipe.training.build.make_split", _in_this_process)
        patch.setattr("cems_tui.starter.recipe.networks.vq.CODES", 40)
        with pytest.raises(CemsError, match="no weights of base") as caught:
            run_step(3, tmp_path / "w", tmp_path / "o", [], 1.0, machine, lambda line: None)
    assert "--source" in caught.value.hint
