"""Measurements: of speed as ratios within one run, of the grader as agreement with others."""
