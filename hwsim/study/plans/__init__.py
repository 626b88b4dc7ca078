"""Exact answers for very many plans of one workload on one system."""

from hwsim.study.plans.answers import NO_FORM, answers

__all__ = ["NO_FORM", "answers"]
