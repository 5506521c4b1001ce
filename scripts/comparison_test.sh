#!/usr/bin/env bash
# The original's comparison: base, base + LoRA (Meta), Linly + LoRA, side by side. Variables: BASE_MODEL
# LORA_WEIGHTS (none: no LoRA) QUESTIONS OUTPUT_DIR; further flags go on to `cornucopia compare`.
. "$(dirname "$0")/setup.sh"
has_model() { [ -f "$1/config.json" ]; }
has_adapter() { [ -f "$1/adapter_config.json" ]; }
first_adapter() { for folder in "$@"; do has_adapter "$folder" && { echo "$folder"; return; }; done; true; }

llama=base_models/llama-7b-hf
linly=base_models/Linly-Chinese-LLaMA-7b-hf
contestants=()
if [ -n "${BASE_MODEL:-}" ] || has_model "$llama"; then
  base="${BASE_MODEL:-$llama}"
  meta_lora="${LORA_WEIGHTS:-$(first_adapter ./lora-llama-fin-ori-fb base_models/Fin-Alpaca-LoRA-7B-Meta ./runs/lora-llama-fin-v1)}"
  contestants+=(--contestant "基座=$base")
  [ "${meta_lora:-none}" != none ] && contestants+=(--contestant "基座+金融LoRA=$base+$meta_lora")
  if [ -z "${BASE_MODEL:-}" ] && has_model "$linly"; then
    linly_lora="$(first_adapter ./lora-llama-fin-Linly-zh base_models/Fin-Alpaca-LoRA-7B-Linly)"
    [ -n "$linly_lora" ] && contestants+=(--contestant "Linly+金融LoRA=$linly+$linly_lora")
  fi
else
  echo "base_models/llama-7b-hf 不在本地，改用随项目附带的小模型 nano（下载 7B：bash ./base_models/load.sh）" >&2
  lora="${LORA_WEIGHTS:-$(first_adapter ./runs/lora-llama-fin-v1 ./runs/quickstart/adapter)}"
  contestants+=(--contestant "基座=nano")
  if [ "${lora:-none}" != none ]; then
    contestants+=(--contestant "调优后=nano+$lora")
  else
    echo "还没有调优过的适配器，只有基座一列（先运行 bash scripts/quickstart.sh 或 ./scripts/finetune.sh）" >&2
  fi
fi
cornucopia compare \
  --questions "${QUESTIONS:-./instruction_data/infer.json}" \
  --output-dir "${OUTPUT_DIR:-./runs/comparison_test}" \
  --max-new-tokens 512 \
  "${contestants[@]}" \
  "$@"
