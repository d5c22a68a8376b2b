#!/usr/bin/env python3
"""Adds one more step following the guide in ARCHITECTURE.md, and checks that every edit of the guide is needed.

    check.py --target DIR [--keep]

The step is `book-delivery`, in this folder. In a copy of the repository, the script adds its folder to the other
functions and makes every edit of the guide. Then it builds the copy, lints its definition, explores every single
fault of the orders that show the step at work, and compares the API with its description. After that it reverts each
edit: a check must fail, and its output must name the place. A check reports everything that it finds, so edits with
the same check are reverted together; an edit that the output does not name is then reverted alone before it counts as
not noticed.

DIR is a cargo target folder. The script works on a copy of it, so that only this repository is compiled.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
STEP = "book-delivery"
FOLDER = f"functions/{STEP}"
DEFINITION = "statemachine/order-saga.asl.json"


# --- The edits of the guide -------------------------------------------------------------------------


@dataclasses.dataclass
class Edit:
    """One edit: how it changes a file's text, and what which check says when it is missing."""

    name: str
    file: str
    change: object
    check: str
    says: str


def after(old, new):
    """Inserts `new` after the first `old`."""

    def change(text):
        assert old in text, f"{old!r} is not in the file any more"
        return text.replace(old, old + new, 1)

    return change


def states(change):
    """Changes the definition's states."""

    def change_text(text):
        definition = json.loads(text)
        change(definition["States"])
        return json.dumps(definition, indent=2)

    return change_text


def task_like(state, action, **changes):
    """A Task like `state` that asks the step's function for `action`."""
    task = json.loads(json.dumps(state))
    task["Comment"] = f"Asks for {action}."
    task["Arguments"]["FunctionName"] = "${BookDeliveryFunctionArn}"
    task["Arguments"]["Payload"]["action"] = action
    return {**task, **changes}


def add_action(states):
    assign = {"delivery": "{% $states.result.Payload %}"}
    book = task_like(states["PostAccounting"], "book", Assign=assign, Next="ConfirmOrder")
    final = book["Retry"][0]["ErrorEquals"]
    book["Retry"][0]["ErrorEquals"] = ["NoDelivery", *(error for error in final if error in FINAL_ERRORS)]
    states["BookDelivery"] = book
    # After the payment, as its position says, and for orders without one too.
    states["CapturePayment"]["Next"] = "BookDelivery"
    states["CheckPayment"]["Default"] = "BookDelivery"


FINAL_ERRORS = ["SagaCancelled", "OtherContent", "AlreadyConsumed", "NotApplied", "InvalidOrder", "InvalidOutput"]


# The kinds of order that pass the step's action, its compensation and its consumption. The others are explored without it.
KINDS = ["prepaid", "cancelled", "fulfilled", "no-delivery"]


def add_receipt(states):
    payload = states["ConfirmOrder"]["Arguments"]["Payload"]
    change = after("'post-accounting': $posting", f", '{STEP}': $delivery")
    payload["receipts"] = change(payload["receipts"])


def add_branch(parallel, like, names, action):
    """A copy of the first branch, which is that of the step `like`, with other names of states."""
    text = json.dumps(parallel["Branches"][0]).replace(f"'{like}'", f"'{STEP}'")
    for old, new in names.items():
        text = text.replace(old, new)
    branch = json.loads(text)
    task = branch["StartAt"]
    branch["States"][task] = task_like(branch["States"][task], action)
    parallel["Branches"].append(branch)


def add_compensation(states):
    names = {"ReverseAccounting": "CancelDelivery", "LeaveAccounting": "LeaveDelivery"}
    add_branch(states["RollBack"], "post-accounting", names, "cancel")


def add_consumption(states):
    names = {"ConsumeInventory": "DispatchDelivery", "KeepStock": "KeepDelivery"}
    add_branch(states["HandOver"], "reserve-inventory", names, "dispatch")


