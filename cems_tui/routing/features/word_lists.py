"""The closed word lists behind the linguistic counts of a prompt. Pure data, no numpy."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


FUNCTION_WORDS = _words("""
    a an the this that these those some any each every all both it its he she they them his her
    their there here is are was were be been being am do does did has have had will would can
    could should may might must i me my we us our you your and or but nor so yet if then than as
    of for to from into onto out up down off over again very more most much many not no only own
    just also too with without at by about who which what where when how while during through
    show draw make give please image picture photo photograph
""")
"""English words that say little about what is to be seen."""

COLOURS = _words("""
    red orange yellow green blue purple violet pink brown black white grey gray gold golden silver
    cyan magenta turquoise teal beige maroon navy crimson scarlet emerald ivory lavender amber
    colourful colorful dark light bright pale
""")

NUMBERS = _words("""
    one two three four five six seven eight nine ten eleven twelve dozen several few many pair
    single double triple couple group row stack pile bunch hundreds thousands
""")

RELATIONS = _words("""
    on in under above below beside behind between near next left right inside outside around
    across along against among front top bottom holding wearing riding sitting standing facing
    beneath underneath atop surrounded towards upon
""")

STYLES = _words("""
    photo photograph photography painting drawing sketch render rendering illustration
    watercolor watercolour oil anime cartoon style realistic photorealistic hyperrealistic
    cinematic detailed highly intricate concept art artstation trending unreal engine octane 4k
    8k hd hdr uhd digital portrait landscape closeup macro lighting dramatic masterpiece studio
    vintage retro pixel logo poster sculpture statue surreal abstract fantasy futuristic
    cyberpunk steampunk by
""")

PEOPLE = _words("""
    man men woman women boy girl child children people person baby face portrait king queen
    prince princess warrior soldier knight wizard witch human lady guy couple crowd character
    hand hands eyes hair his her he she
""")
