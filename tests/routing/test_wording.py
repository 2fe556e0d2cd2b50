"""A router of models with a vocabulary is asked in their words."""

from __future__ import annotations

from cems_tui.profile import Profile


def test_the_packs_router_takes_an_emoji_for_the_noun_it_is() -> None:
    router = Profile.current().shelf().named("starter")
    said, meant = router.estimate("🐱 on a 🌳"), router.estimate("a cat on a tree")
    assert said == meant
    assert said.in_distribution


def test_a_router_of_other_models_is_asked_as_the_user_asked() -> None:
    router = Profile.current().shelf().named("cems-clip")
    assert router.wording("🐱") == "🐱"
