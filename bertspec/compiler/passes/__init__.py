"""Each pass lowers one part of the specs to stages."""
