"""Measurements, as ratios of whole processes run side by side; `make bench` prints them."""
