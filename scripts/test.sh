#!/usr/bin/env bash
# All checks, in a fresh clone too: install, lint, types, import contracts, tests. Needs no GPU and no internet but the package index.
EXTRAS=dev
. "$(dirname "$0")/setup.sh"
export HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false
ruff check .
ruff format --check .
mypy
lint-imports
python -m pytest -n logical --maxprocesses 4 --dist worksteal "$@"
