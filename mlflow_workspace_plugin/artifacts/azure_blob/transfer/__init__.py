"""Copying files to blobs, and blobs to files."""
