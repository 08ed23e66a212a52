#!/usr/bin/env bash
# Checks the templates of deploy/ without an account: cfn-lint against Amazon's own schemas, then check.py, then the
# instances of cluster.yaml with a stub in place of report.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

python=$(tests/deploy/venv.sh)
export PYTHONDONTWRITEBYTECODE=1
cfn_lint=$(dirname "$python")/cfn-lint
"$cfn_lint" --include-checks I --non-zero-exit-code informational -- deploy/template.yaml deploy/cluster.yaml
echo "template: $("$cfn_lint" --version) found nothing"
"$python" tests/deploy/check.py
if command -v shellcheck >/dev/null; then
    shellcheck deploy/*.sh setup/deny.sh setup/jupyter.sh setup/kernel.sh tests/deploy/*.sh
    for user_data in template:LaunchTemplate cluster:PrincipalTemplate cluster:WorkerTemplate; do
        "$python" tests/deploy/cloudformation.py "deploy/${user_data%:*}.yaml" "${user_data#*:}" RunId=r1 | shellcheck -
    done
    echo "template: $(shellcheck --version | sed -n 's/^version: /shellcheck /p') found nothing in all scripts"
else
    python3 tests/skips.py shellcheck test-template "the scripts are not linted, there is no shellcheck: apt-get install shellcheck"
fi
if curl --aws-sigv4 aws:amz --version >/dev/null 2>&1; then
    "$python" tests/deploy/members.py
else
    python3 tests/skips.py curl test-template "the instances of cluster.yaml are not run, there is no curl that signs: apt-get install curl"
fi
