"""What deploy/cluster.yaml is held to."""

from cloudformation import CLUSTER
from iam import ALLOWED, NOT_ALLOWED
from tables import (
    ABSENT,
    BUCKET,
    CALLS,
    CALLS_ELSEWHERE,
    FOREIGN,
    KEY,
    PHOTOS_ELSEWHERE,
    REFUSED,
    Expected,
    listing,
)

OWN = {"RunId": "r1", **CLUSTER}
ELSEWHERE = {**OWN, **PHOTOS_ELSEWHERE, "KmsKeyArn": KEY}

RESOURCES = {
    "Role": "AWS::IAM::Role",
    "SizeOfGroup": "AWS::IAM::Policy",
    "InstanceProfile": "AWS::IAM::InstanceProfile",
    "SecurityGroup": "AWS::EC2::SecurityGroup",
    "FromMembers": "AWS::EC2::SecurityGroupIngress",
    "ToMembers": "AWS::EC2::SecurityGroupEgress",
    "PrincipalTemplate": "AWS::EC2::LaunchTemplate",
    "Principal": "AWS::EC2::Instance",
    "WorkerTemplate": "AWS::EC2::LaunchTemplate",
    "WorkerGroup": "AWS::AutoScaling::AutoScalingGroup",
}

# The group of this run, of an earlier one, and of somebody else.
GROUPS = "arn:aws:autoscaling:eu-west-3:111122223333:autoScalingGroup:1f-2e-3d:autoScalingGroupName"
GROUP, OLD_GROUP, FOREIGN_GROUP = f"{GROUPS}/fruits-i-0123456789abcdef0", f"{GROUPS}/fruits-i-9", f"{GROUPS}/web"
CALLS_FOR_WORKERS = [
    (ALLOWED, "autoscaling:SetDesiredCapacity", GROUP, {}),
    (NOT_ALLOWED, "autoscaling:SetDesiredCapacity", OLD_GROUP, {}),
    (NOT_ALLOWED, "autoscaling:SetDesiredCapacity", FOREIGN_GROUP, {}),
    (NOT_ALLOWED, "autoscaling:SetDesiredCapacity", f"{GROUP}-2", {}),
    (NOT_ALLOWED, "autoscaling:SetDesiredCapacity", GROUP.replace("1111", "4444"), {}),
    (NOT_ALLOWED, "autoscaling:SetDesiredCapacity", GROUP.replace("eu-west-3", "us-east-1"), {}),
    # No more workers than the template says, and none of another kind.
    (NOT_ALLOWED, "autoscaling:UpdateAutoScalingGroup", GROUP, {}),
    (NOT_ALLOWED, "autoscaling:CreateAutoScalingGroup", GROUP, {}),
    (NOT_ALLOWED, "autoscaling:DeleteAutoScalingGroup", GROUP, {}),
    (NOT_ALLOWED, "autoscaling:PutScalingPolicy", GROUP, {}),
    (NOT_ALLOWED, "autoscaling:AttachInstances", GROUP, {}),
    (NOT_ALLOWED, "autoscaling:TerminateInstanceInAutoScalingGroup", GROUP, {}),
    (NOT_ALLOWED, "autoscaling:DescribeAutoScalingGroups", "*", {}),
    (NOT_ALLOWED, "ec2:CreateLaunchTemplateVersion", "*", {}),
    (NOT_ALLOWED, "ec2:AuthorizeSecurityGroupIngress", "*", {}),
]

CALLS_FOR_SECRETS = [
    (ALLOWED, "s3:PutObject", f"{BUCKET}/secrets/r1", {}),
    (ALLOWED, "s3:GetObject", f"{BUCKET}/secrets/r1", {}),
    (NOT_ALLOWED, "s3:PutObject", f"{BUCKET}/secrets/r0", {}),
    (NOT_ALLOWED, "s3:GetObject", f"{BUCKET}/secrets/r0", {}),
    (NOT_ALLOWED, "s3:GetObject", f"{BUCKET}/secrets/r12", {}),
    (NOT_ALLOWED, "s3:GetObject", f"{BUCKET}/secrets/r1/a", {}),
    (NOT_ALLOWED, "s3:DeleteObject", f"{BUCKET}/secrets/r1", {}),
    (NOT_ALLOWED, "s3:GetObjectVersion", f"{BUCKET}/secrets/r1", {}),
    (NOT_ALLOWED, "s3:ListBucket", BUCKET, listing("secrets/")),
    (NOT_ALLOWED, "s3:GetObject", f"{BUCKET}/secrets", {}),
    (NOT_ALLOWED, "s3:GetObject", f"{FOREIGN}/secrets/r1", {}),
]

