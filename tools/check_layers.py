#!/usr/bin/env python3
"""Checks every #include against the tables in docs/architecture.md, and the sizes of files.

check_layers.py [ROOT]: prints a line per violation; exit status 1 if there are any.
"""

import pathlib
import re
import sys

PROGRAMS = ("cli", "server")  # everything else in the table lies in easel/
PROOF = ("tests", "bench", "fuzz", "tools")
PRIVATE = {"backend/cpu": "easel/backend/devices.cpp", "backend/cuda": "easel/backend/devices.cpp"}
HEADERS = (".h", ".cuh")
SUFFIXES = (*HEADERS, ".cpp", ".cu")
HEADER_LINES, SOURCE_LINES = 150, 400
LONG_FILES = ()  # kept empty
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]', re.MULTILINE)


def read_table(text, heading):
    """The rows of the Markdown table with this first heading, as lists of the `quoted` words in each cell."""
    lines = text.splitlines()
    start = next((i for i, line in enumerate(lines) if line.startswith(f"| {heading} |")), None)
    if start is None:
        raise SystemExit(f"docs/architecture.md: there is no table with the heading '{heading}'")
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([re.findall(r"`([^`]+)`", cell) for cell in line.strip("|").split("|")])
    return rows


class Rules:
    def __init__(self, architecture):
        rows = read_table(architecture, "folder")
        self.allowed = {cells[0][0]: set(cells[1]) for cells in rows}
        self.wrapped = {header: set(cells[1]) for cells in read_table(architecture, "header") for header in cells[0]}

    def folder_of(self, path):
        """The table's name for the folder of a file such as easel/backend/cpu/conv.cpp; None if it has none."""
        parts = pathlib.PurePosixPath(path).parts
        if parts[0] in PROGRAMS:
            return parts[0]
        if parts[0] != "easel":
            return None
        for depth in (3, 2):
            folder = "/".join(parts[1:depth])
            if len(parts) > depth and folder in self.allowed:
                return folder
        return None


def check_own_include(rules, path, folder, included, errors):
    if included.split("/")[0] in PROOF:
        errors.append(f"{path}: includes {included}; nothing includes {'/, '.join(PROOF)}/")
        return
    target = rules.folder_of(included)
    if target is None:
        errors.append(f"{path}: includes \"{included}\", which is in no folder of docs/architecture.md")
    elif target == folder:
        return
    elif target in PRIVATE:
        if path != PRIVATE[target]:
            errors.append(f"{path}: includes {included}; {target}/ is private to {PRIVATE[target]}")
    elif target not in rules.allowed[folder]:
        errors.append(f"{path}: includes {included}; {folder}/ may include only: "
                      f"{', '.join(sorted(rules.allowed[folder])) or 'nothing'}")


def check_system_include(rules, path, folder, included, errors):
    prefix = next((name for name in rules.wrapped if included == name or
                   (included.startswith(name) and not name.endswith(".h"))), None)
    if prefix is None:
        if "." in included or "/" in included:
            errors.append(f"{path}: includes <{included}>, a library that docs/architecture.md does not name")
    elif not rules.wrapped[prefix] & {folder, path.removeprefix("easel/")}:
        errors.append(f"{path}: includes <{included}>, which only these may: "
                      f"{', '.join(sorted(rules.wrapped[prefix]))}")
    elif path.endswith(HEADERS) and prefix != "fmt/" and folder not in PRIVATE:
        errors.append(f"{path}: includes <{included}> in a header; only a .cpp may")


def check_size(path, text, errors):
    limit = HEADER_LINES if path.endswith(HEADERS) else SOURCE_LINES
    lines = text.count("\n")
    if lines > limit and path not in LONG_FILES:
        errors.append(f"{path}: {lines} lines, expected at most {limit}; split it by subject")


def find_cycle(graph):
    """A list of files that include each other in a circle, or None."""
    state = {}  # file -> "open" while on the current path, "done" afterwards

    def visit(node, path):
        state[node] = "open"
        for target in graph.get(node, ()):
            if state.get(target) == "open":
                return path[path.index(target) :] + [target]
            if target not in state:
                cycle = visit(target, path + [target])
                if cycle:
                    return cycle
        state[node] = "done"
        return None

    for node in graph:
        if node not in state:
            cycle = visit(node, [node])
            if cycle:
                return cycle
    return None


def check(root):
    rules = Rules((root / "docs/architecture.md").read_text(encoding="utf-8"))
    errors, graph = [], {}
    for top in ("easel", *PROGRAMS, *PROOF):
        for file in sorted((root / top).rglob("*")):
            if file.suffix not in SUFFIXES:
                continue
            path = file.relative_to(root).as_posix()
            text = file.read_text(encoding="utf-8")
            check_size(path, text, errors)
            includes = INCLUDE.findall(text)
            graph[path] = [name for quote, name in includes if quote == '"']
            if top in PROOF:
                continue
            folder = rules.folder_of(path)
            if folder is None:
                errors.append(f"{path}: its folder is not in docs/architecture.md")
                continue
            for quote, name in includes:
                report = check_own_include if quote == '"' else check_system_include
                report(rules, path, folder, name, errors)
    cycle = find_cycle(graph)
    if cycle:
        errors.append(f"{cycle[0]}: includes itself: {' -> '.join(cycle)}")
    return errors


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[1])
    errors = check(root)
    print("\n".join(errors) if errors else "layers: every include is allowed")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
