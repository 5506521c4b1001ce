"""Checks of places: disk, the project's folders, the model hubs on the network."""

from __future__ import annotations

import shutil
import tempfile

from cornucopia.core import hub_api
from cornucopia.core.doctor.row import BAD, GOOD, WARN, Row
from cornucopia.core.errors import reason
from cornucopia.core.paths import bundled_model, project_root

TIMEOUT = 5.0  # seconds for one site


def check_disk() -> Row:
    """Free space where models are kept."""
    place = next(path for path in (project_root() / "base_models", *project_root().resolve().parents) if path.is_dir())
    free = shutil.disk_usage(place).free / 1e9
    if free < 2:
        return Row(BAD, f"{place} 只剩 {free:.1f} GB", "清出至少 2 GB")
    if free < 20:
        fix = "7B 模型要 15 GB 左右：放到别的磁盘用 cornucopia models pull 名字 --dir 目录"
        return Row(WARN, f"{place} 剩 {free:.0f} GB", fix)
    return Row(GOOD, f"{place} 剩 {free:.0f} GB")


def check_writable() -> Row:
    """A file can be made where results and models go."""
    root = project_root()
    for wanted in (root / "runs", root / "base_models"):
        folder = wanted if wanted.is_dir() else root
        try:
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            fix = f"sudo chown -R $USER {folder}，或 export CORNUCOPIA_HOME=能写的目录"
            return Row(BAD, f"{folder} 写不进去：{reason(error)}", fix)
    return Row(GOOD, f"{root} 可写")


def check_bundled() -> Row:
    """The bundled small model is whole enough to load."""
    folder = bundled_model()
    missing = [name for name in ("config.json", "model.safetensors") if not (folder / name).is_file()]
    if missing:
        fix = f"git -C {project_root()} checkout -- base_models/nano，或重新克隆"
        return Row(BAD, f"{folder} 缺 {'、'.join(missing)}", fix)
    if (folder / "model.safetensors").stat().st_size < 1000:
        return Row(BAD, f"{folder} 的权重只是个占位文件", "git lfs install && git lfs pull")
    return Row(GOOD, f"{folder}")


def check_site(hub: str) -> Row:
    """A hub answers within TIMEOUT. Not reaching one is no fault: offline is normal, and one of three is enough."""
    import httpx

    address = hub_api.endpoint(hub)
    if hub == "mirror" and address == hub_api.endpoint("hf"):
        return Row(GOOD, f"HF_ENDPOINT 已指向 {address}，见上一行")
    set_off = "（HF_HUB_OFFLINE=1，下载被禁止；unset 后可下载）" if hub_api.offline() else ""
    try:
        with httpx.Client(timeout=TIMEOUT, follow_redirects=False) as web:
            reply = web.head(address)
    except (httpx.HTTPError, ImportError, ValueError, OSError) as error:
        return Row(WARN, f"{address} 连不上：{str(error)[:80] or type(error).__name__}", _ADVICE[hub])
    if reply.status_code >= 500:
        return Row(WARN, f"{address} 回答 HTTP {reply.status_code}", _ADVICE[hub])
    return Row(WARN if set_off else GOOD, f"{address} 能连上{set_off}", "unset HF_HUB_OFFLINE" if set_off else "")


_ADVICE = {
    "hf": f"export HF_ENDPOINT={hub_api.MIRROR}，或下载时加 --hub modelscope；没有网也能用自带模型",
    "mirror": "用 --hub hf 或 --hub modelscope；没有网也能用自带模型",
    "modelscope": "用 --hub hf 或 --hub mirror；没有网也能用自带模型",
}
