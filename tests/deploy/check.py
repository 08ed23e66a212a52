"""Holds the templates of deploy/ to what deploy/README.md says of them: who may do what, and how everything is set up.

Ends with proof that it can fail: each template is weakened in every way below, and each must be noticed.

    check.py [--show]    --show prints the policies instead
"""

import base64
import copy
import json
import re
import subprocess
import sys
from pathlib import Path

from cloudformation import Stack, TemplateError, load, user_data
from iam import PolicyError, decide
from tables import ABSENT, ADMINISTRATOR
from tables_cluster import EXPECTED as CLUSTER
from tables_template import EXPECTED as SINGLE

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
USER_DATA_LIMIT_BYTES = 16384
SETTING = re.compile(r"^export ([A-Z0-9_]+)='(.*)'$", re.MULTILINE)
# All of the user data from here on is one text, for each kind of instance.
SCRIPT = "export BOOT_WORK="


def at(resources, path):
    """What lies at a path, or ABSENT."""
    here = resources
    for part in path.split("."):
        if isinstance(here, list):
            here = here[int(part)] if int(part) < len(here) else ABSENT
        else:
            here = (here or {}).get(part)
    return here


def documents(resources):
    """Policy documents: those of the role, those of the bucket."""

    def of(kind):
        return [r["Properties"]["PolicyDocument"] for r in resources.values() if r["Type"] == kind]

    role = [policy["PolicyDocument"] for policy in resources["Role"]["Properties"]["Policies"]]
    return [*role, *of("AWS::IAM::Policy")], of("AWS::S3::BucketPolicy")


def faults_of_calls(calls, policies):
    for wanted, action, resource, context in calls:
        whole = {"aws:SecureTransport": "true", "s3:TlsVersion": "1.3", **context}
        whole = {key: value for key, value in whole.items() if value is not None}
        found = decide(policies, action, resource, whole)
        if found != wanted:
            yield f"{action} on {resource} {context or ''} is {found}, and must be {wanted}"


def faults_of_properties(resources, wanted):
    for path, value in wanted.items():
        found = at(resources, path)
        if found != value:
            yield f"{path} is {found!r}, and must be {value!r}"


def faults_of_resources(resources, wanted):
    found = {name: resource["Type"] for name, resource in resources.items()}
    if found != wanted:
        yield f"the resources are {found}, and must be {wanted}"


def faults_of_user_data(template, expected, script):
    evil = "FRUITS_SEED=7'; touch /tmp/x; $(id) `id` \"\n"
    stack = Stack(template, {**expected.own, "ReportOptions": evil})
    encoded = base64.b64encode(evil.encode()).decode()
    for name, settings in expected.settings.items():
        text = user_data(stack, name)
        size_bytes = len(text.encode())
        if size_bytes > USER_DATA_LIMIT_BYTES:
            yield f"the user data of {name} has {size_bytes} bytes, and EC2 takes {USER_DATA_LIMIT_BYTES}"
        if "touch /tmp/x" in text or ("BOOT_OPTIONS" in settings and encoded not in text):
            yield f"ReportOptions stand in the user data of {name} as they are"
        head, mark, rest = text.partition(SCRIPT)
        if mark + rest != script:
            yield f"what {name} runs is not what template.yaml runs"
        found = dict(SETTING.findall(head))
        wanted = {key: encoded if key == "BOOT_OPTIONS" else value for key, value in settings.items()}
        if found != wanted:
            differ = {key for key in {**found, **wanted} if found.get(key) != wanted.get(key)}
            yield f"the settings of {name} differ in {sorted(differ)}"
        if subprocess.run(["bash", "-n"], input=text.encode(), check=False).returncode:
            yield f"bash cannot read the user data of {name}"


def faults_of_parameters(template, expected):
    for values in expected.refused:
        try:
            Stack(template, {**expected.own, **values})
        except TemplateError:
            continue
        yield f"the parameters {values} are taken"


def faults(template, expected, script):
    """Everything that is wrong with a template."""
    own, elsewhere = Stack(template, expected.own).resources(), Stack(template, expected.elsewhere).resources()
    role, bucket = documents(own)
    role_elsewhere, _ = documents(elsewhere)
    found = [
        *faults_of_resources(own, expected.resources),
        *faults_of_calls(expected.calls, [*role, *bucket]),
        *faults_of_calls(expected.calls_elsewhere, [*role_elsewhere, *bucket]),
        *faults_of_calls(expected.calls_of_administrator, [ADMINISTRATOR, *bucket]),
        *faults_of_properties(own, expected.properties),
        *faults_of_user_data(template, expected, script),
        *faults_of_parameters(template, expected),
    ]
    for values, wanted in expected.decided:
        stack = Stack(template, values)
        found += faults_of_properties(stack.resources(), wanted)
        stack.outputs()  # ends with an error if one names what is not there
    return found


# --- proof that it can fail ----------------------------------------------------------------------------------------


