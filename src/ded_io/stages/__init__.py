"""The stages of a plate ingest, each in its file; their names are those that scripts use."""

from ded_io.stages.base import PipelineStage as PipelineStage
from ded_io.stages.file_operations import CleanupStage as CleanupStage
from ded_io.stages.file_operations import ShotTreeOrganizationStage as ShotTreeOrganizationStage
from ded_io.stages.kitsu_integration import KitsuIntegrationStage as KitsuIntegrationStage
from ded_io.stages.oiio_transform import OIIOColorTransformStage as OIIOColorTransformStage
from ded_io.stages.preparation import PreparationStage as PreparationStage
from ded_io.stages.proxy_generation import BurnInProxyStage as BurnInProxyStage
from ded_io.stages.proxy_generation import ProxyGenerationStage as ProxyGenerationStage
from ded_io.stages.quality import QualityCheckStage as QualityCheckStage
from ded_io.stages.sony_conversion import SonyRawConversionStage as SonyRawConversionStage
