"""The small arithmetic of ``having``, ``when`` and ``fields``: to SQL, and to a value in Python.

Grammar (Python's own, a subset): numbers, 'texts', names, ``+ - * / //``, comparisons, ``in (..)``, ``and or not``,
and the functions below; ``holds(x)`` is 1 when x is true and else 0. Division is in DOUBLE and gives null for a zero
divisor. Null (a measure that does not exist) makes a comparison false.
"""

import ast
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Value = str | int | float | bool | None

_ARITHMETIC: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
}
_COMPARISON: dict[type[ast.cmpop], str] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "=",
    ast.NotEq: "<>",
}
_FUNCTIONS = {"coalesce": 2, "least": 2, "greatest": 2, "abs": 1, "ln": 1, "missing": 1, "lower": 1, "holds": 1}


class ExpressionRefused(ValueError):
    """An expression outside the grammar; the caller knows the file and line."""


def quoted(text: str) -> str:
    """Return a text as an SQL literal; a NUL cannot stand in one."""
    if "\0" in text:
        raise ExpressionRefused("a NUL byte cannot be written in SQL")
    return "'" + text.replace("'", "''") + "'"


def literal(value: Value) -> str:
    """Return a constant as SQL."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, str):
        return quoted(value)
    if not math.isfinite(value):
        raise ExpressionRefused("a number must be finite")
    return repr(value)


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression and the names it uses."""

    text: str
    tree: ast.expr
    names: frozenset[str]

    def sql(self, names: Mapping[str, str]) -> str:
        """Return SQL, each name replaced by what ``names`` says; an unknown name is refused."""
        unknown = sorted(self.names - names.keys())
        if unknown:
            raise ExpressionRefused(f"unknown name {unknown[0]}")
        return _sql(self.tree, names)

    def value(self, values: Mapping[str, Value]) -> Value:
        """Return the value with the names bound to ``values``; a missing name is null."""
        return _value(self.tree, values)