SG = "sg-0123456789abcdef0"
PROPERTIES = {
    "Role.Properties.ManagedPolicyArns": ABSENT,
    "Role.Properties.Policies.1": ABSENT,
    "Role.Properties.AssumeRolePolicyDocument.Statement.0.Principal.Service": "ec2.amazonaws.com",
    "Role.Properties.AssumeRolePolicyDocument.Statement.1": ABSENT,
    "SizeOfGroup.Properties.Roles": ["fruits-role"],
    "SizeOfGroup.Properties.Users": ABSENT,
    "SizeOfGroup.Properties.Groups": ABSENT,
    # In come members and nobody else: the two rules are all that RESOURCES has.
    "SecurityGroup.Properties.SecurityGroupIngress": ABSENT,
    "SecurityGroup.Properties.SecurityGroupEgress.0.FromPort": 443,
    "SecurityGroup.Properties.SecurityGroupEgress.0.ToPort": 443,
    "SecurityGroup.Properties.SecurityGroupEgress.1": ABSENT,
    "FromMembers.Properties.GroupId": SG,
    "FromMembers.Properties.SourceSecurityGroupId": SG,
    "FromMembers.Properties.CidrIp": ABSENT,
    "FromMembers.Properties.CidrIpv6": ABSENT,
    "FromMembers.Properties.SourcePrefixListId": ABSENT,
    "FromMembers.Properties.IpProtocol": "tcp",
    "FromMembers.Properties.FromPort": 0,
    "FromMembers.Properties.ToPort": 65535,
    "ToMembers.Properties.GroupId": SG,
    "ToMembers.Properties.DestinationSecurityGroupId": SG,
    "ToMembers.Properties.CidrIp": ABSENT,
    "ToMembers.Properties.CidrIpv6": ABSENT,
    "ToMembers.Properties.DestinationPrefixListId": ABSENT,
    "ToMembers.Properties.IpProtocol": "tcp",
    "ToMembers.Properties.FromPort": 0,
    "ToMembers.Properties.ToPort": 65535,
    "Principal.Properties.KeyName": ABSENT,
    "Principal.Properties.UserData": ABSENT,
    "Principal.Properties.SecurityGroupIds": ABSENT,
    "Principal.Properties.LaunchTemplate.LaunchTemplateId": "lt-0123456789abcdef1",
    "Principal.Properties.LaunchTemplate.Version": "1",
    "Principal.Properties.SubnetId": "subnet-0",
    # Empty until the principal asks, by the name that it asks for.
    "WorkerGroup.Properties.AutoScalingGroupName": "fruits-i-0123456789abcdef0",
    "WorkerGroup.Properties.MinSize": "0",
    "WorkerGroup.Properties.MaxSize": "10",
    "WorkerGroup.Properties.DesiredCapacity": ABSENT,
    "WorkerGroup.Properties.LaunchTemplate.LaunchTemplateId": "lt-0123456789abcdef2",
    "WorkerGroup.Properties.LaunchTemplate.Version": "1",
    "WorkerGroup.Properties.VPCZoneIdentifier": ["subnet-0", "subnet-1"],
    # A worker that is taken out leaves at once.
    "WorkerGroup.Properties.NewInstancesProtectedFromScaleIn": ABSENT,
    "WorkerGroup.Properties.LifecycleHookSpecificationList": ABSENT,
}
PRINCIPAL, WORKER = (f"{role}Template.Properties.LaunchTemplateData" for role in ("Principal", "Worker"))
for launch in (PRINCIPAL, WORKER):
    PROPERTIES |= {
        f"{launch}.KeyName": ABSENT,
        f"{launch}.InstanceType": "c7i.xlarge",
        f"{launch}.SecurityGroupIds": [SG],
        f"{launch}.MetadataOptions.HttpTokens": "required",
        f"{launch}.MetadataOptions.HttpPutResponseHopLimit": 1,
        f"{launch}.BlockDeviceMappings.0.Ebs.Encrypted": True,
        f"{launch}.BlockDeviceMappings.0.Ebs.VolumeType": "gp3",
        f"{launch}.BlockDeviceMappings.0.Ebs.DeleteOnTermination": True,
        f"{launch}.InstanceInitiatedShutdownBehavior": "terminate",
    }


