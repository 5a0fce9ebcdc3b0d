"""Compares a report of Autobahn|Testsuite with the list of what is allowed; prints a summary. Usage: ALLOWED INDEX."""

import collections
import fnmatch
import json
import sys

FINE = ("OK", "INFORMATIONAL")


def main(allowed_path, index_path):
    with open(allowed_path) as file:
        lines = [line.split() for line in file if line.strip() and not line.startswith("#")]
    with open(index_path) as file:
        (results,) = json.load(file).values()
    problems, used = [], set()
    for case, result in sorted(results.items(), key=lambda item: [int(part) for part in item[0].split(".")]):
        ends = {result["behavior"], result["behaviorClose"]} - set(FINE)
        for end in ends:
            line = next(((name, ended) for name, ended in lines if ended == end and fnmatch.fnmatchcase(case, name)), None)
            if line:
                used.add(line)
            else:
                problems.append(f"{case}: {result['behavior']}, its closing handshake {result['behaviorClose']}")
    for name, end in lines:
        ran = any(fnmatch.fnmatchcase(case, name) for case in results)
        if ran and (name, end) not in used:
            problems.append(f"allowed.txt: {name} {end} holds no more: take it out")
    counts = collections.Counter(result["behavior"] for result in results.values())
    print(f"{len(results)} cases: " + ", ".join(f"{count} {end}" for end, count in counts.most_common()))
    print("\n".join(problems) if problems else "all as allowed")
    return 1 if problems or not results else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
