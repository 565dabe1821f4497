"""The tests of the packages that we extend, run against our classes: `make conformance`."""
