# The AWS CLI, unmodified: S3, a training job's description, an error, a queue.
set -eu
aws s3 mb s3://cli-bucket
printf 'hello' >"$1/hello.txt"
aws s3 cp "$1/hello.txt" s3://cli-bucket/folder/hello.txt
aws s3 sync "$1" s3://cli-bucket/all/ --exclude '*' --include '*.txt'
[ "$(aws s3 cp s3://cli-bucket/folder/hello.txt -)" = hello ]
aws s3 ls s3://cli-bucket/ --recursive | grep -q folder/hello.txt
url=$(aws s3 presign s3://cli-bucket/folder/hello.txt)
[ "$(curl -s "$url" || python3 -c 'import sys,urllib.request as u;print(u.urlopen(sys.argv[1]).read().decode())' "$url")" = hello ]
[ "$(aws sts get-caller-identity --query Account --output text)" = 123456789012 ]
aws sagemaker list-training-jobs --output json >/dev/null
if aws sagemaker describe-endpoint --endpoint-name nobody 2>"$1/error"; then exit 1; fi
grep -q 'Could not find' "$1/error"
aws s3 rb s3://cli-bucket --force
queue=$(aws sqs create-queue --queue-name cli --query QueueUrl --output text)
aws sqs send-message --queue-url "$queue" --message-body hello >/dev/null
[ "$(aws sqs receive-message --queue-url "$queue" --query 'Messages[0].Body' --output text)" = hello ]
aws sqs delete-queue --queue-url "$queue"
echo "aws cli: all well"
