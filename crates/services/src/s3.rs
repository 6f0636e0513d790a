//! An S3 server: HTTP, SigV4, files in a directory.
