"""What a template of deploy/ is held to, and what all of them have in common: who may do what in the buckets."""

from dataclasses import dataclass

from iam import ALLOWED, DENIED, NOT_ALLOWED

# Where nothing may be.
ABSENT = None

KEY = "arn:aws:kms:eu-west-3:111122223333:key/11111111-2222-3333-4444-555555555555"
INPUT_KEY = "arn:aws:kms:eu-west-3:444455556666:key/99999999-8888-7777-6666-555555555555"
PHOTOS_ELSEWHERE = {"InputBucket": "photos", "InputPrefix": "fruits 360/Training/", "InputKmsKeyArn": INPUT_KEY}

BUCKET, PHOTOS, FOREIGN = "arn:aws:s3:::fruits-bucket", "arn:aws:s3:::photos", "arn:aws:s3:::somebody-elses"


def listing(prefix):
    return {"s3:prefix": prefix}


def through(service, encrypted):
    return {"kms:ViaService": f"{service}.eu-west-3.amazonaws.com", "kms:EncryptionContext:aws:s3:arn": encrypted}


# What the role of an instance may do with the images in the bucket of its results: decision, action, resource, context.
CALLS = [
    # Images: list and read them, and nothing beside them.
    (ALLOWED, "s3:ListBucket", BUCKET, listing("input/")),
    (ALLOWED, "s3:ListBucket", BUCKET, listing("input/Apple/")),
    (ALLOWED, "s3:GetObject", f"{BUCKET}/input/Apple/1.jpg", {}),
    (NOT_ALLOWED, "s3:ListBucket", BUCKET, {}),
    (NOT_ALLOWED, "s3:ListBucket", BUCKET, listing("")),
    (NOT_ALLOWED, "s3:ListBucket", BUCKET, listing("inp")),
    (NOT_ALLOWED, "s3:ListBucket", BUCKET, listing("private/")),
    (NOT_ALLOWED, "s3:ListBucketVersions", BUCKET, listing("input/")),
    (NOT_ALLOWED, "s3:GetObject", f"{BUCKET}/private/1.jpg", {}),
    (NOT_ALLOWED, "s3:GetObject", f"{BUCKET}/input", {}),
    (NOT_ALLOWED, "s3:GetObjectVersion", f"{BUCKET}/input/Apple/1.jpg", {}),
    (NOT_ALLOWED, "s3:PutObject", f"{BUCKET}/input/Apple/1.jpg", {}),
    (NOT_ALLOWED, "s3:DeleteObject", f"{BUCKET}/input/Apple/1.jpg", {}),
    # Descriptors: everything a cache needs.
    (ALLOWED, "s3:ListBucket", BUCKET, listing("cache/features/")),
    (ALLOWED, "s3:GetObject", f"{BUCKET}/cache/features/0/shard-00000.json", {}),
    (ALLOWED, "s3:PutObject", f"{BUCKET}/cache/features/0/shard-00000.json", {}),
    (ALLOWED, "s3:DeleteObject", f"{BUCKET}/cache/features/0/shard-00000.json", {}),
    (NOT_ALLOWED, "s3:ListBucketVersions", BUCKET, listing("cache/")),
    (NOT_ALLOWED, "s3:DeleteObjectVersion", f"{BUCKET}/cache/features/0/shard-00000.json", {}),
    # Reports: write and replace.
    (ALLOWED, "s3:PutObject", f"{BUCKET}/reports/r1/index.html", {}),
    (ALLOWED, "s3:DeleteObject", f"{BUCKET}/reports/r1/run.json", {}),
    (NOT_ALLOWED, "s3:GetObject", f"{BUCKET}/reports/r1/run.json", {}),
    (ALLOWED, "s3:GetObject", f"{BUCKET}/reports/r1/.fruits-lock", {}),
    (NOT_ALLOWED, "s3:PutObjectAcl", f"{BUCKET}/reports/r1/.fruits-lock", {}),
    (NOT_ALLOWED, "s3:PutObject", f"{BUCKET}/reports/r0/index.html", {}),
    (NOT_ALLOWED, "s3:DeleteObject", f"{BUCKET}/reports/r0/run.json", {}),
    (NOT_ALLOWED, "s3:PutObject", f"{BUCKET}/logs/r0/report.log", {}),
    (NOT_ALLOWED, "s3:ListBucket", BUCKET, listing("reports/")),
    (NOT_ALLOWED, "s3:PutObjectAcl", f"{BUCKET}/reports/r1/index.html", {}),
    # The program: read this one object.
    (ALLOWED, "s3:GetObject", f"{BUCKET}/dist/fruits.tar.gz", {}),
    (NOT_ALLOWED, "s3:GetObject", f"{BUCKET}/dist/other.tar.gz", {}),
    (NOT_ALLOWED, "s3:PutObject", f"{BUCKET}/dist/fruits.tar.gz", {}),
    # Logs: write; what is written cannot be read or removed by the instance.
    (ALLOWED, "s3:PutObject", f"{BUCKET}/logs/r1/report.log", {}),
    (NOT_ALLOWED, "s3:GetObject", f"{BUCKET}/logs/r1/report.log", {}),
    (NOT_ALLOWED, "s3:DeleteObject", f"{BUCKET}/logs/r1/report.log", {}),
    # The bucket itself: nothing.
    (NOT_ALLOWED, "s3:PutBucketPolicy", BUCKET, {}),
    (NOT_ALLOWED, "s3:PutBucketAcl", BUCKET, {}),
    (NOT_ALLOWED, "s3:PutBucketVersioning", BUCKET, {}),
    (NOT_ALLOWED, "s3:PutLifecycleConfiguration", BUCKET, {}),
    (NOT_ALLOWED, "s3:DeleteBucket", BUCKET, {}),
    (NOT_ALLOWED, "s3:CreateBucket", FOREIGN, {}),
    (NOT_ALLOWED, "s3:ListAllMyBuckets", "*", {}),
    # Other buckets: nothing.
    (NOT_ALLOWED, "s3:ListBucket", FOREIGN, listing("input/")),
    (NOT_ALLOWED, "s3:ListBucket", FOREIGN, listing("cache/")),
    (NOT_ALLOWED, "s3:GetObject", f"{FOREIGN}/input/Apple/1.jpg", {}),
    (NOT_ALLOWED, "s3:PutObject", f"{FOREIGN}/reports/r1/index.html", {}),
    (NOT_ALLOWED, "s3:GetObject", f"{BUCKET}-2/input/Apple/1.jpg", {}),
    # Sessions: be reached by them, and start none.
    (ALLOWED, "ssm:UpdateInstanceInformation", "*", {}),
    (ALLOWED, "ssmmessages:CreateControlChannel", "*", {}),
    (ALLOWED, "ssmmessages:CreateDataChannel", "*", {}),
    (ALLOWED, "ssmmessages:OpenControlChannel", "*", {}),
    (ALLOWED, "ssmmessages:OpenDataChannel", "*", {}),
    (NOT_ALLOWED, "ssm:SendCommand", "*", {}),
    (NOT_ALLOWED, "ssm:StartSession", "*", {}),
    (NOT_ALLOWED, "ssm:GetParameter", "arn:aws:ssm:eu-west-3:111122223333:parameter/secret", {}),
    # Everything else: nothing.
    (NOT_ALLOWED, "iam:PassRole", "arn:aws:iam::111122223333:role/admin", {}),
    (NOT_ALLOWED, "sts:AssumeRole", "arn:aws:iam::111122223333:role/admin", {}),
    (NOT_ALLOWED, "ec2:RunInstances", "*", {}),
    (NOT_ALLOWED, "ec2:TerminateInstances", "*", {}),
    (NOT_ALLOWED, "ec2:DescribeInstances", "*", {}),
    (NOT_ALLOWED, "cloudformation:UpdateStack", "*", {}),
    (NOT_ALLOWED, "kms:Decrypt", KEY, through("s3", BUCKET)),
    (NOT_ALLOWED, "kms:Decrypt", INPUT_KEY, through("s3", PHOTOS)),
]

