"""Prompt syntax of other tools, which is drawn here as the words it is made of, and said to be.

Weights, alternatives, LoRA tags, wildcards and settings of AUTOMATIC1111's web UI, ComfyUI, compel,
NovelAI, dynamic-prompts and Midjourney. Ordinary parentheses, emoticons, times and ratios are none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from cems_tui.domain.function import GenerationFunction
from cems_tui.domain.note import Note
from cems_tui.domain.request import Request

LONGEST_PIECE = 200
"""Characters between two brackets: no search takes longer than a text is long."""

LONGEST_QUOTE = 40
MOST_QUOTED = 3

_INSIDE = rf"[^()\[\]{{}}<>\n]{{0,{LONGEST_PIECE}}}"
_WEIGHT = r"(?:\s?:\s?[-+]?[0-9]?\.[0-9]{1,4}|(?<![0-9\s]):[-+]?[0-9])"
"""`:1.3`, `: 0.8`, `:2`, below 10; a whole number after another, `3:15`, is a time or a ratio."""

_PATTERNS = (
    # (red:1.3)  [red:0.5]  [red::0.5]  [red:blue:0.5]
    re.compile(rf"\((?=[^()]*[^\W\d_]){_INSIDE}{_WEIGHT}\s?\)"),
    re.compile(rf"\[(?=[^\[\]]*[^\W\d_]){_INSIDE}{_WEIGHT}\s?\]"),
    # ((masterpiece))  [[blurry]]
    re.compile(rf"\(\((?=[^()]*[^\W\d_]){_INSIDE}\)\)|\[\[(?=[^\[\]]*[^\W\d_]){_INSIDE}\]\]"),
    # (red car)++  (red car)1.3  red++
    re.compile(rf"\({_INSIDE}\)(?:\+{{1,5}}|-{{2,5}}|[0-9]\.[0-9]{{1,3}})(?!\w)"),
    re.compile(r"(?<![\w+])[a-z]{2,40}\+{2,5}(?=[\s,.]|$)"),
    # [cat|dog]  {red|blue}  {2$$red|blue}  {{masterpiece}}  {red}
    re.compile(rf"\[{_INSIDE}[^\s\[\]]{_INSIDE}\|{_INSIDE}\]"),
    re.compile(r"\{\{?(?![\s]*\")(?=[^{}]*[^\W\d_])[^{}\n\"]{1,200}\}\}?"),
    # <lora:detail:0.8>  embedding:name
    re.compile(r"(?i)<(?:lora|lyco|locon|loha|hypernet|embedding|ti|segment)\s?:[^<>\n]{1,200}>"),
    re.compile(r"(?i)(?<!\w)embedding:[\w.-]{1,100}"),
    # __color__
    re.compile(r"(?<![\w_])__(?!_)(?=[\w/*.-]*[^\W\d_])[\w/*.-]{1,100}?(?<!_)__(?![\w_])"),
)
_OPTION = re.compile(
    r"(?<!\S)--(?:ar|aspect|v|version|niji|no|stylize|s|style|chaos|c|quality|q|seed|sameseed|iw|"
    r"tile|weird|stop|uplight|hd|fast|turbo|relax|raw|cref|sref|cw|sw|profile|p|steps|cfg|"
    r"cfg[_-]scale|scale|sampler|size|width|height|w|h|negative|neg|prompt|n|count|tradeoff|function)"
    r"(?![\w-])[ =]?[^\s,]{0,20}"
)
_SETTINGS = (
    re.compile(
        r"(?i)(?<!\w)steps:\s?[0-9]{1,4}\s?,[^\n]{0,160}?"
        r"(?:sampler|cfg scale|seed|size|model)(?: hash| name)?\s?:\s?[^\s,]{1,40}"
    ),
    re.compile(r"(?im)(?:^|(?<=[.,;\n ]))negative prompt:[^\n]{0,200}"),
)
_KEYWORD = re.compile(r"(?<=\S)[\s,]+(BREAK|AND|ADDCOMM|ADDROW|ADDCOL|ADDBASE)(?=[\s,]+\S)")
_QUOTED = re.compile(r"\"[^\"\n]{0,200}\"|“[^”\n]{0,200}”|‘[^’\n]{0,200}’")
_LOWER_CASE_WORD = re.compile(r"(?<!\w)[^\W\d_A-Z]{2,}(?!\w)")


_SUSPECT = re.compile(r"[(\[{<:]|__|--|\+\+|\b(?:AND|BREAK|ADD[A-Z]+)\b")
"""What any of it needs: most prompts have none and are looked at once."""


def foreign_syntax(text: str) -> tuple[str, ...]:
    """What of a prompt other tools would interpret, as it stands there, in its order."""
    return tuple(piece for _, piece in sorted({*_brackets(text), *_keywords(text)}))


def foreign_settings(text: str) -> tuple[str, ...]:
    """The settings of a generation text that was pasted with its prompt, and options in it."""
    found = {
        (one.start(), one[0].strip()) for pattern in _SETTINGS for one in pattern.finditer(text)
    }
    found |= {(one.start(), one[0].strip()) for one in _OPTION.finditer(text)}
    return tuple(piece for _, piece in sorted(found))


def foreign_syntax_notes(prompt: str, negative: str = "") -> tuple[Note, ...]:
    """One note that names what will be drawn as words though it was meant as more; or none."""
    if not (_SUSPECT.search(prompt) or _SUSPECT.search(negative)):
        return ()
    syntax = tuple(dict.fromkeys((*foreign_syntax(prompt), *foreign_syntax(negative))))
    settings = tuple(dict.fromkeys((*foreign_settings(prompt), *foreign_settings(negative))))
    told = []
    if syntax:
        told.append(
            f"{_quoted(syntax)}: weights, tags, wildcards and other syntax of other tools are not "
            "interpreted but drawn as plain words"
        )
    if settings:
        told.append(
            f"{_quoted(settings)}: settings inside a prompt are drawn as plain words; say them "
            "with --seed, --size, --negative and --function"
        )
    return (Note("foreign_syntax", "; ".join(told)),) if told else ()


class ForeignSyntax:
    """Says of a request what of other tools' syntax is in its prompt and negative prompt."""

    def notes(self, request: Request, function: GenerationFunction) -> Sequence[Note]:
        """One note or none, whatever function draws: none of them interprets any."""
        return foreign_syntax_notes(request.prompt, request.negative)


def _brackets(text: str) -> Iterator[tuple[int, str]]:
    taken: list[tuple[int, int]] = []
    for pattern in _PATTERNS:
        for one in pattern.finditer(text):
            if not any(start < one.end() and one.start() < end for start, end in taken):
                taken.append(one.span())
                yield one.start(), one[0]


def _keywords(text: str) -> Iterator[tuple[int, str]]:
    """BREAK, AND and their kin: words in capitals, in a text that is not all in capitals."""
    outside = _QUOTED.sub(lambda quoted: " " * len(quoted[0]), text)
    if _LOWER_CASE_WORD.search(outside):
        for one in _KEYWORD.finditer(outside):
            yield one.start(1), one[1]


def _quoted(pieces: tuple[str, ...]) -> str:
    shown = [
        f"“{piece if len(piece) <= LONGEST_QUOTE else piece[: LONGEST_QUOTE - 1] + '…'}”"
        for piece in (" ".join(piece.split()) for piece in pieces[:MOST_QUOTED])
    ]
    more = len(pieces) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
