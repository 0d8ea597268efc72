"""Manifests and the dashboard in examples/: what they say is what there is."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from splittool.cli.main import app

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
KUBERNETES = EXAMPLES / "kubernetes"
# What KServe adds to a pod's specification, of what is used here.
SCALING = {"minReplicas", "maxReplicas", "scaleMetric", "scaleTarget", "timeout"}


def documents(name: str) -> list[dict[str, Any]]:
    yaml = pytest.importorskip("yaml", reason="manifests are read by pyyaml, of the extra 'test'")
    return list(yaml.safe_load_all((KUBERNETES / name).read_text()))


def validate(document: dict[str, Any]) -> None:
    """Hold it against the newest schema of Kubernetes; unknown fields are refused."""
    checker = pytest.importorskip("kubernetes_validate", reason="pip install '.[kubernetes]'")
    checker.validate(document, checker.latest_version(), strict=True)


def pods() -> list[dict[str, Any]]:
    """The specifications of all pods."""
    found = []
    for path in sorted(KUBERNETES.glob("*.yaml")):
        for document in documents(path.name):
            if document["kind"] == "Deployment":
                found.append(document["spec"]["template"]["spec"])
            elif document["kind"] == "InferenceService":
                found.append(document["spec"]["predictor"])
    return found


@pytest.mark.parametrize("name", ["serve.yaml", "triton.yaml"])
def test_manifests_are_those_of_kubernetes(name: str) -> None:
    for document in documents(name):
        validate(document)


def test_kserve_runs_pods_of_kubernetes() -> None:
    for document in documents("kserve.yaml"):
        assert document["apiVersion"] == "serving.kserve.io/v1beta1"
        assert document["kind"] == "InferenceService"
        predictor = document["spec"]["predictor"]
        pod = {name: value for name, value in predictor.items() if name not in SCALING}
        validate({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": pod})


def test_a_field_that_there_is_not_is_refused() -> None:
    (deployment, *_) = documents("serve.yaml")
    deployment["spec"]["template"]["spec"]["containers"][0]["image_name"] = "x"
    with pytest.raises(Exception, match="image_name"):
        validate(deployment)


def test_servers_take_the_options_that_they_are_started_with() -> None:
    command = get_command(app).commands["serve"]  # type: ignore[attr-defined]
    started = [pod["containers"][0]["args"] for pod in pods()]
    ours = [args[1:] for args in started if args[0] == "serve"]
    assert len(ours) == 2
    for args in ours:
        given = command.make_context("serve", list(args), resilient_parsing=False).params
        assert given["host"] == "0.0.0.0"
        assert given["insecure"]  # what is in front of it ends TLS


def test_what_probes_and_services_call_is_listened_to() -> None:
    for pod in pods():
        (container,) = pod["containers"]
        open_ports = {port["containerPort"] for port in container["ports"]}
        said = {int(port) for arg in container["args"] for port in re.findall(r"port=(\d+)$", arg)}
        assert open_ports <= said
        names = {port["name"] for port in container["ports"]}
        probes = [value for name, value in container.items() if name.endswith("Probe")]
        for probe in probes:
            target = probe.get("grpc", probe.get("httpGet", {}))["port"]
            assert target in open_ports | names


def test_volumes_that_are_mounted_are_there() -> None:
    for pod in pods():
        mounted = {mount["name"] for mount in pod["containers"][0].get("volumeMounts", [])}
        assert mounted == {volume["name"] for volume in pod.get("volumes", [])}


def expressions(dashboard: dict[str, Any]) -> list[str]:
    return [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]


def test_the_dashboard_asks_for_metrics_that_the_server_has() -> None:
    pytest.importorskip("prometheus_client", reason="of the extra 'serve'")
    from prometheus_client import generate_latest

    from splittool.serving.models import Answered
    from splittool.serving.observation import Observer

    observer = Observer()
    observer.answered("cut", "1", (10, 5), Answered(b"", None, 1, 1.0, 2.0, 3.0), 4.0)
    observer.refused("cut", "1", "INVALID_ARGUMENT", "")
    observer.reloaded("cut", "1", None)
    text = generate_latest(observer.registry).decode()
    there = set(re.findall(r"^(splittool_\w+)", text, re.MULTILINE))
    labels = set(re.findall(r'[{,](\w+)="', text))
    stages = set(re.findall(r'stage="(\w+)"', text))
    dashboard = json.loads((EXAMPLES / "grafana.json").read_text())
    asked = expressions(dashboard)
    assert {name for each in asked for name in re.findall(r"splittool_\w+", each)} <= there
    for each in asked:
        assert set(re.findall(r"(\w+)(?:=~|!=|=)\"", each)) <= labels
        for by in re.findall(r"by \(([^)]*)\)", each):
            assert set(by.split(", ")) <= labels
        for chosen in re.findall(r'stage=~"([^"]*)"', each):
            assert set(chosen.split("|")) <= stages
    (source, model) = dashboard["templating"]["list"]
    assert (source["type"], model["query"]) == (
        "datasource",
        "label_values(splittool_requests_total, model)",
    )


def test_panels_of_the_dashboard_do_not_overlap() -> None:
    panels = json.loads((EXAMPLES / "grafana.json").read_text())["panels"]
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
    assert len(places) == len(panels) == len({panel["id"] for panel in panels})
    assert {panel["gridPos"]["w"] for panel in panels} == {12}
