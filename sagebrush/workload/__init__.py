"""One program under /opt/ml, whoever runs it: a job, a model server, a notebook."""