def statements(template):
    role, bucket = documents(template["Resources"])
    return [statement for document in [*role, *bucket] for statement in document["Statement"]]


def body(statement):
    """The statement itself, where it stands in an If."""
    return statement["Fn::If"][1] if "Fn::If" in statement else statement


def user_data_of(template, name):
    """Settings and script of a launch template, to be changed."""
    return template["Resources"][name]["Properties"]["LaunchTemplateData"]["UserData"]["Fn::Base64"]["Fn::Join"][1]


def weakenings(template, expected):
    """(what was done, the template after it): every statement taken out or widened, every action and condition of it
    taken out, every property changed, every setting, pattern and rule taken out, and a resource added."""

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

    for path in expected.properties:
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

    for name, settings in expected.settings.items():
        for key in settings:
            other = copy.deepcopy(template)
            head = user_data_of(other, name)[0]
            texts, place = (head, "Fn::Sub") if isinstance(head["Fn::Sub"], str) else (head["Fn::Sub"], 0)
            texts[place] = re.sub(rf"export {key}=.*\n", "", texts[place])
            yield f"{name}: without {key}", other
        other = copy.deepcopy(template)
        user_data_of(other, name).append("true\n")
        yield f"{name}: a script of its own", other

    other = copy.deepcopy(template)
    other["Resources"]["Another"] = {"Type": "AWS::EC2::SecurityGroupIngress", "Properties": {"CidrIp": "0.0.0.0/0"}}
    yield "a resource more", other
    for name, parameter in template["Parameters"].items():
        if "AllowedPattern" in parameter:
            other = copy.deepcopy(template)
            other["Parameters"][name].pop("AllowedPattern")
            yield f"{name}: no pattern", other
    for name, rule in template["Rules"].items():
        for index, assertion in enumerate(rule["Assertions"]):
            other = copy.deepcopy(template)
            other["Rules"][name]["Assertions"].pop(index)
            yield f"{name}: without {assertion['AssertDescription']}", other


# What cannot be decided must stop the check, not pass it.
UNKNOWN = {
    "an operator": lambda t: body(statements(t)[0]).update(Condition={"StringLikeIfExists": {"s3:prefix": "input/*"}}),
    "NotAction": lambda t: body(statements(t)[0]).update(NotAction="s3:PutObject"),
    "a policy variable": lambda t: body(statements(t)[0]).update(Resource="arn:aws:s3:::${aws:username}"),
    "a function": lambda t: body(statements(t)[0]).update(Resource={"Fn::ImportValue": "bucket"}),
    "a resource": lambda t: body(statements(t)[0]).update(Resource={"Fn::GetAtt": ["Other", "Arn"]}),
}


def unnoticed(template, expected, script):
    n_tried = 0
    for what, weakened in weakenings(template, expected):
        n_tried += 1
        try:
            if not faults(weakened, expected, script):
                yield f"weakened and not noticed: {what}"
        except (TemplateError, PolicyError):
            pass  # noticed as well
    for what, change in UNKNOWN.items():
        other = copy.deepcopy(template)
        change(other)
        n_tried += 1
        try:
            faults(other, expected, script)
        except (TemplateError, PolicyError):
            continue
        yield f"not known here and not refused: {what}"
    print(f"{expected.file}: {n_tried} weakened templates tried, each must be noticed")


def check(expected, script):
    """Says what it looked at; the faults it found."""
    template = load(DEPLOY / expected.file)
    calls = [*expected.calls, *expected.calls_elsewhere, *expected.calls_of_administrator]
    for wanted, action, resource, context in calls:
        print(f"{expected.file}: {wanted:>11}  {action:32} {resource} {context or ''}".rstrip())
    n_properties = len(expected.properties) + sum(len(wanted) for _, wanted in expected.decided)
    print(f"{expected.file}: {len(calls)} calls decided, {n_properties} properties, ", end="")
    print(f"{len(expected.refused)} refused values")
    stack = Stack(template, expected.own)
    for name, settings in expected.settings.items():
        size_bytes = len(user_data(stack, name).encode())
        print(f"{expected.file}: {name}, {len(settings)} settings, user data of {size_bytes} bytes")
    found = faults(template, expected, script) or list(unnoticed(template, expected, script))
    for fault in found:
        print(f"{expected.file}: error: {fault}", file=sys.stderr)
    print(f"{expected.file}: {len(found)} faults")
    return found


def main():
    if "--show" in sys.argv:
        for expected in (SINGLE, CLUSTER):
            resources = Stack(load(DEPLOY / expected.file), expected.own).resources()
            print(json.dumps({expected.file: documents(resources)}, indent=2))
        return 0
    single = user_data(Stack(load(DEPLOY / SINGLE.file), SINGLE.own))
    script = single[single.index(SCRIPT) :]
    found = [fault for expected in (SINGLE, CLUSTER) for fault in check(expected, script)]
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
