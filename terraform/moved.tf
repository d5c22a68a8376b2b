# Former addresses of resources, so that an upgrade of a deployed stack keeps them.

moved {
  from = aws_lambda_event_source_mapping.overflow
  to   = aws_lambda_event_source_mapping.this["overflow"]
}

moved {
  from = aws_lambda_function_event_invoke_config.recover_orders
  to   = aws_lambda_function_event_invoke_config.schedule["recover-orders"]
}

moved {
  from = aws_scheduler_schedule.recovery
  to   = aws_scheduler_schedule.this["recover-orders"]
}
