"""Near duplicates as text-dedup's scripts do it with datasketch: character 5-grams, 128 permutations, LSH at 0.8, union
of the pairs found, without cleaning or redacting. Two processes hash, as `datasets.map(num_proc=2)` would.

    python datasketch_run.py IN.jsonl OUT.jsonl
"""

from __future__ import annotations

import json
import re
import sys
from multiprocessing import Pool
from pathlib import Path

from datasketch import MinHash, MinHashLSH

_MARKS = re.compile(r"[\W_]+")


def hashed(line: str) -> tuple[str, str, MinHash]:
    """(id, line, signature)."""
    row = json.loads(line)
    text = _MARKS.sub("", f"{row['instruction']}\n{row['output']}".lower())
    made = MinHash(num_perm=128)
    made.update_batch([gram.encode() for gram in {text[at : at + 5] for at in range(max(len(text) - 4, 1))}])
    return row["id"], line, made


def main() -> None:
    lsh = MinHashLSH(threshold=0.8, num_perm=128)
    parent: dict[str, str] = {}

    def top(name: str) -> str:
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    lines: dict[str, str] = {}
    with Path(sys.argv[1]).open(encoding="utf-8") as file, Pool(2) as pool:
        for name, line, made in pool.imap(hashed, file, chunksize=500):
            parent[name], lines[name] = name, line
            for other in lsh.query(made):
                parent[top(name)] = top(other)
            lsh.insert(name, made)
    with Path(sys.argv[2]).open("w", encoding="utf-8") as out:
        out.writelines(line for name, line in lines.items() if top(name) == name)


if __name__ == "__main__":
    main()
