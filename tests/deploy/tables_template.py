"""What deploy/template.yaml is held to."""

from cloudformation import NETWORK
from tables import (
    ABSENT,
    CALLS,
    CALLS_ELSEWHERE,
    CALLS_OF_ADMINISTRATOR,
    KEY,
    PHOTOS_ELSEWHERE,
    REFUSED,
    Expected,
)

OWN = {"RunId": "r1", **NETWORK}
ELSEWHERE = {**OWN, **PHOTOS_ELSEWHERE, "KmsKeyArn": KEY}

RESOURCES = {
    "Bucket": "AWS::S3::Bucket",
    "BucketPolicy": "AWS::S3::BucketPolicy",
    "Role": "AWS::IAM::Role",
    "InstanceProfile": "AWS::IAM::InstanceProfile",
    "SecurityGroup": "AWS::EC2::SecurityGroup",
    "LaunchTemplate": "AWS::EC2::LaunchTemplate",
    "Instance": "AWS::EC2::Instance",
}

LAUNCH = "LaunchTemplate.Properties.LaunchTemplateData"
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
    # Beyond MaxHours, for workers that come late; of replaced ones nothing is kept.
    "Bucket.Properties.LifecycleConfiguration.Rules.3.Prefix": "secrets/",
    "Bucket.Properties.LifecycleConfiguration.Rules.3.ExpirationInDays": 32,
    "Bucket.Properties.LifecycleConfiguration.Rules.3.NoncurrentVersionExpiration.NoncurrentDays": 1,
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
DECIDED = [
    (OWN, {f"{ENCRYPTION}.SSEAlgorithm": "AES256", f"{ENCRYPTION}.KMSMasterKeyID": ABSENT, MARKET: ABSENT}),
    (ELSEWHERE, {f"{ENCRYPTION}.SSEAlgorithm": "aws:kms", f"{ENCRYPTION}.KMSMasterKeyID": KEY}),
    ({**OWN, "Spot": "yes"}, {f"{MARKET}.SpotOptions.InstanceInterruptionBehavior": "terminate"}),
    ({**OWN, "RunId": ""}, {"Instance": ABSENT, "Bucket.Type": "AWS::S3::Bucket"}),
]

SETTINGS = {
    "AWS_REGION": "eu-west-3",
    "FRUITS_BUCKET": "fruits-bucket",
    "FRUITS_PREFIX": "input/",
    "FRUITS_CACHE": "s3://fruits-bucket/cache/",
    "FRUITS_OUT": "s3://fruits-bucket/reports/r1/",
    "BOOT_RUN_ID": "r1",
    "BOOT_BUCKET": "fruits-bucket",
    "BOOT_S3": "https://s3.eu-west-3.amazonaws.com",
    "BOOT_DIST_KEY": "dist/fruits.tar.gz",
    "BOOT_DIST_SHA256": "",
    "BOOT_LOGS": "logs/r1",
    "BOOT_MAX_HOURS": "24",
    "BOOT_OPTIONS": "",
}

EXPECTED = Expected(
    file="template.yaml",
    own=OWN,
    elsewhere=ELSEWHERE,
    resources=RESOURCES,
    calls=CALLS,
    calls_elsewhere=CALLS_ELSEWHERE,
    calls_of_administrator=CALLS_OF_ADMINISTRATOR,
    properties=PROPERTIES,
    decided=DECIDED,
    refused=[*REFUSED, {"Spot": "true"}, {"InstanceType": "$(id)"}],
    settings={"LaunchTemplate": SETTINGS},
)
