"""Exact answers for very many plans of one workload on one system."""

from hwsim.study.answers import NO_FORM
from hwsim.study.plans.answers import Bound, Plans, answers, bound

__all__ = ["NO_FORM", "Bound", "Plans", "answers", "bound"]
