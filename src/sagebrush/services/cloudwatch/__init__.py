"""CloudWatch metrics: data in, statistics and metric mathematics out."""
