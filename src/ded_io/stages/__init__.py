"""The stages of a plate ingest, each in its file; their names are those that scripts use."""

from ded_io.stages.base import PipelineStage as PipelineStage
from ded_io.stages.kitsu_integration import KitsuIntegrationStage as KitsuIntegrationStage