EDITS = [
    Edit("the action's state", DEFINITION, states(add_action), "definition", "delivery"),
    Edit("the action's receipt", DEFINITION, states(add_receipt), "definition", "missing: book-delivery"),
    Edit("the compensation's branch", DEFINITION, states(add_compensation), "definition", "book-delivery cancel"),
    Edit("the consumption's branch", DEFINITION, states(add_consumption), "definition", "missing: book-delivery"),
    Edit(
        "the dependency",
        "local/stack/Cargo.toml",
        after("[dependencies]\n", f'{STEP} = {{ path = "../../{FOLDER}" }}\n'),
        "build",
        "book_delivery",
    ),
    Edit(
        "the handler",
        "local/stack/src/functions.rs",
        after(
            '        step("post-accounting", PostAccounting::new(client(), journal::table::TABLE), client(), clock),\n',
            '        step("book-delivery", book_delivery::BookDelivery::new("deliveries"), client(), clock),\n',
        ),
        "lint",
        "local/stack/src/functions.rs: has no handler for book-delivery",
    ),
    Edit("the reason in the API's description", "openapi.yaml", after("        - CURRENCY_MISMATCH\n", "        - NO_DELIVERY\n"), "api", "NO_DELIVERY"),
    Edit(
        "the problem in the API's description",
        "openapi.yaml",
        after(
            "        - urn:order-saga:problem:currency-mismatch\n",
            "        - urn:order-saga:problem:no-delivery\n",
        ),
        "api",
        "no-delivery",
    ),
    Edit(
        "the problem in the answers of POST /orders",
        "openapi.yaml",
        after("                - currency-mismatch\n", "                - no-delivery\n"),
        "api",
        "no-delivery",
    ),
    Edit(
        "the timeline in the API's description",
        "openapi.yaml",
        after(
            "            - INVENTORY_RELEASED\n",
            "            - DELIVERY_BOOKED\n            - DELIVERY_CANCELLED\n            - DELIVERY_DISPATCHED\n",
        ),
        "api",
        "DELIVERY_BOOKED",
    ),
    Edit(
        "the order that the step refuses",
        "local/explorer/src/kinds.rs",
        after(
            "const REFUSED: &[RefusedKind] = &[\n",
            "    RefusedKind {\n"
            '        name: "no-delivery",\n'
            '        by: "book-delivery",\n'
            '        body: r#"{"customerId": "buyer", "countyId": "island", "totalAmount": 5, "items": [\n'
            '            {"productId": "A", "quantity": 1, "price": 5}]}"#,\n'
            "    },\n",
        ),
        "explorer",
        "local/explorer/src/kinds.rs",
    ),
]

def without(value, *path):
    inner = value
    for name in path[:-1]:
        inner = inner[name]
    del inner[path[-1]]
    return value


# Parts of the step's own folder that are as easily forgotten; None is the whole file.
PARTS = [
    Edit("the declaration", f"{FOLDER}/function.json", None, "build", f"{FOLDER}: the function has no function.json"),
    Edit("the table", f"{FOLDER}/table.json", None, "lint", f"{FOLDER}/function.json: the fence is in the table deliveries"),
    Edit(
        "a declared refusal",
        f"{FOLDER}/function.json",
        lambda text: json.dumps(without(json.loads(text), "step", "refusals", "NoDelivery")),
        "lint",
        f"{FOLDER}/function.json: declares the refusals",
    ),
    Edit(
        "the use of its table",
        f"{FOLDER}/function.json",
        lambda text: json.dumps(without(json.loads(text), "uses", "tables", "deliveries")),
        "lint",
        f"{FOLDER}/function.json: uses.tables lacks deliveries",
    ),
    Edit(
        "a place among the steps",
        f"{FOLDER}/function.json",
        lambda text: text.replace('"position": 40', '"position": 20'),
        "lint",
        "the position 20 is declared by",
    ),
]

REMOVALS = [*EDITS, *PARTS]


# --- The checks -------------------------------------------------------------------------------------


class Copy:
    def __init__(self, root, target):
        self.root, self.target = root, target

    def run(self, *command):
        environment = {"CARGO_TARGET_DIR": str(self.target), "CARGO_TERM_COLOR": "never", "CARGO_INCREMENTAL": "1"}
        done = subprocess.run(command, cwd=self.root, env={**os.environ, **environment}, text=True, capture_output=True)
        return done.returncode, done.stdout + done.stderr

    # `--workspace` everywhere: for a single package, cargo would choose other features and compile the SDK again.
    def build(self):
        return self.run("cargo", "build", "--quiet", "--offline", "--workspace", "--bin", "order-saga")

    def saga(self, *arguments):
        code, said = self.build()
        return (code, said) if code else self.run(str(self.target / "debug/order-saga"), *arguments)

    def lint(self):
        return self.saga("lint")

    def lint_definition(self):
        """The lint as it is built, on the definition as it stands: no build."""
        return self.run(str(self.target / "debug/order-saga"), "lint", str(self.root / DEFINITION))

    def test(self, name, *filters):
        return self.run("cargo", "test", "--quiet", "--offline", "--workspace", "--test", name, "--", *filters)

    def check(self, name):
        return {
            "build": self.build,
            "lint": self.lint,
            "definition": self.lint_definition,
            "api": lambda: self.test("openapi", "the_description"),
            "explorer": lambda: self.test("explorer", "every_step_refuses_some_kind_of_order"),
        }[name]()


