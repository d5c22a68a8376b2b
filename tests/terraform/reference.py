#!/usr/bin/env python3
"""Writes the tables of variables and outputs in terraform/README.md, or with --check checks that they are up to
date. Needs python-hcl2, which comes with Checkov."""

import json
import pathlib
import re
import sys

import hcl2

TERRAFORM = pathlib.Path(__file__).resolve().parents[2] / "terraform"
README = TERRAFORM / "README.md"


def blocks(file, kind):
    with open(TERRAFORM / file) as text:
        parsed = hcl2.load(text).get(kind, [])
    found = {name: body for block in parsed for name, body in block.items()}
    # Checkov's fork of hcl2 wraps every value in a list.
    return {name: {field: value[0] for field, value in body.items() if isinstance(value, list)} for name, body in sorted(found.items())}


def cell(text):
    return str(text).replace("|", "\\|").replace("\n", " ").strip()


def value(default):
    return f"`{json.dumps(default)}`"


def kind(text):
    return re.sub(r"^\$\{(.*)\}$", r"\1", str(text))


def variables():
    yield "| variable | is | type | default |"
    yield "|---|---|---|---|"
    for name, body in blocks("variables.tf", "variable").items():
        default = value(body["default"]) if "default" in body else "*required*"
        yield f"| `{name}` | {cell(body['description'])} | `{kind(body['type'])}` | {cell(default)} |"


def outputs():
    yield "| output | is |"
    yield "|---|---|"
    for name, body in blocks("outputs.tf", "output").items():
        secret = " Sensitive." if body.get("sensitive") else ""
        yield f"| `{name}` | {cell(body['description'])}{secret} |"


def with_tables(text):
    for mark, lines in {"variables": variables(), "outputs": outputs()}.items():
        begin, end = f"<!-- {mark}: generated -->", f"<!-- {mark}: end -->"
        before, rest = text.split(begin)
        _, after = rest.split(end)
        text = f"{before}{begin}\n" + "\n".join(lines) + f"\n{end}{after}"
    return text


def main():
    old = README.read_text()
    new = with_tables(old)
    if sys.argv[1:] == ["--check"]:
        if old != new:
            sys.exit("terraform/README.md is not up to date: run tests/terraform/reference.py")
        print("the tables of terraform/README.md are up to date")
    else:
        README.write_text(new)


if __name__ == "__main__":
    main()