# The same with the images in another bucket, and a key for each of the two.
CALLS_ELSEWHERE = [
    (ALLOWED, "s3:ListBucket", PHOTOS, listing("fruits 360/Training/")),
    (ALLOWED, "s3:GetObject", f"{PHOTOS}/fruits 360/Training/Apple/1.jpg", {}),
    (NOT_ALLOWED, "s3:ListBucket", PHOTOS, listing("fruits 360/Test/")),
    (NOT_ALLOWED, "s3:GetObject", f"{PHOTOS}/fruits 360/Test/Apple/1.jpg", {}),
    (NOT_ALLOWED, "s3:PutObject", f"{PHOTOS}/fruits 360/Training/Apple/1.jpg", {}),
    (NOT_ALLOWED, "s3:PutObject", f"{PHOTOS}/reports/r1/index.html", {}),
    (NOT_ALLOWED, "s3:GetObject", f"{BUCKET}/fruits 360/Training/Apple/1.jpg", {}),
    (ALLOWED, "s3:PutObject", f"{BUCKET}/reports/r1/index.html", {}),
    (ALLOWED, "kms:GenerateDataKey", KEY, through("s3", BUCKET)),
    (ALLOWED, "kms:Decrypt", KEY, through("s3", BUCKET)),
    (ALLOWED, "kms:Decrypt", KEY, through("s3", f"{BUCKET}/cache/features/0/shard-00000.json")),
    (NOT_ALLOWED, "kms:Decrypt", KEY, through("s3", f"{FOREIGN}/secret")),
    (NOT_ALLOWED, "kms:Decrypt", KEY, through("ec2", BUCKET)),
    (NOT_ALLOWED, "kms:Decrypt", KEY, {}),
    (NOT_ALLOWED, "kms:Decrypt", KEY.replace("5555", "6666"), through("s3", BUCKET)),
    (NOT_ALLOWED, "kms:CreateGrant", KEY, through("s3", BUCKET)),
    (NOT_ALLOWED, "kms:ScheduleKeyDeletion", KEY, {}),
    # The key of the images: it decrypts them, and nothing else in their bucket or of the key's owner.
    (ALLOWED, "kms:Decrypt", INPUT_KEY, through("s3", PHOTOS)),
    (ALLOWED, "kms:Decrypt", INPUT_KEY, through("s3", f"{PHOTOS}/fruits 360/Training/Apple/1.jpg")),
    (NOT_ALLOWED, "kms:Decrypt", INPUT_KEY, through("s3", f"{PHOTOS}/fruits 360/Test/Apple/1.jpg")),
    (NOT_ALLOWED, "kms:Decrypt", INPUT_KEY, through("s3", f"{FOREIGN}/secret")),
    (NOT_ALLOWED, "kms:Decrypt", INPUT_KEY, through("s3", BUCKET)),
    (NOT_ALLOWED, "kms:Decrypt", INPUT_KEY, through("ec2", PHOTOS)),
    (NOT_ALLOWED, "kms:Decrypt", INPUT_KEY, {}),
    (NOT_ALLOWED, "kms:Decrypt", INPUT_KEY.replace("5555", "6666"), through("s3", PHOTOS)),
    (NOT_ALLOWED, "kms:Decrypt", KEY, through("s3", PHOTOS)),
    (NOT_ALLOWED, "kms:GenerateDataKey", INPUT_KEY, through("s3", PHOTOS)),
]

