#!/bin/sh
# A virtual environment for each peer, outside git: sh benchmarks/training/peers/setup.sh [FOLDER]
# torch goes first, alone, so that nothing replaces it. Where plain pip would fetch a CUDA build and a CPU build is
# wanted, say so once: TORCH_ARGS="--index-url <CPU 版 torch 的安装源，见 PyTorch 官网>" sh .../setup.sh
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-runs/bench/venvs}
python=${CORNUCOPIA_PYTHON:-python3}
mkdir -p "$folder"

for name in trl llamafactory; do
    "$python" -m venv "$folder/$name"
    # shellcheck disable=SC2086
    "$folder/$name/bin/pip" install -q torch==2.13.0 ${TORCH_ARGS:-}
done

"$folder/trl/bin/pip" install -q -r "$here/trl.txt"

# LLaMA-Factory names torchvision and torchaudio, whose builds do not match a CPU torch and which text does not need:
# it is installed without dependencies, those that count are listed, and an empty torchaudio satisfies its import.
pip="$folder/llamafactory/bin/pip"
"$pip" install -q --no-deps llamafactory==0.9.5
"$pip" install -q -r "$here/llamafactory.txt"
"$pip" uninstall -q -y torchvision torchaudio
site=$("$folder/llamafactory/bin/python" -c "import sysconfig; print(sysconfig.get_path('purelib'))")
mkdir -p "$site/torchaudio"
touch "$site/torchaudio/__init__.py"

"$folder/trl/bin/python" -c "import torch, transformers, trl; print('trl', trl.__version__, torch.__version__)"
"$folder/llamafactory/bin/python" -c "import torch, transformers, llamafactory; print('llamafactory', torch.__version__)"
