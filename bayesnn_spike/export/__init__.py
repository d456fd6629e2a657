"""Trained networks as files that stand alone."""

from bayesnn_spike.export.artifact import ArtifactError as ArtifactError
from bayesnn_spike.export.artifact import ArtifactMeta as ArtifactMeta
from bayesnn_spike.export.artifact import load_artifact as load_artifact
from bayesnn_spike.export.artifact import save_artifact as save_artifact
from bayesnn_spike.export.network import build_network as build_network
