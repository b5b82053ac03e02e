"""One boto3 session of the whole run: it reads each of AWS's models once, which takes half a second."""

import boto3.session

SESSION = boto3.session.Session()