def parse(text: str) -> Expression:
    """Parse an expression, or raise ExpressionRefused saying what is not allowed."""
    try:
        tree = ast.parse(" ".join(str(text).split()), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ExpressionRefused(f"not an expression: {text}") from error
    names: set[str] = set()
    _check(tree, names)
    return Expression(str(text), tree, frozenset(names))


def _check(node: ast.expr, names: set[str]) -> None:
    match node:
        case ast.Name(id=name):
            names.add(name)
        case ast.Constant(value=bool() | int() | float() | str() as value):
            literal(value)
        case ast.BoolOp(values=parts) | ast.Tuple(elts=parts) | ast.List(elts=parts):
            for part in parts:
                _check(part, names)
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            _check(operand, names)
        case ast.BinOp(op=arithmetic, left=left, right=right) if type(arithmetic) in _ARITHMETIC:
            _check(left, names)
            _check(right, names)
        case ast.Compare(left=left, ops=ops, comparators=others):
            _check(left, names)
            for op, other in zip(ops, others, strict=True):
                listed = isinstance(op, ast.In | ast.NotIn) and isinstance(other, ast.Tuple | ast.List) and other.elts
                if type(op) not in _COMPARISON and not listed:
                    raise ExpressionRefused(f"comparison not allowed: {ast.unparse(node)}")
                _check(other, names)
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if _FUNCTIONS.get(name, 99) <= len(
            arguments
        ):
            for argument in arguments:
                _check(argument, names)
        case _:
            raise ExpressionRefused(f"not allowed here: {ast.unparse(node)}")


def _sql(node: ast.expr, names: Mapping[str, str]) -> str:
    def below(part: ast.expr) -> str:
        return _sql(part, names)

    match node:
        case ast.Name(id=name):
            return names[name]
        case ast.Constant(value=bool() | int() | float() | str() as value):
            return literal(value)
        case ast.BoolOp(op=op, values=parts):
            return "(" + (" AND " if isinstance(op, ast.And) else " OR ").join(below(part) for part in parts) + ")"
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return f"(NOT coalesce({below(operand)}, FALSE))"
        case ast.UnaryOp(operand=operand):
            return f"(- {below(operand)})"
        case ast.BinOp(op=ast.Div(), left=left, right=right):
            return f"(CAST({below(left)} AS DOUBLE) / nullif({below(right)}, 0))"
        case ast.BinOp(op=op, left=left, right=right):
            return f"({below(left)} {_ARITHMETIC[type(op)]} {below(right)})"
        case ast.Compare(left=left, ops=ops, comparators=others):
            pairs = zip([left, *others], ops, others, strict=False)
            return "(" + " AND ".join(_compare_sql(a, op, b, below) for a, op, b in pairs) + ")"
        case ast.Call(func=ast.Name(id="missing"), args=[argument]):
            return f"({below(argument)} IS NULL)"
        case ast.Call(func=ast.Name(id="holds"), args=[argument]):
            return f"(CASE WHEN {below(argument)} THEN 1 ELSE 0 END)"
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return f"{name}(" + ", ".join(below(argument) for argument in arguments) + ")"
    raise ExpressionRefused(f"not allowed here: {ast.unparse(node)}")


def _compare_sql(left: ast.expr, op: ast.cmpop, right: ast.expr, below: Callable[[ast.expr], str]) -> str:
    if isinstance(op, ast.In | ast.NotIn) and isinstance(right, ast.Tuple | ast.List):
        listed = ", ".join(below(part) for part in right.elts)
        return f"{below(left)} {'NOT ' if isinstance(op, ast.NotIn) else ''}IN ({listed})"
    return f"{below(left)} {_COMPARISON[type(op)]} {below(right)}"


def _value(node: ast.expr, values: Mapping[str, Value]) -> Value:
    match node:
        case ast.Name(id=name):
            return values.get(name)
        case ast.Constant(value=bool() | int() | float() | str() as value):
            return value
        case ast.BoolOp(op=ast.And(), values=parts):
            return all(_value(part, values) for part in parts)
        case ast.BoolOp(values=parts):
            return any(_value(part, values) for part in parts)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return not _value(operand, values)
        case ast.UnaryOp(operand=operand):
            number = _number(_value(operand, values))
            return None if number is None else -number
        case ast.BinOp(op=op, left=left, right=right):
            return _arithmetic(op, _number(_value(left, values)), _number(_value(right, values)))
        case ast.Compare(left=left, ops=ops, comparators=others):
            pairs = zip([left, *others], ops, others, strict=False)
            return all(_compare(a, op, b, values) for a, op, b in pairs)
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return _call(name, [_value(argument, values) for argument in arguments])
    raise ExpressionRefused(f"not allowed here: {ast.unparse(node)}")


def _number(value: Value) -> int | float | None:
    return value if isinstance(value, int | float) else None


def _arithmetic(op: ast.operator, left: int | float | None, right: int | float | None) -> int | float | None:
    if left is None or right is None or (isinstance(op, ast.Div | ast.FloorDiv) and right == 0):
        return None
    match op:
        case ast.Add():
            return left + right
        case ast.Sub():
            return left - right
        case ast.Mult():
            return left * right
        case ast.FloorDiv():
            return left // right
    return left / right


def _compare(left: ast.expr, op: ast.cmpop, right: ast.expr, values: Mapping[str, Value]) -> bool:
    first = _value(left, values)
    if isinstance(op, ast.In | ast.NotIn) and isinstance(right, ast.Tuple | ast.List):
        found = first in [_value(part, values) for part in right.elts]
        return first is not None and found == isinstance(op, ast.In)
    second = _value(right, values)
    if first is None or second is None:
        return False
    if isinstance(op, ast.Eq | ast.NotEq):
        return (first == second) == isinstance(op, ast.Eq)
    if isinstance(first, str) or isinstance(second, str):
        return False
    return {ast.Lt: first < second, ast.LtE: first <= second, ast.Gt: first > second, ast.GtE: first >= second}[
        type(op)
    ]


def _call(name: str, values: list[Value]) -> Value:
    if name == "missing":
        return values[0] is None
    if name == "holds":
        return 1 if values[0] else 0
    if name == "coalesce":
        return next((value for value in values if value is not None), None)
    if name == "lower":
        return str(values[0]).lower() if values[0] is not None else None
    numbers = [number for number in map(_number, values) if number is not None]
    if not numbers:
        return None
    if name in {"least", "greatest"}:
        return min(numbers) if name == "least" else max(numbers)
    return abs(numbers[0]) if name == "abs" else math.log(numbers[0]) if numbers[0] > 0 else None
