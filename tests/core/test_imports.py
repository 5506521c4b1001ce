"""No two files import each other, however far round; heavy libraries wait until they are used."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import cornucopia

ROOT = Path(cornucopia.__file__).parent


def _name(path):
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(tree):
    """Names imported at run time: what stands under `if TYPE_CHECKING:` is left out."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        yield from _imports(node)


def _graph():
    files = {_name(path): path for path in ROOT.rglob("*.py")}
    graph = {}
    for name, path in files.items():
        used = _imports(ast.parse(path.read_text(encoding="utf-8")))
        graph[name] = {u if u in files else u.rpartition(".")[0] for u in used} & files.keys() - {name}
    return graph


def _circle(graph):
    """A list of files each of which imports the next and the last the first; [] when there is none."""
    done = set()

    def walk(name, path):
        if name in path:
            return path[path.index(name) :]
        if name in done:
            return []
        found = next((circle for other in sorted(graph[name]) if (circle := walk(other, [*path, name]))), [])
        done.add(name)
        return found

    return next((circle for name in sorted(graph) if (circle := walk(name, []))), [])


def test_a_circle_is_found():
    assert _circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c"]
    assert _circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_no_two_files_import_each_other():
    graph = _graph()
    assert len(graph) > 100 and graph["cornucopia.cli.train"]
    assert _circle(graph) == []


@pytest.mark.parametrize("module", ["cornucopia", "cornucopia.cli.main", "cornucopia.models.spec"])
def test_heavy_libraries_wait_until_they_are_used(module):
    heavy = ("torch", "transformers", "peft", "datasets", "matplotlib")
    code = f"import sys, {module}; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
