"""Times of arrival: computed by a routing engine for many trips at once, beside the fixes."""
