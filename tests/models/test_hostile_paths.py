"""A mirror, a ledger entry and a link that point elsewhere: nothing outside the models changes."""

from __future__ import annotations

import json
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cems_tui.errors import CemsError, DownloadError, StorageError, UnknownName, WeightsError
from cems_tui.models.ledger import FORMAT, Ledger
from cems_tui.models.plan import Places
from cems_tui.models.remove import remove
from cems_tui.models.repository import is_commit
from cems_tui.profile import Profile
from tests.models.hub_fixtures import Desk, desk, online, pipeline_files

__all__ = ["desk", "online"]

STEPS = st.sampled_from(["..", ".", "", "/", "precious", "link", "ledger", ".partial", "a", "~"])
"""What a name that leads elsewhere is made of."""

NAMES = st.one_of(
    st.lists(STEPS, min_size=1, max_size=6).map("/".join),
    st.text(max_size=8),
    st.sampled_from(["\ud800", "a\0b", "C:\\precious", "x" * 5000, "A" * 40, "0" * 39, "0" * 41]),
)


@pytest.fixture
def precious(desk: Desk) -> Path:
    """The user's own folder, beside that of the models."""
    folder = desk.models.parent / "precious"
    folder.mkdir(parents=True)
    (folder / "letter.txt").write_text("dear all")
    (folder / "model_index.json").write_text("{}")
    return folder


