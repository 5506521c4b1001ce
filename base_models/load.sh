#!/usr/bin/env bash
# Download the base models of the tutorial into base_models/ (resumable). MODEL names others; flags go to `models pull`.
#   bash ./base_models/load.sh
#   MODEL=Qwen2.5-0.5B-Instruct bash ./base_models/load.sh --hub modelscope
set -uo pipefail
. "$(dirname "$0")/../scripts/setup.sh"
for name in ${MODEL:-llama-7b Linly-Chinese-LLaMA-7B}; do
    if ! cornucopia models pull "$name" "$@"; then
        echo "$name 没有下载完。再运行一次同样的命令会接着下载；在此期间 scripts/ 里的命令使用自带小模型 base_models/nano" >&2
        exit 1
    fi
done
