"""The one device there is: which, how much memory, and how much of it weights may hold."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

from cems_tui.errors import ConfigError, UsageError
from cems_tui.generation.admission import weights_allowed

DeviceKind = Literal["cpu", "cuda", "mps", "xpu"]

BUDGET_VARIABLE = "CEMS_DEVICE_BUDGET_MB"
MEGABYTE = 1_000_000
"""Bytes; decimal, like the gigabytes that are billed."""

_KINDS: tuple[DeviceKind, ...] = ("cuda", "xpu", "mps", "cpu")
_CGROUP = Path("/sys/fs/cgroup")
_OWN_CGROUP = Path("/proc/self/cgroup")
_CARDS = Path("/sys/class/drm")


@dataclass(frozen=True, slots=True)
class Device:
    """Where pictures are drawn."""

    kind: DeviceKind
    name: str
    total_bytes: int
    free_bytes: int
    """When probed; other processes' use counts."""

    def less(self, leave_bytes: int) -> Device:
        """The device without what is left to others; below 0 where they have it already."""
        return replace(self, free_bytes=self.free_bytes - leave_bytes)


def probe(setting: str | None = None) -> Device:
    """The best device, or the CPU where that is the setting, without importing torch.

    A torch that is already imported is asked first, as it knows what it can use.
    """
    if setting == "cpu":
        return _from_memory()
    return _from_torch() or _card() or _from_memory()


def weight_budget_bytes(device: Device, setting_mb: float = 0, leave_bytes: int = 0) -> int:
    """Bytes that resident weights may hold in all.

    CEMS_DEVICE_BUDGET_MB megabytes (10⁶ bytes) when set, else the setting when it is not 0, but
    never more than the device has; otherwise what is free, less a fifth of the device for the
    runs themselves. In any case `leave_bytes` of the device are left to other programs.

    Raises:
        ConfigError: CEMS_DEVICE_BUDGET_MB is not a positive number.
    """
    cap = weight_cap_bytes(device, setting_mb, leave_bytes)
    if cap is not None:
        return cap
    free = max(0, device.free_bytes - leave_bytes)
    return weights_allowed(0, free, None, device.total_bytes, None)


def weight_cap_bytes(device: Device, setting_mb: float, leave_bytes: int) -> int | None:
    """What the user lets weights hold at most; None where nothing is set.

    Raises:
        ConfigError: CEMS_DEVICE_BUDGET_MB is not a positive number.
    """
    ours = max(0, device.total_bytes - leave_bytes)
    if (text := os.environ.get(BUDGET_VARIABLE, "").strip()) != "":
        return min(_budget_setting(text), ours)
    return min(int(setting_mb * MEGABYTE), ours) if setting_mb > 0 else None


def torch_device(setting: str | None = None) -> DeviceKind:
    """The torch device type to draw on; imports torch.

    Raises:
        UsageError: the setting names a device that torch cannot use here.
    """
    usable = _usable_in_torch()
    if setting is None:
        return usable[0]
    if setting not in usable:
        raise UsageError(
            f"the device {setting!r} cannot be used here", f"Usable: {', '.join(usable)}."
        )
    return next(kind for kind in usable if kind == setting)


def likely_kind(setting: str | None = None) -> str:
    """The device type that `torch_device` would choose; torch is asked only if imported."""
    if setting is not None:
        return setting
    if "torch" in sys.modules:
        return torch_device()
    card = _card()
    return "cpu" if card is None else card.kind


def free_memory_bytes() -> int:
    """Bytes of main memory that can be had now, within the limits of the container."""
    return _memory()[1]


def free_device_bytes(kind: str) -> int:
    """Bytes that can be had now on a device that torch draws on."""
    if kind in ("cpu", "mps"):  # Apple's share the main memory
        return free_memory_bytes()
    import torch

    return int(torch.accelerator.get_memory_info()[0])


def _budget_setting(text: str) -> int:
    try:
        budget = int(float(text) * MEGABYTE)
    except (ValueError, OverflowError):
        budget = 0
    if budget <= 0:
        raise ConfigError(
            f"{BUDGET_VARIABLE} is {text!r}, not a positive number of megabytes",
            f"Set it to a number, such as {BUDGET_VARIABLE}=8000, or unset it.",
        )
    return budget


