package syntax

// Op is an operator, spelled as in a query.
type Op string

// The operators. OpExists and OpMissing are "!= nil" and "= nil".
const (
	OpAdd      Op = "+"
	OpSub      Op = "-"
	OpMul      Op = "*"
	OpDiv      Op = "/"
	OpMod      Op = "%"
	OpPow      Op = "^"
	OpEq       Op = "="
	OpNeq      Op = "!="
	OpRe       Op = "=~"
	OpNre      Op = "!~"
	OpGt       Op = ">"
	OpGte      Op = ">="
	OpLt       Op = "<"
	OpLte      Op = "<="
	OpAnd      Op = "&&"
	OpOr       Op = "||"
	OpNot      Op = "!"
	OpExists   Op = "!= nil"
	OpMissing  Op = "= nil"
	OpSibling  Op = "~"
	OpDesc     Op = ">>"
	OpAnce     Op = "<<"
	OpNotChild Op = "!>"
	OpNotPar   Op = "!<"
	OpNotDesc  Op = "!>>"
	OpNotAnce  Op = "!<<"
	OpAndChild Op = "&>"
	OpAndPar   Op = "&<"
	OpAndDesc  Op = "&>>"
	OpAndAnce  Op = "&<<"
	OpAndSib   Op = "&~"
)

// Precedence levels of the grammar. && and || bind equally, from the left, as
// in Tempo.
const (
	precLogic = iota + 1
	precCompare
	precSum
	precNot
	precProduct
	precPower
)

var precedence = map[Op]int{
	OpAnd: precLogic, OpOr: precLogic,
	OpEq: precCompare, OpNeq: precCompare, OpRe: precCompare, OpNre: precCompare,
	OpGt: precCompare, OpGte: precCompare, OpLt: precCompare, OpLte: precCompare,
	OpSibling: precCompare, OpDesc: precCompare, OpAnce: precCompare,
	OpNotChild: precCompare, OpNotPar: precCompare, OpNotDesc: precCompare, OpNotAnce: precCompare,
	OpAndChild: precCompare, OpAndPar: precCompare, OpAndDesc: precCompare,
	OpAndAnce: precCompare, OpAndSib: precCompare,
	OpAdd: precSum, OpSub: precSum,
	OpMul: precProduct, OpDiv: precProduct, OpMod: precProduct,
	OpPow: precPower,
}

// Arithmetic reports whether op calculates.
func (op Op) Arithmetic() bool { return precedence[op] >= precSum && op != OpNot }

// Comparison reports whether op compares two values of a span.
func (op Op) Comparison() bool {
	switch op {
	case OpEq, OpNeq, OpRe, OpNre, OpGt, OpGte, OpLt, OpLte:
		return true
	}
	return false
}

// Ordered reports whether op may compare two numbers of series or scalars.
func (op Op) Ordered() bool { return op.Comparison() && op != OpRe && op != OpNre }

// Structural reports whether op relates spans of a trace to each other.
func (op Op) Structural() bool {
	switch op {
	case OpGt, OpLt, OpNre:
		return true
	case OpEq, OpNeq, OpRe, OpGte, OpLte:
		return false
	}
	return precedence[op] == precCompare
}

// Negated reports whether a structural op selects what has no such relative.
func (op Op) Negated() bool { return op[0] == '!' }

// Union reports whether a structural op returns both sides of the relation.
func (op Op) Union() bool { return op[0] == '&' && op != OpAnd }

// Relation is the structural operator without its negation or union.
func (op Op) Relation() Op {
	if op.Negated() || op.Union() {
		return op[1:]
	}
	return op
}

// boolean reports whether op yields a boolean.
func (op Op) boolean() bool { return op.Comparison() || op == OpAnd || op == OpOr }

// accepts reports whether op can work on values of type t.
func (op Op) accepts(t Type) bool {
	switch t {
	case TypeAny, TypeArray:
		return true
	case TypeBool:
		return op == OpAnd || op == OpOr || op == OpEq || op == OpNeq
	case TypeInt, TypeFloat, TypeDuration:
		return op.Arithmetic() || op.Ordered()
	case TypeString:
		return op.Comparison()
	}
	return op == OpEq || op == OpNeq
}
