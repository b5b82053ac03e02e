"""Amazon Comprehend: text analysis by models that run as endpoints and jobs of an account of their own."""
