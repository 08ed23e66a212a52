"""Holds deploy/template.yaml to what deploy/README.md says of it: who may do what, and how everything is set up.

Ends with proof that it can fail: the template is weakened in every way below, and each must be noticed.
"""

import base64
import copy
import json
import subprocess
import sys
from pathlib import Path

from cloudformation import NETWORK, Stack, TemplateError, load, user_data
from iam import ALLOWED, DENIED, NOT_ALLOWED, PolicyError, decide

TEMPLATE = Path(__file__).resolve().parents[2] / "deploy" / "template.yaml"

KEY = "arn:aws:kms:eu-west-3:111122223333:key/11111111-2222-3333-4444-555555555555"
OWN = {"RunId": "r1", **NETWORK}
INPUT_KEY = "arn:aws:kms:eu-west-3:444455556666:key/99999999-8888-7777-6666-555555555555"
PHOTOS_ELSEWHERE = {"InputBucket": "photos", "InputPrefix": "fruits 360/Training/", "InputKmsKeyArn": INPUT_KEY}
ELSEWHERE = {**OWN, **PHOTOS_ELSEWHERE, "KmsKeyArn": KEY}

BUCKET, PHOTOS, FOREIGN = "arn:aws:s3:::fruits-bucket", "arn:aws:s3:::photos", "arn:aws:s3:::somebody-elses"
USER_DATA_LIMIT_BYTES = 16384


def listing(prefix):
    return {"s3:prefix": prefix}


def through(service, encrypted):
    return {"kms:ViaService": f"{service}.eu-west-3.amazonaws.com", "kms:EncryptionContext:aws:s3:arn": encrypted}


# What the role of the instance may do with the images in the stack's own bucket: decision, action, resource, context.
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

LAUNCH = "LaunchTemplate.Properties.LaunchTemplateData"
# path of a resource -> what is there; ABSENT where nothing may be. A number is an index.
ABSENT = None
PROPERTIES = {
    "Bucket.DeletionPolicy": "Retain",
    "Bucket.UpdateReplacePolicy": "Retain",
    "Bucket.Properties.PublicAccessBlockConfiguration.BlockPublicAcls": True,
    "Bucket.Properties.PublicAccessBlockConfiguration.BlockPublicPolicy": True,
    "Bucket.Properties.PublicAccessBlockConfiguration.IgnorePublicAcls": True,
    "Bucket.Properties.PublicAccessBlockConfiguration.RestrictPublicBuckets": True,
    "Bucket.Properties.OwnershipControls.Rules.0.ObjectOwnership": "BucketOwnerEnforced",
    "Bucket.Properties.VersioningConfiguration.Status": "Enabled",
    "Bucket.Properties.LifecycleConfiguration.Rules.0.AbortIncompleteMultipartUpload.DaysAfterInitiation": 1,
    "Bucket.Properties.LifecycleConfiguration.Rules.1.NoncurrentVersionExpiration.NoncurrentDays": 30,
    "Bucket.Properties.LifecycleConfiguration.Rules.2.Prefix": "logs/",
    "BucketPolicy.Properties.Bucket": "fruits-bucket",
    "BucketPolicy.DeletionPolicy": "Retain",
    "Role.Properties.ManagedPolicyArns": ABSENT,
    "Role.Properties.Policies.1": ABSENT,
    "Role.Properties.AssumeRolePolicyDocument.Statement.0.Principal.Service": "ec2.amazonaws.com",
    "Role.Properties.AssumeRolePolicyDocument.Statement.1": ABSENT,
    "SecurityGroup.Properties.SecurityGroupIngress": ABSENT,
    "SecurityGroup.Properties.SecurityGroupEgress.0.FromPort": 443,
    "SecurityGroup.Properties.SecurityGroupEgress.0.ToPort": 443,
    "SecurityGroup.Properties.SecurityGroupEgress.1": ABSENT,
    f"{LAUNCH}.KeyName": ABSENT,
    f"{LAUNCH}.MetadataOptions.HttpTokens": "required",
    f"{LAUNCH}.MetadataOptions.HttpPutResponseHopLimit": 1,
    f"{LAUNCH}.BlockDeviceMappings.0.Ebs.Encrypted": True,
    f"{LAUNCH}.BlockDeviceMappings.0.Ebs.VolumeType": "gp3",
    f"{LAUNCH}.BlockDeviceMappings.0.Ebs.DeleteOnTermination": True,
    f"{LAUNCH}.InstanceInitiatedShutdownBehavior": "terminate",
    "Instance.Properties.KeyName": ABSENT,
    "Instance.Properties.UserData": ABSENT,
    "Instance.Properties.LaunchTemplate.Version": "1",
}

