"""Application Auto Scaling: scalable targets of SageMaker and Comprehend, their policies, schedules, activities."""
