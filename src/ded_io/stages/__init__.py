"""The stages of a plate ingest, each in its file; their names are those that scripts use."""

from ded_io.stages.base import PipelineStage as PipelineStage
