"""What `dvc repro` would run, and why: DVC's own rules, without starting DVC."""
