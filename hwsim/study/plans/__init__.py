"""Exact answers for very many plans of one workload on one system."""

from hwsim.study.answers import NO_FORM
from hwsim.study.plans.answers import Bound, Plans, answers, bound
from hwsim.study.plans.rows import Column

__all__ = ["NO_FORM", "Bound", "Column", "Plans", "answers", "bound"]
