"""A receipt that a stranger wrote is a picture of ours, or is refused; it never stops the work."""

from __future__ import annotations

import copy
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cems_tui.cli.main import main
from cems_tui.domain.generation import Generation
from cems_tui.errors import UsageError
from cems_tui.profile import Profile
from cems_tui.store.database import open_store
from cems_tui.store.pictures import reconcile
from cems_tui.store.receipts import SIGNATURE, read_receipt
from tests.store.records import generation

DEEP = "[" * 100_000 + "]" * 100_000
SURROGATE = "\ud83d"
ODD: list[Any] = [
    *(None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, 2**70, -(2**70), 10**400, 0.5, -0.0),
    *(1e308, -1e308, 1e-308, 5e-324, 1e18, float("nan"), float("inf"), "", "x", "\x00", SURROGATE),
    *("\x1b[31m", "é" * 5000, "y" * 300_000, [], {}, [None], [[1, 2], [3]], {"a": None}, "pinned"),
    *("../../x", "/etc/passwd", "tradeoff", "2024-01-01", "1", "nan", {"kind": "floor"}),
]
"""Values that stand where another should."""

PATHS: list[tuple[Any, ...]] = []
"""The place of every value in a receipt."""


def _collect(value: Any, at: tuple[Any, ...]) -> None:
    if at:
        PATHS.append(at)
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in pairs:
        if isinstance(inner, dict | list):
            _collect(inner, (*at, key))
        else:
            PATHS.append((*at, key))


RECEIPT = json.loads(json.dumps(generation("01S", Path("/pictures"), id="01X").to_json()))
_collect(RECEIPT, ())


