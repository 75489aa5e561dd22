"""What has been built, built again in another place and compared."""