ENCRYPTION = "Bucket.Properties.BucketEncryption.ServerSideEncryptionConfiguration.0.ServerSideEncryptionByDefault"
MARKET = f"{LAUNCH}.InstanceMarketOptions"
# The same for what parameters decide: values -> properties.
DECIDED = [
    (OWN, {f"{ENCRYPTION}.SSEAlgorithm": "AES256", f"{ENCRYPTION}.KMSMasterKeyID": ABSENT, MARKET: ABSENT}),
    (ELSEWHERE, {f"{ENCRYPTION}.SSEAlgorithm": "aws:kms", f"{ENCRYPTION}.KMSMasterKeyID": KEY}),
    ({**OWN, "Spot": "yes"}, {f"{MARKET}.SpotOptions.InstanceInterruptionBehavior": "terminate"}),
    ({**OWN, "RunId": ""}, {"Instance": ABSENT, "Bucket.Type": "AWS::S3::Bucket"}),
]

# Values that parameters must refuse: they end up in policies, patterns and a shell.
REFUSED = [
    {"InputPrefix": "*"},
    {"InputPrefix": "input"},
    {"InputPrefix": "a'b/"},
    {"InputPrefix": "${aws:username}/"},
    {"OutputPrefix": ""},
    {"CachePrefix": "?/"},
    {"LogPrefix": "logs$(id)/"},
    {"DistKey": "dist/*"},
    {"InputBucket": "*"},
    {"RunId": "a/b"},
    {"DistSha256": "0"},
    {"KmsKeyArn": "*"},
    {"InputKmsKeyArn": "*"},
    {"Spot": "true"},
]


def at(resources, path):
    """What lies at a path, or ABSENT."""
    here = resources
    for part in path.split("."):
        if isinstance(here, list):
            here = here[int(part)] if int(part) < len(here) else ABSENT
        else:
            here = (here or {}).get(part)
    return here


def policies(resources):
    role = [policy["PolicyDocument"] for policy in resources["Role"]["Properties"]["Policies"]]
    return role, resources["BucketPolicy"]["Properties"]["PolicyDocument"]


def faults_of_calls(calls, documents):
    for wanted, action, resource, context in calls:
        whole = {"aws:SecureTransport": "true", "s3:TlsVersion": "1.3", **context}
        whole = {key: value for key, value in whole.items() if value is not None}
        found = decide(documents, action, resource, whole)
        if found != wanted:
            yield f"{action} on {resource} {context or ''} is {found}, and must be {wanted}"


def faults_of_properties(resources, wanted):
    for path, value in wanted.items():
        found = at(resources, path)
        if found != value:
            yield f"{path} is {found!r}, and must be {value!r}"


def faults_of_user_data(template):
    evil = "FRUITS_SEED=7'; touch /tmp/x; $(id) `id` \"\n"
    script = user_data(Stack(template, {**OWN, "ReportOptions": evil}))
    size_bytes = len(script.encode())
    if size_bytes > USER_DATA_LIMIT_BYTES:
        yield f"the user data has {size_bytes} bytes, and EC2 takes {USER_DATA_LIMIT_BYTES}"
    if "touch /tmp/x" in script or base64.b64encode(evil.encode()).decode() not in script:
        yield "ReportOptions stand in the user data as they are"
    if subprocess.run(["bash", "-n"], input=script.encode(), check=False).returncode:
        yield "bash cannot read the user data"


def faults_of_parameters(template):
    for values in REFUSED:
        try:
            Stack(template, {**OWN, **values})
        except TemplateError:
            continue
        yield f"the parameters {values} are taken"


def faults(template):
    """Everything that is wrong with a template."""
    own, elsewhere = Stack(template, OWN).resources(), Stack(template, ELSEWHERE).resources()
    role, bucket = policies(own)
    role_elsewhere, _ = policies(elsewhere)
    found = [
        *faults_of_calls(CALLS, [*role, bucket]),
        *faults_of_calls(CALLS_ELSEWHERE, [*role_elsewhere, bucket]),
        *faults_of_calls(CALLS_OF_ADMINISTRATOR, [ADMINISTRATOR, bucket]),
        *faults_of_properties(own, PROPERTIES),
        *faults_of_user_data(template),
        *faults_of_parameters(template),
    ]
    for values, wanted in DECIDED:
        stack = Stack(template, values)
        found += faults_of_properties(stack.resources(), wanted)
        stack.outputs()  # ends with an error if one names what is not there
    return found


