"""The HTML report, put together from what the other stages have written."""
