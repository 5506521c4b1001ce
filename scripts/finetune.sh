#!/usr/bin/env bash
# The original's fine-tuning script. Variables: BASE_MODEL DATA OUTPUT_DIR TEMPLATE MICRO_BATCH_SIZE BATCH_SIZE; further flags go on to `cornucopia train`.
. "$(dirname "$0")/setup.sh"
exp_tag="${EXP_TAG:-v1}"
if [ -z "${BASE_MODEL:-}" ]; then
  if [ -f base_models/llama-7b-hf/config.json ]; then
    BASE_MODEL=base_models/llama-7b-hf
  else
    echo "base_models/llama-7b-hf 不在本地，改用随项目附带的小模型 nano（下载 7B：bash ./base_models/load.sh）" >&2
    BASE_MODEL=nano
  fi
fi
cornucopia train \
  --base_model "$BASE_MODEL" \
  --data_path "${DATA:-./instruction_data/fin_data.json}" \
  --output_dir "${OUTPUT_DIR:-./runs/lora-llama-fin-$exp_tag}" \
  --prompt_template_name "${TEMPLATE:-fin_template}" \
  --micro_batch_size "${MICRO_BATCH_SIZE:-64}" \
  --batch_size "${BATCH_SIZE:-64}" \
  "$@"
