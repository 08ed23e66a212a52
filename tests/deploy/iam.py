"""How IAM decides, for policies within one account: what a policy denies is denied; else what one allows is allowed;
the rest is denied.

Only what the policies of the templates of deploy/ use is known. Any other key, operator or variable is an error.
"""

import re

DENIED, ALLOWED, NOT_ALLOWED = "denied", "allowed", "not allowed"


class PolicyError(Exception):
    """A policy holds what this module does not know."""


def listed(value):
    return value if isinstance(value, list) else [value]


def like(pattern, text):
    """`*` is any run of characters, `?` any one."""
    if "${" in pattern:
        raise PolicyError(f"{pattern} holds a variable, and none is known here")
    parts = {"*": ".*", "?": "."}
    return re.fullmatch("".join(parts.get(c) or re.escape(c) for c in pattern), text, re.DOTALL) is not None


OPERATORS = {
    "StringEquals": lambda wanted, found: wanted == found,
    "StringLike": like,
    "ArnLike": like,
    "Bool": lambda wanted, found: wanted.lower() == found.lower(),
    "NumericLessThan": lambda wanted, found: float(found) < float(wanted),
}


def key_holds(operator, key, wanted, known):
    found = known.get(key.lower())
    if operator == "Null":
        return (str(wanted).lower() == "true") == (found is None)
    if operator not in OPERATORS:
        raise PolicyError(f"the operator {operator} is not known here")
    # A key that the request does not have fails: most surprises are made of this.
    return found is not None and any(OPERATORS[operator](str(value), found) for value in listed(wanted))


def condition_holds(condition, context):
    """Every key of every operator must hold, for one of its values."""
    known = {key.lower(): value for key, value in context.items()}
    tests = [(operator, key, wanted) for operator, keys in condition.items() for key, wanted in keys.items()]
    # A list, so that each is looked at: what is not known must be an error wherever it stands.
    return all([key_holds(*test, known) for test in tests])


def applies(statement, action, resource, context):
    unknown = set(statement) - {"Sid", "Effect", "Principal", "Action", "Resource", "Condition"}
    if unknown:
        raise PolicyError(f"{sorted(unknown)} in a statement is not known here")
    if statement.get("Principal", "*") != "*":
        raise PolicyError("only the principal * is known here")
    if statement["Effect"] not in ("Allow", "Deny"):
        raise PolicyError(f"the effect {statement['Effect']} is not known here")
    # Both are always looked at, so that what is not known is an error whatever the request.
    holds = condition_holds(statement.get("Condition", {}), context)
    is_meant = any(like(pattern.lower(), action.lower()) for pattern in listed(statement["Action"]))
    return holds and is_meant and any(like(pattern, resource) for pattern in listed(statement["Resource"]))


def decide(policies, action, resource, context):
    """DENIED by a statement, ALLOWED by one, or NOT_ALLOWED by any."""
    statements = [s for policy in policies for s in listed(policy["Statement"])]
    effects = {s["Effect"] for s in statements if applies(s, action, resource, context)}
    return DENIED if "Deny" in effects else ALLOWED if "Allow" in effects else NOT_ALLOWED
