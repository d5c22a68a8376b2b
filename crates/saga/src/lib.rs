//! The step protocol of the saga: fences, error names, serving a step as a Lambda
