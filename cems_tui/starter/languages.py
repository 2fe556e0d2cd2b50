"""Which language a prompt is in, as far as its script and its small words tell. A guess, said so.

Standard library only.
"""

from __future__ import annotations

import unicodedata

from cems_tui.starter.vocabulary import WORDS, words_of

_SMALL_WORDS = {
    "German": (
        "der die das den dem des ein eine einen einem einer und mit auf unter über neben vor "
        "hinter im am zwei drei nicht ist sind rotes rote roter grüne blaues beim zum zur von"
    ),
    "French": (
        "le la les un une des du et avec dans sur sous devant derrière entre deux trois est sont "
        "au aux près rouge nuit qui ne pas"
    ),
    "Spanish": (
        "el la los las un una unos unas y con en sobre debajo bajo junto del de dos tres es son "
        "al rojo roja noche que muy"
    ),
    "Italian": (
        "il lo la gli le un una uno e con su sotto sopra accanto nella nel della di due tre sulla "
        "sul sono rosso rossa notte che"
    ),
    "Portuguese": (
        "o os as um uma e com em sobre sob ao do da dos das no na dois duas três é são vermelho "
        "vermelha noite que ao amanhecer"
    ),
    "Dutch": "de het een en met op onder naast voor achter in twee drie rode bij van is zijn nacht",
    "Polish": "i na pod nad obok z w do dwa trzy jest są nocą czerwony czerwona przy oraz",
    "Swedish": "en ett och med på under bredvid framför två tre är röd natten vid som",
}
_WORDS = {language: frozenset(words.split()) for language, words in _SMALL_WORDS.items()}
_ENGLISH_TEXT = """
    a an the of to from for by with without into over under and or not is are was his her its
    their that this these those who which as it in on at he she they i you we
"""
_ENGLISH = frozenset(WORDS) | frozenset(_ENGLISH_TEXT.split())

_SCRIPTS = {
    "CJK": "Chinese or Japanese", "HIRAGANA": "Japanese", "KATAKANA": "Japanese",
    "HANGUL": "Korean", "CYRILLIC": "Russian or another language in Cyrillic", "GREEK": "Greek",
    "ARABIC": "Arabic or another language in its script", "HEBREW": "Hebrew",
    "DEVANAGARI": "Hindi or another language in Devanagari", "THAI": "Thai", "BENGALI": "Bengali",
    "TAMIL": "Tamil", "ARMENIAN": "Armenian", "GEORGIAN": "Georgian",
}  # fmt: skip

LEAST_WORDS = 2
"""Small words of another language, for a prompt in Latin letters to be in it."""


def other_language(prompt: str) -> str | None:
    """The language a prompt seems to be in; None where it is English or cannot be told."""
    return _by_script(prompt) or _by_words(prompt)


def _by_script(prompt: str) -> str | None:
    letters = [letter for letter in prompt if letter.isalpha()]
    foreign: dict[str, int] = {}
    for letter in letters:
        if letter.isascii():
            continue
        script = unicodedata.name(letter, "").split(" ")[0]
        if script in _SCRIPTS:
            foreign[script] = foreign.get(script, 0) + 1
    # a sign of Chinese is a word; half the letters of a mixed prompt are the larger part of it
    if not foreign or 2 * sum(foreign.values()) < len(letters):
        return None
    if "HIRAGANA" in foreign or "KATAKANA" in foreign:
        return _SCRIPTS["HIRAGANA"]
    return _SCRIPTS[max(foreign, key=lambda script: foreign[script])]


def _by_words(prompt: str) -> str | None:
    words = words_of(prompt)
    distinct = set(words)
    english = len(distinct & _ENGLISH)
    counts = {language: len(distinct & small) for language, small in _WORDS.items()}
    best = max(counts, key=lambda language: counts[language])
    # what English has too (`a`, `in`, `no`, `on`) speaks for nobody
    own = len(distinct & (_WORDS[best] - _ENGLISH))
    accented = any(not letter.isascii() for word in words for letter in word)
    enough = own >= LEAST_WORDS or (own >= 1 and accented)
    return best if enough and own > english - (counts[best] - own) else None
