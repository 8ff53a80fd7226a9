"""Faults that a user switches on to test what their own code does then."""

from sagebrush.engines.injection.injection import Injection
from sagebrush.engines.injection.records import KINDS, Fault, FaultError, Kind, make_fault

__all__ = ["KINDS", "Fault", "FaultError", "Injection", "Kind", "make_fault"]
