#!/usr/bin/env bash
# Explains a real failure from evidence that was saved on a real cluster (kubectl pullcheck domain1 --save ...).
set -u
cd "$(dirname "$0")"
echo '$ kubectl pullcheck -f examples/domain1-evidence.json --offline'
echo
kubectl-pullcheck -f domain1-evidence.json --offline "$@"
status=$?
echo
echo "(exit status $status: 1 means that an image is blocked)"
[ "$status" -eq 1 ]
