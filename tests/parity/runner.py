"""Runs the cases against Tornado and against Whimbrel and compares the transcripts.

    runner.py --tornado                                  the table against Tornado alone
    runner.py --whimbrel plain=HOST:PORT settings=HOST:PORT

Exit code: 0 when the two agree but for differences.toml, 1 otherwise.
"""

import argparse
import asyncio
import contextlib
import difflib
import pathlib
import sys
import tomllib
import traceback
from collections.abc import AsyncIterator, Iterable

from cases import CASES, ROWS
from client import Client
from steps import Case

HERE = pathlib.Path(__file__).parent
AT_ONCE = 32
CASE_DEADLINE = 40.0
Transcripts = dict[str, list[str]]
# What only the first server says, and what only the second one says.
Difference = tuple[list[str], list[str]]


async def main() -> int:
    options = parse_arguments()
    cases = [case for case in CASES if not options.only or case.name.startswith(tuple(options.only))]
    cases = [case for case in cases if case.name not in options.skip]
    listed = read_differences()
    problems = check_table(listed)
    async with tornado() as addresses:
        reference = await transcripts(cases, addresses)
        problems += failures("tornado", reference)
    if options.verbose:
        print_transcripts(cases, reference)
    if options.whimbrel:
        addresses = dict(pair.split("=", 1) for pair in options.whimbrel)
        ours = await transcripts(cases, addresses)
        if options.verbose:
            print_transcripts(cases, ours)
        problems += compare(cases, reference, ours, listed["difference"])
    else:
        problems += check_reference(cases, reference, listed["difference"])
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{len(cases)} cases, {len(listed['difference'])} listed differences, {len(problems)} problems")
    return 1 if problems else 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--tornado", action="store_true", help="run against Tornado alone")
    which.add_argument("--whimbrel", nargs=2, metavar="NAME=HOST:PORT", help="the hosts to compare with")
    parser.add_argument("--only", nargs="+", metavar="CASE", help="cases whose names start like this")
    parser.add_argument("--skip", nargs="*", metavar="CASE", default=[], help="cases to leave out")
    parser.add_argument("--verbose", action="store_true", help="print the transcripts")
    return parser.parse_args()


def read_differences() -> dict:
    """With one entry per case, where the file has a list of cases that differ alike."""
    listed = tomllib.loads((HERE / "differences.toml").read_text())
    listed["difference"] = [entry | {"case": case} for entry in listed["difference"] for case in entry["cases"]]
    return listed


@contextlib.asynccontextmanager
async def tornado() -> AsyncIterator[dict[str, str]]:
    """Tornado for as long as the context lasts; yields its addresses."""
    pipe = asyncio.subprocess.PIPE
    server = await asyncio.create_subprocess_exec(
        sys.executable, str(HERE / "tornado_server.py"), stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(20):
            line = (await server.stdout.readline()).decode()
        yield {name: f"127.0.0.1:{port}" for name, port in (pair.split("=") for pair in line.split())}
    finally:
        server.kill()
        await server.wait()


async def transcripts(cases: list[Case], addresses: dict[str, str]) -> Transcripts:
    """Of all cases: several at once, then one by one those that want to be alone."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def gated(case: Case) -> list[str]:
        async with gate:
            return await transcript(case, addresses)

    shared = [case for case in cases if not case.alone]
    found = dict(zip([case.name for case in shared], await asyncio.gather(*map(gated, shared)), strict=True))
    for case in cases:
        if case.alone:
            found[case.name] = await transcript(case, addresses)
    return found


async def transcript(case: Case, addresses: dict[str, str]) -> list[str]:
    client = Client(addresses, case.name)
    try:
        async with asyncio.timeout(CASE_DEADLINE):
            for step in case.steps:
                if not client.is_refused:
                    await step(client)
            await client.finish(expects_close=case.expects_close)
    except Exception as error:  # whatever it is, it belongs to this case alone
        client.note(f"FAILED {error!r} {traceback.extract_tb(error.__traceback__)[-1]}")
    return client.transcript


def failures(server: str, found: Transcripts) -> list[str]:
    """Of the suite itself, not of a server."""
    return [
        f"{name} on {server}: {line}" for name, lines in found.items() for line in lines if line.startswith("FAILED")
    ]


def check_table(listed: dict) -> list[str]:
    """Every row has a case or a reason; every listed name exists; no name is used twice."""
    names = [case.name for case in CASES]
    covered = {case.row for case in CASES} | set(listed["not_tested"])
    problems = [f"{row}: neither a case nor a reason in [not_tested]" for row in ROWS if row not in covered]
    problems += [f"{name}: used twice" for name in sorted(set(names)) if names.count(name) > 1]
    listed_names = [difference["case"] for difference in listed["difference"]]
    problems += [f"{name}: listed as a difference, but not a case" for name in listed_names if name not in names]
    problems += [f"{name}: listed twice" for name in sorted(set(listed_names)) if listed_names.count(name) > 1]
    problems += [
        f"{row}: has cases, and a reason in [not_tested]"
        for row in listed["not_tested"]
        if row in {c.row for c in CASES}
    ]
    return problems


def check_reference(cases: list[Case], reference: Transcripts, listed: list[dict]) -> list[str]:
    """What is listed as said by Tornado is said by Tornado."""
    names = {case.name for case in cases}
    return [
        f"{difference['case']}: Tornado does not say {line!r} any more"
        for difference in listed
        if difference["case"] in names
        for line in difference["tornado"]
        if line not in reference[difference["case"]]
    ]


def compare(cases: Iterable[Case], reference: Transcripts, ours: Transcripts, listed: list[dict]) -> list[str]:
    intended = {difference["case"]: (difference["tornado"], difference["whimbrel"]) for difference in listed}
    problems = []
    for case in cases:
        found = difference_of(reference[case.name], ours[case.name])
        if found == intended.get(case.name, ([], [])):
            continue
        what = "is listed, but does not appear any more" if found == ([], []) else "is not the listed one"
        problems.append(
            f"# {case.name}, {case.title}: this difference {what if case.name in intended else 'is not listed'}\n"
            f"{as_toml(case.name, found)}\n# transcripts: Tornado, then Whimbrel\n"
            + "\n".join(f"#   {line}" for line in [*reference[case.name], "-----", *ours[case.name]])
            + "\n"
        )
    return problems


def difference_of(reference: list[str], ours: list[str]) -> Difference:
    lines = list(difflib.ndiff(reference, ours))
    return [line[2:] for line in lines if line[0] == "-"], [line[2:] for line in lines if line[0] == "+"]


def as_toml(name: str, difference: Difference) -> str:
    """An entry to put into differences.toml, once it is intended."""
    tornado_says, whimbrel_says = difference
    lists = f"tornado = {quoted(tornado_says)}\nwhimbrel = {quoted(whimbrel_says)}"
    return f'[[difference]]\ncases = ["{name}"]\n{lists}\nreason = ""'


def quoted(lines: list[str]) -> str:
    return "[" + ", ".join(f"'{line}'" for line in lines) + "]"


def print_transcripts(cases: list[Case], found: Transcripts) -> None:
    for case in cases:
        print(f"{case.name} {case.title}")
        for line in found[case.name]:
            print(f"    {line}")


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