def png(text: str) -> bytes:
    """A PNG with that receipt in it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        head = struct.pack(">I", len(data)) + kind + data
        return head + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    told = chunk(b"zTXt", b"cems\0\0" + zlib.compress(text.encode()))
    return SIGNATURE + head + told + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")


def changed(*changes: tuple[tuple[Any, ...], Any]) -> str:
    """The receipt with other values at some places."""
    row = copy.deepcopy(RECEIPT)
    for at, value in changes:
        inner = row
        try:
            for key in at[:-1]:
                inner = inner[key]
            inner[at[-1]] = value
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took that place away
    return json.dumps(row)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CEMS_HOME", str(tmp_path / "home"))
    (tmp_path / "pictures").mkdir()
    return tmp_path


def adopted(home: Path, *texts: str) -> list[Generation]:
    """What the history takes in of pictures with these receipts, each read back from it."""
    folder = home / "pictures"
    for old in folder.iterdir():
        old.unlink()
    for number, text in enumerate(texts):
        (folder / f"p{number}.png").write_bytes(png(text))
    (home / "cems.db").unlink(missing_ok=True)
    with open_store(home / "cems.db") as store:
        found = reconcile(store, folder).adopted
        assert {made.id for made in store.generations(limit=1000)} == {made.id for made in found}
        for made in found:
            assert store.generation(made.id) == made
        store.stats()
    return list(found)


BAD: dict[str, str] = {
    "no seed": changed((("seed",), None)),
    "a huge seed": changed((("seed",), 1e308)),
    "a text for a seed": changed((("seed",), "1")),
    "true for a seed": changed((("seed",), True)),
    "a negative seed": changed((("seed",), -1)),
    "half a character": changed((("prompt",), SURROGATE)),
    "half a character of a name": changed((("decision", "candidates", 0, "function"), SURROGATE)),
    "a width of 2^70": changed((("width",), 2**70)),
    "no width": changed((("width",), 0)),
    "a negative height": changed((("height",), -64)),
    "figures that are none": changed((("guidance",), float("nan"))),
    "an infinite price": changed((("cost_usd",), float("inf"))),
    "a price of nothing": changed((("decision", "candidates", 0, "cost_usd"), 5e-324)),
    "a list for a prompt": changed((("prompt",), ["a"])),
    "a giant prompt": changed((("prompt",), "a" * 1_000_000)),
    "a thousand thousand candidates": changed((("decision", "candidates"), [0] * 1_000_000)),
    "no id": changed((("id",), "")),
    "an id in lower case": changed((("id",), "x")),
    "an id that is a path": changed((("id",), "../x")),
    "no decision": changed((("decision",), None)),
    "a pin without a name": changed((("decision", "policy", "kind"), "pinned")),
    "a dial that is a text": changed((("decision", "policy", "value"), "high")),
    "scores that are a list": changed((("scores",), [1, 2])),
    "no day": changed((("created",), "yesterday")),
    "nesting": changed().replace('"a note"', DEEP),
    "nesting beside": changed()[:-1] + f', "more": {DEEP}}}',
    "digits": changed().replace("1234", "9" * 10_000),
    "nothing": "",
    "another thing": "[]",
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
def test_a_receipt_that_is_none_is_refused(home: Path, text: str) -> None:
    path = home / "some.png"
    path.write_bytes(png(text))
    with pytest.raises(UsageError, match="damaged"):
        read_receipt(path)
    assert main(["why", str(path)]) == 2


def test_bad_receipts_are_logged_and_the_good_one_beside_them_is_adopted(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[str] = []
    monkeypatch.setattr("cems_tui.log.error", lambda text, *values: logged.append(text % values))
    made = adopted(home, *BAD.values(), changed())
    assert [one.id for one in made] == ["01X"]
    assert len(logged) == len(BAD)
    assert all("left out" in line for line in logged)


def test_a_picture_of_another_program_is_no_news(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[str] = []
    monkeypatch.setattr("cems_tui.log.error", lambda text, *values: logged.append(text % values))
    data = png("{}")
    at = data.index(b"zTXt")
    kept = data[: at - 4] + data[data.index(b"IDAT") - 4 :]
    (home / "pictures" / "other.png").write_bytes(kept)
    with open_store(home / "cems.db") as store:
        assert reconcile(store, home / "pictures").adopted == ()
    assert logged == []


def test_a_file_name_that_is_no_text_is_left_out(home: Path) -> None:
    (home / "pictures" / "caf\udce9.png").write_bytes(png(changed()))
    with open_store(home / "cems.db") as store:
        assert reconcile(store, home / "pictures").adopted == ()


def test_the_engine_starts_beside_a_receipt_that_is_none(home: Path) -> None:
    profile = Profile.current()
    folder = profile.pictures
    folder.mkdir(parents=True)
    for number, text in enumerate(BAD.values()):
        (folder / f"p{number}.png").write_bytes(png(text))
    with profile.engine(wait_seconds=0.0) as engine:
        assert engine.session.resident() == frozenset()


@given(
    st.lists(st.tuples(st.sampled_from(PATHS), st.sampled_from(ODD)), min_size=1, max_size=3),
)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_a_receipt_says_why_answers_and_the_history_goes_on(
    home: Path, capsys: pytest.CaptureFixture[str], changes: list[tuple[tuple[Any, ...], Any]]
) -> None:
    text = changed(*changes)
    path = home / "some.png"
    path.write_bytes(png(text))
    for more in ([], ["--json"]):
        code = main(["why", str(path), *more])
        assert code in (0, 2, 3), capsys.readouterr().err
    adopted(home, text)


@given(data=st.data(), cut=st.integers(0, 3000), byte=st.integers(0, 255))
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_picture_with_a_byte_changed_or_cut_is_answered(
    home: Path, data: st.DataObject, cut: int, byte: int
) -> None:
    whole = bytearray(changed().encode())
    whole[cut % len(whole)] = byte
    path = home / "some.png"
    path.write_bytes(png(whole.decode("utf-8", "replace"))[: data.draw(st.integers(8, 5000))])
    assert main(["why", str(path)]) in (0, 2, 3)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("seed", 1e308),
        ("seed", "x"),
        ("seed", str(2**70)),
        ("decision", "[" * 100),
        ("decision", "{}"),
        ("decision", "7"),
    ],
)
def test_a_row_that_an_older_program_took_in_hides_no_other(
    home: Path, column: str, value: object, capfd: pytest.CaptureFixture[str]
) -> None:
    with open_store(home / "home" / "cems.db") as store:
        session = store.session("app")
        for name in ("01A", "01B"):
            store.add_generation(generation(session, home, id=name))
        store._connection.db.execute(
            f"UPDATE generations SET {column} = ? WHERE id = '01A'", [value]
        )
    assert main(["history", "ls", "--json"]) == 0
    assert [row["id"] for row in json.loads(capfd.readouterr().out)] == ["01B"]
    assert main(["why", "01A"]) == 8
    assert "01A is damaged" in capfd.readouterr().err
