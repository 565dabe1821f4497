"""Tests of times of arrival."""