def below(folder: Path) -> dict[str, bytes | None]:
    """Everything in a folder, by path; None stands for a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def outside(desk: Desk) -> dict[str, bytes | None]:
    """Everything of the home that is none of the models, locks or logs."""
    ours = ("models", "locks", "state")
    found = below(desk.models.parent)
    return {path: data for path, data in found.items() if path.split("/")[0] not in ours}


def enter(desk: Desk, file: str, **values: Any) -> None:
    """Put an entry into the ledger by hand."""
    folder = desk.models / "ledger"
    folder.mkdir(parents=True, exist_ok=True)
    row = {"format": FORMAT, "name": file, "owned": True, **values}
    (folder / f"{file}.json").write_text(json.dumps(row))


@pytest.mark.parametrize(
    "sha",
    [
        *("../../precious", "../../../escaped", "..", "", "main", "{}", "{precious}"),
        *("C" * 40, "a" * 39, "a" * 41, "a" * 40 + "\n", "/" + "a" * 39),
    ],
)
def test_a_mirror_whose_commit_is_none_is_refused_and_writes_nothing(
    desk: Desk, precious: Path, sha: str
) -> None:
    before = outside(desk)
    desk.hub.shas["org/Tiny"] = sha.replace("{precious}", str(precious))
    with pytest.raises(DownloadError, match="which is none") as refused:
        desk.pull()
    assert refused.value.exit_code == 3
    assert outside(desk) == before
    assert not list(desk.models.rglob("*.safetensors"))


@given(NAMES)
def test_a_commit_is_forty_hex_digits_and_nothing_else(name: str) -> None:
    assert is_commit(name) == (len(name) == 40 and set(name) <= set("0123456789abcdef"))


@pytest.mark.parametrize("path", ["../../precious/letter.txt", "unet/../../../precious/letter.txt"])
def test_a_mirror_that_lists_a_path_elsewhere_is_refused(
    desk: Desk, precious: Path, path: str
) -> None:
    before = outside(desk)
    desk.hub.repos["org/Tiny"] = {**pipeline_files(), path: b"overwritten"}
    with pytest.raises(WeightsError, match="outside its folder"):
        desk.pull()
    assert outside(desk) == before


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(folder=NAMES, owned=st.booleans(), file=NAMES, commit=NAMES)
def test_no_entry_has_anything_removed_outside_the_models(
    folder: str, owned: bool, file: str, commit: str
) -> None:
    with tempfile.TemporaryDirectory() as home:
        models = Path(home) / "models"
        precious = Path(home) / "precious"
        for place in (models / "ledger", models / "a", precious / "a"):
            place.mkdir(parents=True)
            (place / "letter.txt").write_text("dear all")
        (models / "link").symlink_to(precious)
        (models / ".partial").mkdir()
        (models / ".partial" / "link").symlink_to(precious)
        before = below(precious)
        row = {
            "format": FORMAT,
            "name": "evil",
            "folder": folder.replace("~", home),
            "owned": owned,
            "commit": commit,
            "files": [{"path": file, "bytes": 8}],
        }
        (models / "ledger" / "evil.json").write_text(json.dumps(row))
        for removed in Ledger.read(models).entries.values():
            with suppress(CemsError):
                remove(removed, Ledger.read(models))
        assert below(precious) == before
        assert (models / "ledger").is_dir()


@pytest.mark.parametrize(
    "values",
    [
        {"folder": "../../precious"},
        {"folder": "../precious"},
        {"folder": "{precious}"},
        {"folder": "link"},
        {"folder": "link/a"},
        {"folder": "ledger"},
        {"folder": ".partial"},
        {"folder": ""},
        {"folder": "."},
        {"folder": 7},
        {"commit": "../../precious"},
        {"repo": "../../precious"},
        {"files": [{"path": "../../precious/letter.txt", "bytes": 8}]},
        {"files": [{"path": "{precious}/letter.txt", "bytes": 8}]},
        {"fetched": [{"path": "../x", "bytes": 8}]},
        {"files": [{"path": "a", "bytes": -1}]},
        {"files": [{"path": None, "bytes": 1}]},
        {"files": 7},
        {"files": [{"path": "a", "bytes": 1.5}]},
        {"files": [{"path": "a", "bytes": 1, "sha256": "../x"}]},
        {"files": [{"path": "a", "bytes": 1, "git_sha1": 7}]},
        {"fetched": [{"path": "a", "bytes": True}]},
        {"steps": [0]},
        {"steps": [10**9]},
        {"steps": ["4"]},
        {"guidance": "7"},
        {"guidance": 1e308},
        {"width": -64},
        {"height": 2**70},
        {"owned": "yes"},
        {"damaged": [7]},
        {"licence": "\ud800"},
        {"accepted": ["mit"]},
        {"name": "evil", "family": {"a": 1}},
        {"format": "newest"},
        {"name": "../../precious"},
    ],
    ids=str,
)
def test_an_entry_that_leads_elsewhere_is_named_and_left_out(
    desk: Desk, precious: Path, values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[str] = []
    monkeypatch.setattr("cems_tui.log.error", lambda text, *values: logged.append(text % values))
    desk.pull()
    (desk.models / "link").symlink_to(precious)
    before = outside(desk)
    told = json.loads(json.dumps(values).replace("{precious}", str(precious)))
    enter(desk, "evil", **{"name": "evil", **told})
    assert set(Ledger.read(desk.models).entries) == {"tiny"}
    with pytest.raises(UnknownName):
        Profile.current().models.remove("evil")
    assert all("evil.json cannot be read and is left out" in line for line in logged)
    assert logged
    assert outside(desk) == before


def test_a_model_imported_in_place_stays_where_the_user_has_it(desk: Desk, precious: Path) -> None:
    enter(desk, "mine", folder=str(precious), owned=False)
    entry = Ledger.read(desk.models).entries["mine"]
    assert remove(entry, Ledger.read(desk.models)).paths == ()
    assert (precious / "letter.txt").is_file()


def test_a_file_that_no_disk_can_name_is_not_there(desk: Desk, precious: Path) -> None:
    named = {"path": "a" * 300, "bytes": 3, "sha256": "b" * 64}
    enter(desk, "mine", folder=str(precious), owned=False, files=[named])
    ledger = Ledger.read(desk.models)
    assert ledger.present(ledger.entries["mine"]) is None


@pytest.mark.parametrize("hidden", [False, True])
def test_a_link_in_a_model_s_place_is_refused_and_not_followed(
    desk: Desk, precious: Path, hidden: bool
) -> None:
    commit = desk.hub.commit("org/Tiny")
    above = desk.models / (".partial" if hidden else "") / "org--Tiny"
    above.mkdir(parents=True)
    (above / commit).symlink_to(precious)
    before = outside(desk)
    with pytest.raises(StorageError, match="outside"):
        desk.pull()
    assert outside(desk) == before


@given(repo=NAMES, commit=NAMES)
def test_the_places_of_a_repository_are_below_the_models(repo: str, commit: str) -> None:
    root = Path("/home/u/models")
    try:
        places = Places.of(root, repo, commit)
    except StorageError:
        return
    for place in (places.final, places.partial):
        assert place.is_relative_to(root)
        assert ".." not in place.relative_to(root).parts
