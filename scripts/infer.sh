#!/usr/bin/env bash
# The original's batch inference script. Variables: BASE_MODEL LORA_WEIGHTS (none: no LoRA) DATA OUTPUT_DIR TEMPLATE;
# further flags go on to `cornucopia infer`.
. "$(dirname "$0")/setup.sh"
if [ -z "${BASE_MODEL:-}" ]; then
  if [ -f base_models/llama-7b-hf/config.json ]; then
    BASE_MODEL=base_models/llama-7b-hf
    adapters="runs/lora-llama-fin-v1 base_models/Fin-Alpaca-LoRA-7B-Meta base_models/lora-llama-fin-ori-fb"
  else
    BASE_MODEL=nano
    adapters="runs/lora-llama-fin-v1 runs/quickstart/adapter"
    echo "base_models/llama-7b-hf 不在本地，改用随项目附带的小模型 nano（下载 7B：bash ./base_models/load.sh）" >&2
  fi
  if [ -z "${LORA_WEIGHTS:-}" ]; then
    for folder in $adapters; do
      if [ -f "$folder/adapter_config.json" ]; then
        LORA_WEIGHTS="$folder"
        break
      fi
    done
  fi
fi
if [ "${LORA_WEIGHTS:-none}" = none ]; then
  lora=(--use_lora False)
else
  lora=(--use_lora True --lora_weights "$LORA_WEIGHTS")
fi
cornucopia infer \
  --base_model "$BASE_MODEL" \
  "${lora[@]}" \
  --instruct_dir "${DATA:-./instruction_data/infer.json}" \
  ${TEMPLATE:+--prompt_template "$TEMPLATE"} \
  --output_dir "${OUTPUT_DIR:-./runs/infer}" \
  --show \
  "$@"
