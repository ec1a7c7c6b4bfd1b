#!/usr/bin/env python3
"""Checks the imports of crates: no circle among the files of a crate, and no module that imports from its parent.

usage: check_imports.py SRC...

Exits with 1 and one line for each violation. Re-exports are followed to the file that defines the item, so a
circle cannot hide behind a `mod.rs`. Unit tests do not count.
"""

import re
import sys
from pathlib import Path

Module = tuple[str, ...]


def find_modules(source: Path) -> dict[Module, str]:
    """Returns the source text of each module, without comments and unit tests."""
    modules = {}
    for path in source.rglob("*.rs"):
        parts = path.relative_to(source).with_suffix("").parts
        if parts == ("main",):
            continue
        name = parts[:-1] if parts[-1] in ("mod", "lib") else parts
        text = re.sub(r"#\[cfg\(test\)\]\nmod \w+ \{.*?\n\}\n", "", path.read_text(), flags=re.S)
        text = re.sub(r"//[^\n]*", "", text)
        modules[name] = re.sub(r"pub\(in [^)]*\)", "pub", text)
    return modules


def expand(tree: str) -> list[list[str]]:
    """Returns the paths of a `use` tree such as `a::{b, c::d}`."""
    match = re.match(r"^(.*?)\{(.*)\}$", tree.strip(), re.S)
    if not match:
        path = re.sub(r"\s+as\s+\w+$", "", tree.strip())
        return [[name.strip() for name in path.split("::") if name.strip()]]
    prefix = [name.strip() for name in match.group(1).split("::") if name.strip()]
    paths, depth, item = [], 0, ""
    for character in match.group(2) + ",":
        if character == "," and depth == 0:
            if item.strip():
                paths += [prefix + path for path in expand(item)]
            item = ""
            continue
        depth += (character == "{") - (character == "}")
        item += character
    return paths


class Imports:
    """The imports of all modules, as absolute paths."""

    def __init__(self, modules: dict[Module, str]) -> None:
        self.modules = modules
        self.paths: dict[Module, list[Module]] = {}
        self.reexports: dict[tuple[Module, str], Module] = {}
        for module, text in modules.items():
            self.paths[module] = []
            for use in re.finditer(r"(?:^|\n)\s*(pub(?:\([^)]*\))?\s+)?use\s+([^;]+);", text):
                for path in map(lambda path: self.absolute(module, path), expand(use.group(2))):
                    if path and use.group(1):
                        self.reexports[module, path[-1]] = path
                    # A parent re-exports what its children define.
                    if path and not (use.group(1) and path[: len(module)] == module):
                        self.paths[module].append(path)
            for inline in re.finditer(r"(?<![\w:])((?:crate|super)(?:::\w+)+)", text):
                path = self.absolute(module, inline.group(1).split("::"))
                if path:
                    self.paths[module].append(path)
        self.expand_globs()

    def absolute(self, module: Module, path: list[str]) -> Module | None:
        """Returns the absolute path; `None` for items of other crates."""
        if path[0] == "crate":
            return tuple(path[1:])
        if path[0] == "self":
            return module + tuple(path[1:])
        if path[0] == "super":
            depth = next((at for at, name in enumerate(path) if name != "super"), len(path))
            return module[: len(module) - depth] + tuple(path[depth:])
        return module + tuple(path) if (*module, path[0]) in self.modules else None

    def expand_globs(self) -> None:
        """Replaces each `use module::*` by the items that the module re-exports."""
        for paths in self.paths.values():
            for glob in [path for path in paths if path[-1:] == ("*",)]:
                paths.remove(glob)
                module = glob[:-1]
                names = [name for owner, name in self.reexports if owner == module]
                paths += [module] + [(*module, name) for name in names]

    def named_module(self, path: Module) -> Module:
        """Returns the module that a path names or looks into."""
        return next(path[:end] for end in range(len(path), -1, -1) if path[:end] in self.modules)

    def defining_module(self, path: Module) -> Module:
        """Returns the module that defines an item, beyond all re-exports."""
        seen = set()
        while True:
            module = self.named_module(path)
            key = (module, path[len(module)]) if len(path) > len(module) else None
            if key not in self.reexports or key in seen:
                return module
            seen.add(key)
            path = self.reexports[key] + path[len(module) + 1 :]

    def from_parents(self) -> list[str]:
        """Returns the imports of modules from a module that contains them."""
        found = set()
        for module, paths in self.paths.items():
            for path in paths:
                named = self.named_module(path)
                if named and len(named) < len(module) and module[: len(named)] == named:
                    found.add(f"{'::'.join(module)} imports {'::'.join(path)} from a module above it")
        return sorted(found)

    def circles(self) -> list[str]:
        """Returns the groups of modules that import each other (by Tarjan's algorithm)."""
        edges = {
            module: {self.defining_module(path) for path in paths} - {module}
            for module, paths in self.paths.items()
        }
        index, low, stack, circles = {}, {}, [], []

        def visit(module: Module) -> None:
            index[module] = low[module] = len(index)
            stack.append(module)
            for other in edges[module]:
                if other not in index:
                    visit(other)
                    low[module] = min(low[module], low[other])
                elif other in stack:
                    low[module] = min(low[module], index[other])
            if low[module] == index[module]:
                group = stack[stack.index(module) :]
                del stack[stack.index(module) :]
                if len(group) > 1:
                    names = sorted("::".join(name) or "crate" for name in group)
                    circles.append(f"these modules import each other: {', '.join(names)}")

        for module in edges:
            if module not in index:
                visit(module)
        return circles


def main() -> int:
    if len(sys.argv) < 2:
        print(__doc__.split("\n\n")[1], file=sys.stderr)
        return 2
    sys.setrecursionlimit(10_000)
    status = 0
    for source in sys.argv[1:]:
        modules = find_modules(Path(source))
        if () not in modules:
            print(f"{source} has no lib.rs", file=sys.stderr)
            return 2
        imports = Imports(modules)
        violations = imports.from_parents() + imports.circles()
        for violation in violations:
            print(f"{source}: {violation}", file=sys.stderr)
            status = 1
        print(f"{source}: {len(modules)} modules, {len(violations)} violations")
    return status


if __name__ == "__main__":
    sys.exit(main())
