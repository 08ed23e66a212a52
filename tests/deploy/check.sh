#!/usr/bin/env bash
# Checks deploy/template.yaml without an account: cfn-lint against Amazon's own schemas, then check.py.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

python=$(tests/deploy/venv.sh)
export PYTHONDONTWRITEBYTECODE=1
cfn_lint=$(dirname "$python")/cfn-lint
"$cfn_lint" --include-checks I --non-zero-exit-code informational -- deploy/template.yaml
echo "template: $("$cfn_lint" --version) found nothing"
"$python" tests/deploy/check.py
if command -v shellcheck >/dev/null; then
    shellcheck deploy/*.sh setup/jupyter.sh setup/kernel.sh tests/deploy/*.sh
    "$python" tests/deploy/cloudformation.py deploy/template.yaml bucket RunId=r1 | shellcheck -
    echo "template: $(shellcheck --version | sed -n 's/^version: /shellcheck /p') found nothing in all scripts"
else
    echo "template: the scripts are not linted, there is no shellcheck: apt-get install shellcheck"
fi
