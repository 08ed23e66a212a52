"""What a CloudFormation template says once its parameters are known.

Only the intrinsic functions that the templates of deploy/ use are known. Any other is an error: a test that skipped
what it cannot read would pass on anything.
"""

import base64
import math
import re
import sys

import yaml

NO_VALUE = object()

PSEUDO = {
    "AWS::AccountId": "111122223333",
    "AWS::NoValue": NO_VALUE,
    "AWS::Partition": "aws",
    "AWS::Region": "eu-west-3",
    "AWS::StackName": "fruits",
    "AWS::URLSuffix": "amazonaws.com",
}

# What AWS gives to a resource when it makes it; anything else is an error.
ATTRIBUTES = {
    "Bucket": "fruits-bucket",
    "Bucket.Arn": "arn:aws:s3:::fruits-bucket",
    "Instance": "i-0123456789abcdef0",
    "InstanceProfile.Arn": "arn:aws:iam::111122223333:instance-profile/fruits",
    "LaunchTemplate": "lt-0123456789abcdef0",
    "LaunchTemplate.LatestVersionNumber": "1",
    "Principal": "i-0123456789abcdef0",
    "Principal.PrivateIp": "10.0.0.4",
    "PrincipalTemplate": "lt-0123456789abcdef1",
    "PrincipalTemplate.LatestVersionNumber": "1",
    "Role": "fruits-role",
    "SecurityGroup.GroupId": "sg-0123456789abcdef0",
    "WorkerGroup": "fruits-i-0123456789abcdef0",
    "WorkerTemplate": "lt-0123456789abcdef2",
    "WorkerTemplate.LatestVersionNumber": "1",
}

# Values of the parameters that have no default, in template.yaml and in cluster.yaml.
NETWORK = {"VpcId": "vpc-0123456789abcdef0", "SubnetId": "subnet-0123456789abcdef0"}
CLUSTER = {"VpcId": NETWORK["VpcId"], "SubnetIds": "subnet-0,subnet-1", "Bucket": ATTRIBUTES["Bucket"]}


class TemplateError(Exception):
    """The template holds what this module does not know, or a parameter may not have its value."""


class Loader(yaml.SafeLoader):
    """YAML with the short forms of the intrinsic functions."""


def short_form(loader, tag, node):
    name = tag if tag in ("Ref", "Condition") else f"Fn::{tag}"
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        return {name: value.split(".", 1) if tag == "GetAtt" else value}
    construct = loader.construct_sequence if isinstance(node, yaml.SequenceNode) else loader.construct_mapping
    return {name: construct(node, deep=True)}


Loader.add_multi_constructor("!", short_form)


def load(path):
    with open(path, encoding="utf-8") as file:
        return yaml.load(file, Loader)


