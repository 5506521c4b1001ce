#!/usr/bin/env bash
# The main job on the bundled model: tune it on the bundled data, answer held-out questions with base and tuned, report.
# Interrupted? bash scripts/quickstart.sh --resume
. "$(dirname "$0")/setup.sh"
echo "聚宝盆：在随项目附带的小模型上走一遍主流程（两步，两核 CPU 约两到五分钟，首次另要约一分钟安装）" >&2
echo "第 1 步，共 2 步：用 instruction_data/fin_data.json 微调" >&2
cornucopia train recipes/quickstart.yaml "${@:---overwrite}"
echo "第 2 步，共 2 步：调优前后回答 instruction_data/infer.json 里没见过的问题" >&2
cornucopia compare recipes/quickstart-compare.yaml
cat >&2 <<'TEXT'
接下来：
  看报告      用浏览器打开 runs/quickstart/report.html
  聊几句      .venv/bin/cornucopia chat -m nano --adapter runs/quickstart/adapter
  用自己的数据  DATA=我的数据.json ./scripts/finetune.sh
  换真正的模型  bash ./base_models/load.sh，或 .venv/bin/cornucopia models list --all
TEXT
