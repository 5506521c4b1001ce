#!/usr/bin/env bash
# Build the bundled model from nothing with the project's own commands: bash recipes/nano/build.sh PUBLIC_DATA_FOLDER
# PUBLIC_DATA_FOLDER holds the public repositories that recipes/nano/corpus.py names. 60 to 90 minutes on 2 cores;
# run it again after an interruption and it goes on. The same seed, thread count and machine give the same file.
data="$(cd "${1:?用法：bash recipes/nano/build.sh 公开数据目录}" && pwd)"
. "$(dirname "$0")/../../scripts/setup.sh"
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-2}"
work=runs/nano
mkdir -p "$work"
[ -f "$work/corpus.jsonl" ] || python recipes/nano/corpus.py "$data" "$work/corpus.jsonl"
[ -f "$work/unseen.jsonl" ] || python recipes/nano/handbook.py handbook "$work/handbook.jsonl" "$work/unseen.jsonl"
[ -f "$work/facts.jsonl" ] || python recipes/nano/facts.py text "$work/facts.jsonl"
heavy=()
for _ in 1 2 3 4 5 6; do heavy+=("$work/handbook.jsonl" "$work/facts.jsonl"); done
[ -f "$work/init/config.json" ] || cornucopia models new "$work/init" \
  --text "$work/corpus.jsonl" "${heavy[@]}" --hidden-size 448 --num-hidden-layers 4 \
  --num-attention-heads 7 --num-key-value-heads 7 --intermediate-size 1184
for stage in index answers; do
  [ -f "$work/$stage.jsonl" ] || python recipes/nano/facts.py "$stage" "$work/init" "$work/$stage.jsonl"
  cornucopia train "recipes/nano/$stage.yaml" --resume
done
mkdir -p base_models/nano
for file in config.json generation_config.json model.safetensors tokenizer.json tokenizer_config.json; do
  cp "$work/answers/$file" base_models/nano/
done
echo "base_models/nano 已更新：$(cksum <base_models/nano/model.safetensors)" >&2