class Stack:
    """A template with values for its parameters."""

    def __init__(self, template, values, attributes=None):
        self.template = template
        self.attributes = {**ATTRIBUTES, **(attributes or {})}
        self.parameters = {name: self.parameter(name, p, values) for name, p in template["Parameters"].items()}
        unknown = set(values) - set(self.parameters)
        if unknown:
            raise TemplateError(f"the template has no parameter {sorted(unknown)}")
        for rule in template.get("Rules", {}).values():
            self.assert_rule(rule)

    @staticmethod
    def parameter(name, declared, values):
        if name not in values and "Default" not in declared:
            raise TemplateError(f"parameter {name} has neither a value nor a default")
        value = str(values.get(name, declared.get("Default")))
        pattern = declared.get("AllowedPattern")
        if pattern and not re.fullmatch(pattern, value):
            raise TemplateError(f"parameter {name} must match {pattern}, {value!r} does not")
        if value not in map(str, declared.get("AllowedValues", [value])):
            raise TemplateError(f"parameter {name} may not be {value!r}")
        if declared["Type"] == "Number" and not (
            declared.get("MinValue", -math.inf) <= float(value) <= declared.get("MaxValue", math.inf)
        ):
            raise TemplateError(f"parameter {name} may not be {value}")
        return value.split(",") if declared["Type"].startswith("List<") else value

    def assert_rule(self, rule):
        if "RuleCondition" in rule and not self.holds(rule["RuleCondition"]):
            return
        for assertion in rule["Assertions"]:
            if not self.holds(assertion["Assert"]):
                raise TemplateError(assertion["AssertDescription"])

    def resources(self):
        """name -> resource as it would be made; without those whose condition does not hold."""
        there = {n: r for n, r in self.template["Resources"].items() if self.condition(r.get("Condition"))}
        return {name: self.resolve(resource) for name, resource in there.items()}

    def outputs(self):
        there = {n: o for n, o in self.template["Outputs"].items() if self.condition(o.get("Condition"))}
        return {name: self.resolve(output["Value"]) for name, output in there.items()}

    def condition(self, name):
        return name is None or self.holds(self.template["Conditions"][name])

    def holds(self, test):
        [(function, operands)] = test.items()
        if function == "Condition":
            return self.condition(operands)
        if function == "Fn::Equals":
            left, right = self.resolve(operands)
            return left == right
        if function == "Fn::Not":
            return not self.holds(operands[0])
        if function in ("Fn::And", "Fn::Or"):
            return (all if function == "Fn::And" else any)(map(self.holds, operands))
        raise TemplateError(f"{function} is not known here as a condition")

    def name(self, name):
        for known in (self.parameters, PSEUDO, self.attributes):
            if name in known:
                return known[name]
        raise TemplateError(f"nothing is known of {name}")

    def resolve(self, value):
        if isinstance(value, list):
            return [item for item in map(self.resolve, value) if item is not NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            [(function, operand)] = value.items()
            if function == "Ref" or function.startswith("Fn::"):
                return self.call(function, operand)
        resolved = {key: self.resolve(item) for key, item in value.items()}
        return {key: item for key, item in resolved.items() if item is not NO_VALUE}

    def call(self, function, operand):
        if function == "Ref":
            return self.name(operand)
        if function == "Fn::GetAtt":
            return self.name(".".join(operand))
        if function == "Fn::If":
            name, then, otherwise = operand
            return self.resolve(then if self.condition(name) else otherwise)
        if function == "Fn::FindInMap":
            mapping, *keys = self.resolve(operand)
            found = self.template["Mappings"][mapping]
            for key in keys:
                found = found[key]
            return found
        if function == "Fn::Select":
            index, items = self.resolve(operand)
            return items[int(index)]
        if function == "Fn::Join":
            separator, items = operand
            return separator.join(self.resolve(items))
        if function == "Fn::Base64":
            return base64.b64encode(self.resolve(operand).encode()).decode()
        if function == "Fn::Sub":
            text, own = operand if isinstance(operand, list) else (operand, {})
            own = self.resolve(own)

            def substitute(match):
                name = match[1]
                if name.startswith("!"):
                    return f"${{{name[1:]}}}"
                return str(own[name] if name in own else self.name(name))

            return re.sub(r"\$\{([^}]*)\}", substitute, text)
        raise TemplateError(f"{function} is not known here")


def user_data(stack, launch_template="LaunchTemplate"):
    encoded = stack.resources()[launch_template]["Properties"]["LaunchTemplateData"]["UserData"]
    return base64.b64decode(encoded).decode()


def main(arguments):
    """Prints the script that an instance would run: TEMPLATE LAUNCH-TEMPLATE NAME=VALUE..."""
    path, launch_template, *values = arguments
    template = load(path)
    required = CLUSTER if "SubnetIds" in template["Parameters"] else NETWORK
    given = dict(value.split("=", 1) for value in values)
    print(user_data(Stack(template, {**required, **given}), launch_template), end="")


if __name__ == "__main__":
    main(sys.argv[1:])