# What the bucket refuses even to an administrator.
CLEAR = {"aws:SecureTransport": "false", "s3:TlsVersion": None}
OLD_TLS = {"s3:TlsVersion": "1.1"}
CALLS_OF_ADMINISTRATOR = [
    (ALLOWED, "s3:GetObject", f"{BUCKET}/reports/r1/index.html", {}),
    (ALLOWED, "s3:PutObject", f"{BUCKET}/input/Apple/1.jpg", {"s3:TlsVersion": "1.2"}),
    (DENIED, "s3:GetObject", f"{BUCKET}/reports/r1/index.html", CLEAR),
    (DENIED, "s3:PutObject", f"{BUCKET}/input/Apple/1.jpg", CLEAR),
    (DENIED, "s3:ListBucket", BUCKET, {**CLEAR, **listing("input/")}),
    (DENIED, "s3:DeleteBucket", BUCKET, CLEAR),
    (DENIED, "s3:GetObject", f"{BUCKET}/reports/r1/index.html", OLD_TLS),
    (DENIED, "s3:ListBucket", BUCKET, {**OLD_TLS, **listing("")}),
]
ADMINISTRATOR = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}

# Values that parameters must refuse: they end up in policies, patterns and a shell.
REFUSED = [
    {"InputPrefix": "*"},
    {"InputPrefix": "input"},
    {"InputPrefix": "a'b/"},
    {"InputPrefix": "${aws:username}/"},
    {"OutputPrefix": ""},
    {"CachePrefix": "?/"},
    {"LogPrefix": "logs$(id)/"},
    # What the role may do in the one folder it must not be able to do in the other.
    {"CachePrefix": "reports/"},
    {"CachePrefix": "reports/cache/"},
    {"CachePrefix": "logs/"},
    {"CachePrefix": "input/"},
    {"CachePrefix": "secrets/"},
    {"CachePrefix": "dist/"},
    {"OutputPrefix": "cache/reports/"},
    {"OutputPrefix": "logs/"},
    {"OutputPrefix": "secrets/"},
    {"LogPrefix": "cache/logs/"},
    {"LogPrefix": "secrets/"},
    {"InputPrefix": ""},
    {"InputPrefix": "reports/"},
    {"InputPrefix": "logs/"},
    {"InputPrefix": "secrets/"},
    {"DistKey": "dist/*"},
    {"InputBucket": "*"},
    {"RunId": "a/b"},
    {"DistSha256": "0"},
    # The shell of an instance counts with it.
    {"MaxHours": "0"},
    {"MaxHours": "08"},
    {"MaxHours": "1e2"},
    {"MaxHours": "24.5"},
    {"MaxHours": "721"},
    {"KmsKeyArn": "*"},
    {"InputBucket": "photos", "InputKmsKeyArn": "*"},
    {"InputKmsKeyArn": INPUT_KEY},
]


@dataclass(frozen=True)
class Expected:
    """All that a template is held to. Paths begin with the name of a resource; a number in them is an index."""

    # File in deploy/.
    file: str
    # Parameters: with the images in the bucket of the results, with them elsewhere.
    own: dict
    elsewhere: dict
    # Name -> type of all resources there are.
    resources: dict
    # Calls of the role, with each of the two.
    calls: list
    calls_elsewhere: list
    # Calls of an administrator; none where the template has no bucket.
    calls_of_administrator: list
    # Path -> what is there.
    properties: dict
    # (parameters, path -> what is there then).
    decided: list
    # Parameters that must be refused.
    refused: list
    # Launch template -> the settings that its user data begins with.
    settings: dict
