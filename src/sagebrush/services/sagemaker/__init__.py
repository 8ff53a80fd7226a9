"""Amazon SageMaker's control plane: training and, beside it, hosting."""
