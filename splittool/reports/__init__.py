"""The JSON reports: what each command prints when piped, and reads when piped into.

Every report carries its schema and version in `schema`, is validated when read, and records the
files it was made from by SHA-256. What was not measured is null, never zero.
"""

from splittool.reports.base import FileRecord as FileRecord
from splittool.reports.base import Report as Report
from splittool.reports.base import decode as decode
from splittool.reports.base import decode_any as decode_any
from splittool.reports.base import encode as encode
from splittool.reports.base import file_record as file_record
from splittool.reports.base import folder_record as folder_record
from splittool.reports.base import read_report as read_report
from splittool.reports.base import versions as versions
from splittool.reports.bench import AssumptionRecord as AssumptionRecord
from splittool.reports.bench import BenchReport as BenchReport
from splittool.reports.bench import BenchSetReport as BenchSetReport
from splittool.reports.bench import EstimateRecord as EstimateRecord
from splittool.reports.bench import EstimateReport as EstimateReport
from splittool.reports.bench import ReferenceRecord as ReferenceRecord
from splittool.reports.bench import TemperatureRecord as TemperatureRecord
from splittool.reports.bench import WindowRecord as WindowRecord
from splittool.reports.bitrate import BitrateReport as BitrateReport
from splittool.reports.bitrate import BitrateRow as BitrateRow
from splittool.reports.calibration import CalibratedRecord as CalibratedRecord
from splittool.reports.calibration import CalibratedTensorRecord as CalibratedTensorRecord
from splittool.reports.calibration import CalibrationReport as CalibrationReport
from splittool.reports.calibration import SearchRecord as SearchRecord
from splittool.reports.compare import ArmRecord as ArmRecord
from splittool.reports.compare import CompareReport as CompareReport
from splittool.reports.compare import EqualDiceRecord as EqualDiceRecord
from splittool.reports.cut import BakedRecord as BakedRecord
from splittool.reports.cut import CutReport as CutReport
from splittool.reports.cut import RefusedRecord as RefusedRecord
from splittool.reports.cut import SplitRecord as SplitRecord
from splittool.reports.cut import SplitsReport as SplitsReport
from splittool.reports.cut import TensorRecord as TensorRecord
from splittool.reports.cut import VerificationRecord as VerificationRecord
from splittool.reports.doctor import CheckRecord as CheckRecord
from splittool.reports.doctor import DoctorReport as DoctorReport
from splittool.reports.export import BlobRecord as BlobRecord
from splittool.reports.export import ExportReport as ExportReport
from splittool.reports.imports import ImportReport as ImportReport
from splittool.reports.infer import ImageRecord as ImageRecord
from splittool.reports.infer import InferReport as InferReport
from splittool.reports.infer import ScoreRecord as ScoreRecord
from splittool.reports.plan import HeadRateRecord as HeadRateRecord
from splittool.reports.plan import LimitsRecord as LimitsRecord
from splittool.reports.plan import PlanReport as PlanReport
from splittool.reports.plan import PlanRow as PlanRow
from splittool.reports.plan import RateRecord as RateRecord
from splittool.reports.plot import PlotReport as PlotReport
from splittool.reports.profiles import LayerRecord as LayerRecord
from splittool.reports.profiles import ModelAnalyzerRecord as ModelAnalyzerRecord
from splittool.reports.profiles import ProfileReport as ProfileReport
from splittool.reports.relay import RelayReport as RelayReport
from splittool.reports.send import SendReport as SendReport
from splittool.reports.serve import ServedRecord as ServedRecord
from splittool.reports.serve import ServeReport as ServeReport
from splittool.reports.synth import SynthReport as SynthReport
from splittool.reports.train import EpochRecord as EpochRecord
from splittool.reports.train import PartRecord as PartRecord
from splittool.reports.train import TrainingSettings as TrainingSettings
from splittool.reports.train import TrainReport as TrainReport