# --- proof that it can fail ----------------------------------------------------------------------------------------


def statements(template):
    resources = template["Resources"]
    documents = [*(policy["PolicyDocument"] for policy in resources["Role"]["Properties"]["Policies"])]
    return [s for d in [*documents, resources["BucketPolicy"]["Properties"]["PolicyDocument"]] for s in d["Statement"]]


def body(statement):
    """The statement itself, where it stands in an If."""
    return statement["Fn::If"][1] if "Fn::If" in statement else statement


def weakenings(template):
    """(what was done, the template after it): every statement taken out or widened, every action and condition of it
    taken out, and every property changed."""

    def changed(index, change):
        other = copy.deepcopy(template)
        statement = body(statements(other)[index])
        change(statement)
        return other

    for index, statement in enumerate(map(body, statements(template))):
        sid = statement["Sid"]
        yield f"{sid}: an action nobody asks for", changed(index, lambda s: s.update(Action="none:None"))
        yield f"{sid}: no resource", changed(index, lambda s: s.update(Resource="arn:aws:s3:::none"))
        if statement["Effect"] == "Allow":
            yield f"{sid}: every action", changed(index, lambda s: s.update(Action="*"))
            if statement["Resource"] != "*":
                yield f"{sid}: every resource", changed(index, lambda s: s.update(Resource="*"))
        actions = statement["Action"]
        for action in actions if isinstance(actions, list) else []:
            yield f"{sid}: without {action}", changed(index, lambda s, a=action: s["Action"].remove(a))
        for operator in statement.get("Condition", {}):
            yield f"{sid}: without {operator}", changed(index, lambda s, o=operator: s["Condition"].pop(o))

    for path in PROPERTIES:
        *folders, last = path.split(".")
        other = copy.deepcopy(template)
        here = other["Resources"]
        for part in folders:
            here = here[int(part)] if isinstance(here, list) else here[part]
        if isinstance(here, list):
            here.insert(int(last), here[0])
        else:
            here[last] = "something else"
        yield f"{path}: something else", other

    other = copy.deepcopy(template)
    other["Parameters"]["InputPrefix"].pop("AllowedPattern")
    yield "InputPrefix: no pattern", other


# What cannot be decided must stop the check, not pass it.
UNKNOWN = {
    "an operator": lambda t: body(statements(t)[0]).update(Condition={"StringLikeIfExists": {"s3:prefix": "input/*"}}),
    "NotAction": lambda t: body(statements(t)[0]).update(NotAction="s3:PutObject"),
    "a policy variable": lambda t: body(statements(t)[0]).update(Resource="arn:aws:s3:::${aws:username}"),
    "a function": lambda t: body(statements(t)[0]).update(Resource={"Fn::ImportValue": "bucket"}),
    "a resource": lambda t: body(statements(t)[0]).update(Resource={"Fn::GetAtt": ["Other", "Arn"]}),
}


def unnoticed(template):
    n_tried = 0
    for what, weakened in weakenings(template):
        n_tried += 1
        try:
            if not faults(weakened):
                yield f"weakened and not noticed: {what}"
        except (TemplateError, PolicyError):
            pass  # noticed as well
    for what, change in UNKNOWN.items():
        other = copy.deepcopy(template)
        change(other)
        n_tried += 1
        try:
            faults(other)
        except (TemplateError, PolicyError):
            continue
        yield f"not known here and not refused: {what}"
    print(f"template: {n_tried} weakened templates tried, each must be noticed")


def main():
    template = load(TEMPLATE)
    if "--show" in sys.argv:
        role, bucket = policies(Stack(template, OWN).resources())
        print(json.dumps([*role, bucket], indent=2))
        return 0
    found = faults(template)
    n_calls = len(CALLS) + len(CALLS_ELSEWHERE) + len(CALLS_OF_ADMINISTRATOR)
    n_properties = len(PROPERTIES) + sum(len(wanted) for _, wanted in DECIDED)
    for wanted, action, resource, context in [*CALLS, *CALLS_ELSEWHERE, *CALLS_OF_ADMINISTRATOR]:
        print(f"template: {wanted:>11}  {action:32} {resource} {context or ''}".rstrip())
    size_bytes = len(user_data(Stack(template, OWN)).encode())
    print(f"template: {n_calls} calls decided, {n_properties} properties, {len(REFUSED)} refused values, ", end="")
    print(f"user data of {size_bytes} bytes")
    found = found or list(unnoticed(template))
    for fault in found:
        print(f"template: error: {fault}", file=sys.stderr)
    print(f"template: {len(found)} faults")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
