//! Sending JSON documents to SQS queues.
