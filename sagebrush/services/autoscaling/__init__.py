"""Application Auto Scaling: scalable targets of SageMaker, their policies, schedules, activities."""
