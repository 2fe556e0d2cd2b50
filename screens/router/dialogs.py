"""What opens on top of the routers: a training to be ordered, what there is to learn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content

from cems_tui.text import counted, visible
from cems_tui.views.bill import duration, supply_words
from cems_tui.views.figures import UNKNOWN, Money
from screens.dialogs import Dialog, FormDialog
from screens.widgets.facts import Fact, FactSheet
from screens.widgets.keys import KeyWords

KINDS = (
    "ensemble, ridge, knn, clusters: solved at once, seconds for some hundred prompts; "
    "transformer, cems: networks taught in epochs, whose loss is shown as they learn"
)
FIELDS = (
    ("bench", "The benchmark it learns from"),
    ("name", "Its name"),
    ("kind", "Its kind"),
    ("metric", "What it predicts; empty: mixed, where nima and clip were read"),
    ("epochs", "Epochs of transformer and cems; empty: the recipe's own"),
)
OWN_BENCH = "own"
"""What a benchmark of one's own prompts is called."""

Supplied = Literal["learn", "bench", "shadow"]


@dataclass(frozen=True, slots=True)
class Ordered:
    """A training as the user wants it."""

    bench: str
    name: str
    kind: str
    metric: str
    epochs: str

    def words(self) -> list[str]:
        """For `cems router train`, beyond the name."""
        words = ["--bench", self.bench, "--kind", self.kind]
        words += ["--metric", self.metric] if self.metric else []
        return [*words, "--epochs", self.epochs] if self.epochs else words


class TrainForm(FormDialog[Ordered | None]):
    """A form; enter starts it, once it is one that can be ordered."""

    def __init__(self, first: Ordered, benches: Sequence[str], taken: Sequence[str]) -> None:
        """A form that says this at first.

        Args:
            benches: those there are to learn from.
            taken: names of routers that there are already.
        """
        super().__init__()
        self._first = first
        self._benches = tuple(benches)
        self._taken = frozenset(taken)
        benched = ", ".join(map(visible, benches))
        self._about = [Fact("kinds", KINDS), Fact("benchmarks", benched)]
        self._sheet = FactSheet(self._about)

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = "Train a router"
            rows = ((name, label, getattr(self._first, name)) for name, label in FIELDS)
            yield from self.fields("train", rows)
            with VerticalScroll():
                yield self._sheet
            yield KeyWords("enter trains it · esc closes")

    def action_take(self) -> None:
        ordered = Ordered(*self.written("train", (name for name, _ in FIELDS)))
        wrong = self._wrong(ordered)
        if wrong:
            self._sheet.tell([Fact("", f"! {wrong}", "$warning"), *self._about])
        else:
            self.dismiss(ordered)

    def _wrong(self, ordered: Ordered) -> str:
        """What the command would refuse at once; what it finds later, it says at its end."""
        if ordered.bench not in self._benches:
            return f"there is no benchmark {visible(ordered.bench)!r}"
        if not ordered.name:
            return "it has no name"
        if ordered.name in self._taken:
            return f"there is a router {visible(ordered.name)} already"
        return ""


class PairsDialog(Dialog[Supplied | None]):
    """What there is to learn from, and what is missing, with the keys that draw it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss(None)", "No", show=False),
        Binding("enter", "take('learn')", "Learn", show=False),
        Binding("n", "take('bench')", "Benchmark", show=False),
        Binding("s", "take('shadow')", "Draw again", show=False),
    ]

    def __init__(self, title: str, facts: Sequence[Fact], offered: Sequence[Supplied]) -> None:
        """`offered` are the keys that do something, beside esc."""
        super().__init__()
        self._title = title
        self._facts = list(facts)
        self._offered = set(offered)
        self._bill: Fact | None = None
        self._sheet = FactSheet(facts)
        self._keys = KeyWords(self._key_words())

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = Content(self._title)
            with VerticalScroll():
                yield self._sheet
            yield self._keys

    def tell_bill(self, fact: Fact, *, fine: bool) -> None:
        """What benchmarking one's own prompts would take, or why it cannot be."""
        self._sheet.tell([*self._facts, fact])
        if fine:
            self._offered.add("bench")
        self._keys.tell(self._key_words())

    def action_take(self, answer: Supplied) -> None:
        if answer in self._offered:
            self.dismiss(answer)

    def _key_words(self) -> str:
        words: Mapping[Supplied, str] = {
            "learn": "enter learns",
            "bench": "n benches them",
            "shadow": "s draws by lot",
        }
        return " · ".join([*(words[one] for one in words if one in self._offered), "esc closes"])


def prospect_facts(told: Mapping[str, Any], money: Money) -> list[Fact]:
    """What `cems router retrain --dry-run --json` tells, for people."""
    start = visible(told["router"] or "")
    found = [
        Fact("starts from", start or "nothing: a router is learned by itself"),
        Fact("learns from", f"{counted(told['pairs'], 'prompt')} of yours, of about "
             f"{told['needed']} that are needed: those with pictures of two functions or more"),
    ]  # fmt: skip
    if told["singles"]:
        found.append(
            Fact("", f"{told['singles']:,} more have one picture: which is better, none tells")
        )
    if told["seen"]:
        found.append(Fact("", f"{told['seen']:,} more it was trained on already"))
    if told["supply"] is not None:
        found.append(Fact("missing", supply_words(told["supply"], money)))
    return found


def fresh_name(base: str, taken: Sequence[str]) -> str:
    """The base, or with a number where it is taken."""
    name, number = base, 2
    while name in taken:
        name, number = f"{base}-{number}", number + 1
    return name


def own_bench(functions: Sequence[str], taken: Sequence[str]) -> tuple[str, list[str]]:
    """The name and the words of `cems bench run` over one's own prompts with these functions."""
    return fresh_name(OWN_BENCH, taken), [
        "--prompts",
        "history",
        "--functions",
        ",".join(functions),
    ]


def bill_fact(told: Mapping[str, Any], money: Money) -> Fact:
    """`n benches every prompt of your history: 340 pictures, ~2 minutes, ~$0.0003`."""
    seconds, cost = told["seconds"], told["cost_usd"]
    time = UNKNOWN if seconds is None else duration(seconds)
    price = UNKNOWN if cost is None else money.total(cost, estimated=True)
    pictures = counted(told["pictures"], "picture")
    return Fact("n", f"benches every prompt of your history: {pictures}, {time}, {price}")