def _usable_in_torch() -> list[DeviceKind]:
    import torch

    present = {
        "cuda": torch.cuda.is_available(),
        "xpu": torch.xpu.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    return [kind for kind in _KINDS if present[kind]]


def _from_torch() -> Device | None:
    if "torch" not in sys.modules:
        return None
    import torch

    kind = torch_device()
    if kind == "cpu":
        return _from_memory()
    if kind == "mps":
        total = torch.mps.recommended_max_memory()
        held = torch.mps.current_allocated_memory()  # the rest of the driver's is torch's pool
        return Device(kind, "Apple GPU", total, max(0, min(total - held, _memory()[1])))
    free, total = torch.accelerator.get_memory_info()
    free += torch.accelerator.memory_reserved() - torch.accelerator.memory_allocated()
    name = torch.cuda.get_device_name() if kind == "cuda" else "Intel GPU"
    return Device(kind, name, total, free)


def _card() -> Device | None:
    """The device that is no CPU, without torch."""
    return _from_nvml() or _from_rocm() or _from_apple()


def _from_nvml() -> Device | None:
    with nvml_card() as card:
        if card is None:
            return None
        import pynvml

        try:
            memory = pynvml.nvmlDeviceGetMemoryInfo(card)
            name = pynvml.nvmlDeviceGetName(card)
        except pynvml.NVMLError:
            return None
    text = name.decode() if isinstance(name, bytes) else str(name)
    return Device("cuda", text, int(memory.total), int(memory.free))


@contextmanager
def nvml_card() -> Iterator[Any]:
    """NVML's handle of the first card that may be used, within the block; None without one."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and visible.strip() in ("", "-1"):
        yield None
        return
    try:
        import pynvml
    except ImportError:
        yield None
        return
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        yield None  # no driver
        return
    first = (visible or "0").split(",")[0].strip()
    try:
        try:
            card = pynvml.nvmlDeviceGetHandleByIndex(int(first) if first.isdigit() else 0)
        except pynvml.NVMLError:
            card = None  # a driver without a device
        yield card
    finally:
        pynvml.nvmlShutdown()


def _from_rocm() -> Device | None:
    """An AMD card, by what its driver says of its memory, where torch is one that draws on it."""
    cards = sorted(_CARDS.glob("card*/device/mem_info_vram_total"))
    if not cards or not _draws_on_rocm():
        return None
    known = [(_number(one), _number(one.with_name("mem_info_vram_used"))) for one in cards]
    whole = [(total, used) for total, used in known if total is not None and used is not None]
    if not whole:
        return None
    total, used = max(whole)
    return Device("cuda", "AMD GPU", total, max(0, total - used))


def _draws_on_rocm() -> bool:
    """Whether the torch that is installed is built for AMD's cards, by its name alone."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return "rocm" in version("torch")
    except PackageNotFoundError:
        return False


def _from_apple() -> Device | None:
    if (platform.system(), platform.machine()) != ("Darwin", "arm64"):
        return None
    return Device("mps", "Apple GPU", *_memory())


def _from_memory() -> Device:
    return Device("cpu", platform.processor() or platform.machine(), *_memory())


def _memory() -> tuple[int, int]:
    """Total and available bytes of memory, within the limits of the container."""
    import psutil

    memory = psutil.virtual_memory()
    total, free = int(memory.total), int(memory.available)
    for group in _groups():
        limit, used = _number(group / "memory.max"), _number(group / "memory.current")
        if limit is not None:
            total = min(total, limit)
            kept = max(0, (used or 0) - _reclaimable_bytes(group))
            free = min(free, max(0, limit - kept))
    limit = _address_space_bytes()
    if limit is not None:
        total = min(total, limit)
        free = min(free, max(0, limit - int(psutil.Process().memory_info().vms)))
    return total, free


def _groups() -> list[Path]:
    """The process's group and those around it; each may set a limit."""
    try:
        lines = _OWN_CGROUP.read_text().splitlines()
    except OSError:
        lines = []
    own = next((line[3:] for line in lines if line.startswith("0::")), "/").strip("/")
    parts = [part for part in own.split("/") if part not in ("", "..")]
    return [_CGROUP.joinpath(*parts[:count]) for count in range(len(parts) + 1)]


def _reclaimable_bytes(group: Path) -> int:
    """What the kernel takes back from a group's file cache before it refuses it memory."""
    try:
        lines = (group / "memory.stat").read_text().splitlines()
    except OSError:
        return 0
    found = next((line.split()[1] for line in lines if line.startswith("inactive_file ")), "0")
    return int(found) if found.isdigit() else 0


def _address_space_bytes() -> int | None:
    """What `ulimit -v` lets the process map; None where nothing is set, or it is not known."""
    if sys.platform == "win32":
        return None
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if limit == resource.RLIM_INFINITY else limit


def _number(file: Path) -> int | None:
    try:
        text = file.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


# How many CPU threads torch uses while a model draws.

SMALL_MODEL_BYTES = 200_000_000
"""Below this a step is too short to share: two threads took 1.0 s for a picture of a 4 M
parameter model that one thread drew in 0.25 s (two cores, one of them busy)."""


def threads_for(weight_bytes: int, setting: int | None, physical_cores: int) -> int:
    """The threads to use: the setting, else one for a small model and every core for a large."""
    if setting is not None:
        return max(1, setting)
    return 1 if weight_bytes < SMALL_MODEL_BYTES else max(1, physical_cores)


def use_threads(device_type: str, weight_bytes: int, setting: int | None) -> None:
    """Tell torch, unless OMP_NUM_THREADS already did or the work is not on the CPU."""
    if device_type != "cpu" or (setting is None and os.environ.get("OMP_NUM_THREADS")):
        return
    import torch

    threads = threads_for(weight_bytes, setting, _physical_cores())
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)


@cache
def _physical_cores() -> int:
    import psutil

    return psutil.cpu_count(logical=False) or os.cpu_count() or 1