def spot(principal, worker):
    return {
        f"{PRINCIPAL}.InstanceMarketOptions": {"MarketType": "spot"} if principal else ABSENT,
        f"{WORKER}.InstanceMarketOptions": {"MarketType": "spot"} if worker else ABSENT,
    }


DECIDED = [
    (OWN, spot(False, True)),
    ({**OWN, "Spot": "no"}, spot(False, False)),
    ({**OWN, "Spot": "all"}, spot(True, True)),
    # One family for all, whatever their sizes.
    (
        {**OWN, "Family": "m7i", "PrincipalSize": "4xlarge"},
        {f"{PRINCIPAL}.InstanceType": "m7i.4xlarge", f"{WORKER}.InstanceType": "m7i.xlarge"},
    ),
    ({**OWN, "SubnetIds": "subnet-7"}, {"Principal.Properties.SubnetId": "subnet-7"}),
    (
        {**OWN, "RunId": ""},
        {"Principal": ABSENT, "WorkerTemplate": ABSENT, "WorkerGroup": ABSENT, "SizeOfGroup": ABSENT},
    ),
]

MEMBER = {
    "AWS_REGION": "eu-west-3",
    "BOOT_RUN_ID": "r1",
    "BOOT_SECRET": "secrets/r1",
    "BOOT_BUCKET": "fruits-bucket",
    "BOOT_S3": "https://s3.eu-west-3.amazonaws.com",
    "BOOT_AUTO_SCALING": "https://autoscaling.eu-west-3.amazonaws.com",
    "BOOT_STACK": "fruits",
    "BOOT_DIST_KEY": "dist/fruits.tar.gz",
    "BOOT_DIST_SHA256": "",
    "BOOT_LOGS": "logs/r1",
    "BOOT_MAX_HOURS": "24",
}
SETTINGS = {
    "PrincipalTemplate": {
        **MEMBER,
        "BOOT_ROLE": "principal",
        "FRUITS_BUCKET": "fruits-bucket",
        "FRUITS_PREFIX": "input/",
        "FRUITS_CACHE": "s3://fruits-bucket/cache/",
        "FRUITS_OUT": "s3://fruits-bucket/reports/r1/",
        "BOOT_WORKERS": "10",
        # For the log; and with them the principal knows of every parameter, so that each change starts all anew.
        "BOOT_WORKERS_ARE": "c7i.xlarge, Spot=workers",
        "BOOT_OPTIONS": "",
    },
    "WorkerTemplate": {
        **MEMBER,
        "BOOT_ROLE": "worker",
        "FRUITS_INPUT": "s3://fruits-bucket/input/",
        "FRUITS_CACHE": "s3://fruits-bucket/cache/",
        "BOOT_SCHEDULER": "10.0.0.4:50050",
        "BOOT_PRINCIPAL": "i-0123456789abcdef0",
    },
}

EXPECTED = Expected(
    file="cluster.yaml",
    own=OWN,
    elsewhere=ELSEWHERE,
    resources=RESOURCES,
    calls=[*CALLS, *CALLS_FOR_WORKERS, *CALLS_FOR_SECRETS],
    calls_elsewhere=CALLS_ELSEWHERE,
    calls_of_administrator=[],
    properties=PROPERTIES,
    decided=DECIDED,
    refused=[
        *REFUSED,
        {"Bucket": ""},
        {"Bucket": "a'b"},
        {"Spot": "yes"},
        {"Family": "c7i.xlarge"},
        {"WorkerSize": "$(id)"},
        {"PrincipalSize": ""},
        {"Workers": "0"},
        {"Workers": "1000"},
    ],
    settings=SETTINGS,
)