def copy_repository(destination):
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, text=True, capture_output=True, check=True
    )
    for name in listed.stdout.splitlines():
        source = ROOT / name
        # Copied with a new modification time, so that cargo does not reuse the copied target's crates for these.
        if source.is_file():
            (destination / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, destination / name)
            shutil.copymode(source, destination / name)


def copy_target(source, destination):
    for part in ["deps", "build", ".fingerprint"]:
        (destination / "debug").mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-a", "--reflink=auto", source / "debug" / part, destination / "debug"], check=True)


def apply(root, removed=()):
    """Makes every edit except these, on the files as they are in the repository."""
    for file in sorted({edit.file for edit in EDITS}):
        text = (ROOT / file).read_text()
        for edit in EDITS:
            if edit.file == file and edit not in removed:
                text = edit.change(text)
        write(root / file, text)
    for source in (HERE / STEP).rglob("*"):
        if source.is_file():
            path = f"{FOLDER}/{source.relative_to(HERE / STEP)}"
            text = source.read_text()
            changes = [part.change for part in removed if part.file == path]
            if None in changes:
                (root / path).unlink()
                continue
            for change in changes:
                text = change(text)
            write(root / path, text)


def together(removals):
    """The removals grouped by their check; two with the same message are in different groups."""
    groups = []
    for removal in removals:
        for group in groups:
            if group[0].check == removal.check and all(other.says != removal.says for other in group):
                group.append(removal)
                break
        else:
            groups.append([removal])
    return groups


def miss(copy, removals, started):
    """Reverts these edits and returns what is wrong with their check: it must fail and name each."""
    apply(copy.root, removals)
    code, said = copy.check(removals[0].check)
    noticed = [removal for removal in removals if code != 0 and removal.says in said]
    for removal in noticed:
        say(started, f"without {removal.name}: noticed")
    rest = [removal for removal in removals if removal not in noticed]
    apply(copy.root)
    if len(removals) > 1:
        return [failure for removal in rest for failure in miss(copy, [removal], started)]
    for removal in rest:
        say(started, f"without {removal.name}: NOT NOTICED")
    return [
        f"without {removal.name}, {removal.check} should fail and say {removal.says!r}; it ended with {code}:\n{said[-3000:]}"
        for removal in rest
    ]


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def say(started, text):
    print(f"-- {text} ({time.monotonic() - started:.0f} s)", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", required=True, type=pathlib.Path)
    parser.add_argument("--keep", action="store_true", help="keep the copy, and print its path")
    arguments = parser.parse_args()
    started = time.monotonic()
    work = pathlib.Path(tempfile.mkdtemp(prefix="fourth-step-"))
    failed = []
    try:
        copy = Copy(work / "copy", work / "target")
        copy_repository(copy.root)
        copy_target(arguments.target.resolve(), copy.target)
        apply(copy.root)
        existing = sorted({edit.file for edit in EDITS} - {DEFINITION})
        say(started, f"{STEP} added: its folder, its states, and edits of {len(existing)} files: {', '.join(existing)}")
        if len(existing) > 5:
            failed.append(f"the guide changes {len(existing)} files; the limit is five")

        for what, (code, said) in [
            ("the definition is linted", copy.lint()),
            *((f"every single fault of {kind} orders is explored", copy.saga("explore", "--kind", kind)) for kind in KINDS),
            ("the API matches its description", copy.check("api")),
            ("an order that it refuses is explored", copy.check("explorer")),
        ]:
            say(started, f"{what}: {'yes' if code == 0 else 'NO'}")
            if code != 0:
                failed.append(f"{what}: no\n{said[-4000:]}")
        if not failed:
            explored = copy.run(str(copy.target / "debug/order-saga"), "explore", "--json", "--kind", "no-delivery")[1]
            counts, _ = json.JSONDecoder().raw_decode(explored[explored.index("{") :])
            runs = sum(fault["run"] for kind in counts["kinds"] for fault in kind["faults"])
            say(started, f"including {runs} schedules of an order that {STEP} refuses")

        for removals in [] if failed else together(REMOVALS):
            failed += miss(copy, removals, started)
    finally:
        if arguments.keep:
            print(f"the copy is in {work}")
        else:
            shutil.rmtree(work, ignore_errors=True)
    for failure in failed:
        print(failure)
    if failed:
        sys.exit(1)
    print(f"{len(REMOVALS)} edits, each noticed when it is missing")


if __name__ == "__main__":
    main()
