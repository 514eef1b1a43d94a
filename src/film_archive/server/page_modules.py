"""The page's modules, joined for sending: a slow connection pays for each request, and small files are packed badly.

On disk there are plain ES modules that a browser could load as they are. `joined` puts an entry module and all that it
imports into one module, each in a function of its own, in the order in which a browser would run them; a later entry
takes what an earlier one has from there, so that every module still runs once. Comments that have their lines for
themselves stay at home. It reads no more of JavaScript than these modules use: imports, exports and such comments at
the beginning of a line, in one of a few forms. What it does not know is an error when the server starts, never a page
that half works.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

_IMPORT = re.compile(r'^import (?:\* as (?P<whole>\w+)|\{ (?P<names>[\w ,]+?),? \}) from "\./(?P<module>[\w.]+)";$', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async function|function\*?|class|const) (?P<name>\w+)\b)", re.MULTILINE)
_COMMENT = re.compile(r"^ *(?://[^\n]*|/\*\*(?:[^*]|\*(?!/))*\*/)\n+", re.MULTILINE)
_REST = re.compile(r"^(?:import|export)\b.*$|\bimport\.meta\b", re.MULTILINE)


def joined(modules: Mapping[str, str], entries: Sequence[str]) -> dict[str, str]:
    """For each entry (a name among `modules`, name → text) the text of the module to be sent under its name.

    Raises ValueError, naming module and line, where one imports or exports in a form that is not known here, imports
    what is not there, or imports itself by way of others.
    """
    home: dict[str, str] = {}
    made = {}
    for entry in entries:
        order = [name for name in _in_order(modules, entry) if name not in home]
        home.update(dict.fromkeys(order, entry))
        inside = "".join(_wrapped(name, modules[name]) for name in order)
        needed = sorted({one for name in order for one in _imports(name, modules[name]) if home[one] != entry})
        imports = "".join(f'import {{ {_variable(one)} }} from "./{home[one]}";\n' for one in needed)
        exports = ", ".join(map(_variable, order))
        made[entry] = f"{imports}{inside}export {{ {exports} }};\n"
    return made


def _imports(name: str, text: str) -> Iterator[str]:
    for found in _IMPORT.finditer(text):
        yield found["module"]


def _in_order(modules: Mapping[str, str], entry: str) -> list[str]:
    order: list[str] = []

    def visit(name: str, above: tuple[str, ...]) -> None:
        if name in above:
            raise ValueError(f"{name} imports itself by way of {', '.join(above)}")
        if name not in order:
            if name not in modules:
                raise ValueError(f"{above[-1] if above else 'the page'} imports {name}, which is not there")
            for one in _imports(name, modules[name]):
                visit(one, (*above, name))
            order.append(name)

    visit(entry, ())
    return order


def _variable(name: str) -> str:
    return "$" + name.removesuffix(".js")


def _wrapped(name: str, text: str) -> str:
    """A module as a function that gives what the module exports."""
    exported = [found["name"] for found in _EXPORT.finditer(text)]
    body = _COMMENT.sub("", _EXPORT.sub("", _IMPORT.sub(_taken, text))).replace("\n\n", "\n")
    if rest := _REST.search(body):
        raise ValueError(f"{name} has {rest[0]!r}, in a form that is not known here")
    return f"const {_variable(name)} = (() => {{\n{body}return {{ {', '.join(exported)} }};\n}})();\n"


def _taken(found: re.Match[str]) -> str:
    source = _variable(found["module"])
    if found["whole"]:
        return f"const {found['whole']} = {source};"
    return f"const {{ {found['names'].replace(' as ', ': ')} }} = {source};"
