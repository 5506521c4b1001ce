#!/usr/bin/env bash
# 在有网的机器上把所有依赖下成 wheel，带到没有网的机器上装。两台机器的系统和 Python 版本要一样。
#   bash deploy/wheelhouse.sh                                  # CPU 版，放在 wheelhouse/
#   EXTRAS=serve,gguf,data OUT=wheels bash deploy/wheelhouse.sh
#   TORCH_INDEX=https://download.pytorch.org/whl/cu128 bash deploy/wheelhouse.sh   # CUDA 版
# 没有网的机器上：python -m venv .venv && .venv/bin/pip install --no-index --find-links wheelhouse -e ".[serve,gguf]"
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python}
OUT=${OUT:-wheelhouse}
EXTRAS=${EXTRAS:-serve,gguf}
TORCH_INDEX=${TORCH_INDEX-https://download.pytorch.org/whl/cpu}

mkdir -p "$OUT"
if [ -n "$TORCH_INDEX" ]; then # empty: torch from wherever pip is set to look
  "$PYTHON" -m pip download torch --dest "$OUT" --index-url "$TORCH_INDEX"
fi
# setuptools and wheel build the project itself on the other side.
"$PYTHON" -m pip wheel --wheel-dir "$OUT" --find-links "$OUT" "setuptools>=68" wheel ".[${EXTRAS}]"
rm -f "$OUT"/cornucopia_fin-*.whl # the project comes as its own folder
(cd "$OUT" && sha256sum -- *.whl > SHA256SUMS)
echo "共 $(find "$OUT" -name '*.whl' | wc -l) 个 wheel，$(du -sh "$OUT" | cut -f1)；到那边先核对：cd $OUT && sha256sum -c SHA256SUMS"
