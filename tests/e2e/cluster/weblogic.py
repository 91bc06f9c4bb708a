"""The WebLogic resources of the test cluster."""

from __future__ import annotations

from pathlib import Path

import yaml

from .api import Api, ApiError

CRDS = Path(__file__).parent / "crds.yaml"
PATHS = ("/apis/weblogic.oracle/v8/domains", "/apis/weblogic.oracle/v9/domains", "/apis/weblogic.oracle/v1/clusters")


def install(api: Api) -> None:
    for crd in yaml.safe_load_all(CRDS.read_text()):
        api.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd)


def served(api: Api) -> bool:
    try:
        return all(api.get(path) for path in PATHS)
    except ApiError:
        return False
