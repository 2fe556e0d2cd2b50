"""The commands of the routers."""

from __future__ import annotations

from screens.commands import GENERATE, STOP_RUN, Command

USE = Command(
    "routers.use", "u", "use", "Ask this router from now on",
    "One that only ties with the best single function, or is worse, needs the key a second time.",
    footer="use", letter=True,
)  # fmt: skip
ROLLBACK = Command(
    "routers.rollback", "b", "rollback", "Back to the router before", "Asks it again.",
    footer="rollback", letter=True,
)  # fmt: skip
CHEAPER = Command(
    "routers.cheaper", "left", "walk(-1)", "Walk the curve: cheaper",
    "What the dial means there, on prompts the router had not seen.", footer="→ walk", letter=True,
)  # fmt: skip
BETTER = Command(
    "routers.better", "right", "walk(1)", "Walk the curve: better",
    "What the dial means there, on prompts the router had not seen.", letter=True,
)  # fmt: skip
DIAL = Command(
    "routers.dial", "s", "set_dial", "Set the studio's dial there",
    "Goes to the studio with the dial where one stands on the curve.", footer="set dial",
    letter=True,
)  # fmt: skip
TRAIN = Command(
    "routers.train", "t", "train", "Train a router on a benchmark",
    "A new one of any kind; what is taught in steps shows its loss as it learns.",
    footer="train", letter=True,
)  # fmt: skip
RETRAIN = Command(
    "routers.retrain", "T", "retrain", "Retrain on your own pictures",
    "Learns from prompts that several functions drew; says how many there are and are needed, and "
    "draws what is missing.",
    footer="retrain", letter=True,
)  # fmt: skip
EVALUATE = Command(
    "routers.evaluate", "e", "evaluate", "Evaluate this router on a benchmark",
    "Against each function alone, mixes of them and an oracle.", footer="evaluate", letter=True,
)  # fmt: skip
DIFFER = Command(
    "routers.differ", "d", "differ", "What this router would do otherwise",
    "Which prompts of a benchmark change hands from the router that is asked, and the worth of it.",
    letter=True,
)  # fmt: skip
CALIBRATE = Command(
    "routers.calibrate", "c", "calibrate", "Calibrate it to your own scorer",
    "Makes a router of another scale and the same picks; it is asked where the other was.",
    letter=True,
)  # fmt: skip
COPY = Command(
    "routers.copy", "y", "copy_command", "Copy as a cems command", "`cems router show NAME`.",
    letter=True,
)  # fmt: skip
LEAVE = Command("routers.back", "escape", "back", "Back to the studio", "The studio.")

ROUTERS = (
    USE, TRAIN, RETRAIN, ROLLBACK, CHEAPER, BETTER, DIAL, EVALUATE, DIFFER, CALIBRATE, COPY,
    STOP_RUN, GENERATE, LEAVE,
)  # fmt: skip
