"""The JSON reports: what each command prints when piped, and reads when piped into.

Every report carries its schema and version in `schema`, is validated when read, and records the
files it was made from by SHA-256. What was not measured is null, never zero.
"""

from splittool.reports.accuracy import ArmRecord as ArmRecord
from splittool.reports.accuracy import CompareReport as CompareReport
from splittool.reports.accuracy import ImageRecord as ImageRecord
from splittool.reports.accuracy import InferReport as InferReport
from splittool.reports.accuracy import ScoreRecord as ScoreRecord
from splittool.reports.base import FileRecord as FileRecord
from splittool.reports.base import Report as Report
from splittool.reports.base import file_record as file_record
from splittool.reports.base import versions as versions
from splittool.reports.costs import BitrateReport as BitrateReport
from splittool.reports.costs import BitrateRow as BitrateRow
from splittool.reports.costs import LayerRecord as LayerRecord
from splittool.reports.costs import ModelAnalyzerRecord as ModelAnalyzerRecord
from splittool.reports.costs import ProfileReport as ProfileReport
from splittool.reports.cuts import BakedRecord as BakedRecord
from splittool.reports.cuts import BlobRecord as BlobRecord
from splittool.reports.cuts import CalibratedRecord as CalibratedRecord
from splittool.reports.cuts import CalibratedTensorRecord as CalibratedTensorRecord
from splittool.reports.cuts import CalibrationReport as CalibrationReport
from splittool.reports.cuts import CutReport as CutReport
from splittool.reports.cuts import ExportReport as ExportReport
from splittool.reports.cuts import RefusedRecord as RefusedRecord
from splittool.reports.cuts import SearchRecord as SearchRecord
from splittool.reports.cuts import SplitRecord as SplitRecord
from splittool.reports.cuts import SplitsReport as SplitsReport
from splittool.reports.cuts import TensorRecord as TensorRecord
from splittool.reports.cuts import VerificationRecord as VerificationRecord
from splittool.reports.device import AssumptionRecord as AssumptionRecord
from splittool.reports.device import BenchReport as BenchReport
from splittool.reports.device import BenchSetReport as BenchSetReport
from splittool.reports.device import CheckRecord as CheckRecord
from splittool.reports.device import DoctorReport as DoctorReport
from splittool.reports.device import EstimateRecord as EstimateRecord
from splittool.reports.device import EstimateReport as EstimateReport
from splittool.reports.device import ReferenceRecord as ReferenceRecord
from splittool.reports.device import TemperatureRecord as TemperatureRecord
from splittool.reports.device import WindowRecord as WindowRecord
from splittool.reports.plan import HeadRateRecord as HeadRateRecord
from splittool.reports.plan import LimitsRecord as LimitsRecord
from splittool.reports.plan import PlanReport as PlanReport
from splittool.reports.plan import PlanRow as PlanRow
from splittool.reports.plan import PlotReport as PlotReport
from splittool.reports.plan import RateRecord as RateRecord
from splittool.reports.reading import AnyReport as AnyReport
from splittool.reports.reading import decode as decode
from splittool.reports.reading import decode_any as decode_any
from splittool.reports.reading import encode as encode
from splittool.reports.reading import read_report as read_report
from splittool.reports.training import SynthReport as SynthReport
from splittool.reports.training import TrainReport as TrainReport
