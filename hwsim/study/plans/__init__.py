"""Exact answers for very many plans of one workload on one system."""

from hwsim.study.plans.answers import Plans, answers
from hwsim.study.plans.found import NO_FORM

__all__ = ["NO_FORM", "Plans", "answers"]
