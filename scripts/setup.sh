# Sourced by every script: goes to the project's root, makes .venv once, installs the project, puts it on PATH.
# PYTHON chooses another Python; EXTRAS the extras to install (default none; test.sh asks for dev).
# CORNUCOPIA_PYTHON=/path/python: an environment (conda, a container) that has the project already; nothing is installed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
EXTRAS="${EXTRAS:-}"

if [ -n "${CORNUCOPIA_PYTHON:-}" ]; then
  export PATH="$(dirname "$CORNUCOPIA_PYTHON"):$PATH"
  [ -x "$(dirname "$CORNUCOPIA_PYTHON")/cornucopia" ] && return
  echo "错误：CORNUCOPIA_PYTHON 指的环境里没有 cornucopia 命令。先运行 $CORNUCOPIA_PYTHON -m pip install -e ." >&2
  exit 1
fi

find_python() {
  for candidate in ${PYTHON:-} python3.13 python3.12 python3.11 python3 python; do
    if command -v "$candidate" >/dev/null 2>&1 &&
      "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  echo "错误：需要 Python 3.11 或更新的版本。装好后用 PYTHON=/路径/python3.11 bash $0 指定" >&2
  exit 1
}

# The stamp names what is installed; another Python, pyproject.toml or extras installs again.
stamp() { { cat pyproject.toml; echo "$EXTRAS"; .venv/bin/python -V; } 2>/dev/null | cksum; }

if [ ! -x .venv/bin/python ]; then
  python_found="$(find_python)"
  echo "首次运行：创建 .venv（$("$python_found" -V)）" >&2
  "$python_found" -m venv .venv
fi
if [ "$(cat .venv/.cornucopia 2>/dev/null)" != "$(stamp)" ] && [ "$(cat .venv/.cornucopia-dev 2>/dev/null)" != "$(EXTRAS=dev stamp)" ]; then
  echo "安装依赖（第一次要下载 PyTorch 等，约几分钟）……" >&2
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-compile -e ".${EXTRAS:+[$EXTRAS]}" || {
    echo "错误：依赖没有装上。看上面 pip 的提示；网络不通时可设 PIP_INDEX_URL 为可用的镜像再运行" >&2
    exit 1
  }
  stamp >".venv/.cornucopia${EXTRAS:+-$EXTRAS}"
fi
export PATH="$PWD/.venv/bin:$PATH"
