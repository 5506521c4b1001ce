#!/usr/bin/env bash
# All checks, in a fresh clone too: install, lint, types, import contracts, tests. Needs no GPU and no internet but the package index.
EXTRAS=dev
. "$(dirname "$0")/setup.sh"
export HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false
ruff check .
ruff format --check .
told="$(mktemp)"
trap 'rm -f "$told"' EXIT
{ mypy && lint-imports; } >"$told" 2>&1 & # one core's work: beside the tests, told after them
types=$!
failed=0
python -m pytest -n logical --maxprocesses 4 --dist worksteal "$@" || failed=$?
wait "$types" || failed=$?
cat "$told"
exit "$failed"
