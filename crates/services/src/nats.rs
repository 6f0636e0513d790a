//! NATS servers with JetStream, one or a cluster of them.
