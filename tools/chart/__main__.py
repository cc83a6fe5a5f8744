"""`make chart`: lint, render every values file for every version, validate each object, hold the rules; then the tests.

python -m tools.chart            all of it
python -m tools.chart --write    write what is generated from values.yaml: the README's table
"""

import subprocess
import sys
from collections import Counter
from collections.abc import Sequence

import yaml

from tools.chart import alerts, policies, rules, table
from tools.chart.rendering import CHART, ROOT, VERSIONS, HelmError, Object, helm, render, values_files
from tools.chart.validating import problems

MORE_RULES = (
    policies.open_pods,
    policies.half_open,
    policies.dns_allowed,
    policies.unselected,
    alerts.without_runbook,
)


def check(objects: Sequence[Object]) -> list[str]:
    """What is wrong with a rendering, by our own rules."""
    return [problem for rule in (*rules.RULES, *MORE_RULES) for problem in rule(objects)]


def main(arguments: Sequence[str]) -> int:
    """Exit code: 0 when all is well."""
    if arguments == ["--write"]:
        table.write()
        return 0
    files, found, kinds = values_files(), [], Counter[str]()
    try:
        for file in files:
            helm("lint", "--strict", "--values", str(file), str(CHART))
            values = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
            for version in VERSIONS:
                objects = render(CHART, file, version=version)
                kinds.update(item["kind"] for item in objects)
                found += [f"{file.name}: {problem}" for problem in problems(objects, version)]
                found += [f"{file.name}: {problem}" for problem in check(objects)]
                found += [f"{file.name}: {problem}" for problem in policies.absent(objects, values)]
    except HelmError as error:
        found.append(str(error))
    found += table.stale()
    for problem in dict.fromkeys(found):
        print(problem)
    print(
        f"{len(files)} values files × Kubernetes {', '.join(VERSIONS)}: {kinds.total()} objects of {len(kinds)} kinds validated"
    )
    if found:
        return 1
    command = [sys.executable, "-m", "pytest", "-q", "-m", "not slow", str(ROOT / "tests/chart")]
    return subprocess.run(command, check=False, cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
