"""Local files as streams of records, cut into pieces that stay the same when others change."""
