// Package stablehlo prints programs in the text form of StableHLO, the language that XLA compiles
// (https://openxla.org/stablehlo/spec): a value a line, each with its type. It knows shapes and the rules of the text, and nothing of
// what a program is for.
package stablehlo

import (
	"fmt"
	"slices"
	"strings"
)

// Type is that of a tensor's elements.
type Type string

// The types that are used.
const (
	F32  Type = "f32"
	BF16 Type = "bf16"
	U32  Type = "ui32"
	U64  Type = "ui64"
	I32  Type = "i32"
	Bool Type = "i1"
)

// Tensor is a value of the program: a name, and the type behind it.
type Tensor struct {
	Name string
	Type Type
	Dims []int
}

func (t Tensor) String() string { return t.Name }

// Of is t's type as the text has it: tensor<2x3xf32>.
func (t Tensor) Of() string { return of(t.Type, t.Dims) }

func of(kind Type, dims []int) string {
	var b strings.Builder
	b.WriteString("tensor<")
	for _, d := range dims {
		fmt.Fprintf(&b, "%dx", d)
	}
	return b.String() + string(kind) + ">"
}

// Size is the number of elements.
func (t Tensor) Size() int {
	n := 1
	for _, d := range t.Dims {
		n *= d
	}
	return n
}

// Printer collects the text of a program of one function. What is printed a second time is not: the first value serves, wherever it is
// in scope. The zero value is ready to use.
type Printer struct {
	text   strings.Builder
	next   int
	scopes []map[string]Tensor // the lines of this block, and of the blocks around it, by what is right of the equals sign
	args   []string
}

// Argument adds an argument to the function.
func (p *Printer) Argument(kind Type, dims ...int) Tensor {
	t := Tensor{fmt.Sprintf("%%a%d", len(p.args)), kind, dims}
	p.args = append(p.args, t.Name+": "+t.Of())
	return t
}

// Donate marks the last argument as memory that the given result may be written to.
func (p *Printer) Donate(result int) {
	p.args[len(p.args)-1] += fmt.Sprintf(" {tf.aliasing_output = %d : i32}", result)
}

// Program is the text, for the results given.
func (p *Printer) Program(results []Tensor) string {
	names, types := list(results)
	return fmt.Sprintf("module @joule {\n  func.func public @main(%s) -> (%s) {\n%s    return %s : %s\n  }\n}\n",
		strings.Join(p.args, ", "), types, p.text.String(), names, types)
}

// list gives names and types, separated by commas.
func list(tensors []Tensor) (names, types string) {
	var n, t []string
	for _, x := range tensors {
		n, t = append(n, x.Name), append(t, x.Of())
	}
	return strings.Join(n, ", "), strings.Join(t, ", ")
}

// ints are numbers separated by commas.
func ints(n []int) string { return strings.Trim(strings.ReplaceAll(fmt.Sprint(n), " ", ", "), "[]") }

// line prints an operation that makes a tensor of the given type.
func (p *Printer) line(kind Type, dims []int, format string, args ...any) Tensor {
	text := fmt.Sprintf(format, args...)
	for _, scope := range p.scopes {
		if t, ok := scope[text]; ok {
			return t
		}
	}
	if len(p.scopes) == 0 {
		p.scopes = append(p.scopes, map[string]Tensor{})
	}
	t := Tensor{p.name(), kind, slices.Clone(dims)}
	fmt.Fprintf(&p.text, "    %s = %s\n", t.Name, text)
	p.scopes[len(p.scopes)-1][text] = t
	return t
}

// name is one that nothing has had.
func (p *Printer) name() string {
	p.next++
	return fmt.Sprintf("%%%d", p.next)
}

// Repeat runs body n times, n being part of the program. The state goes round: body is given it, with the number of the round from 0 on
// (an I32), and gives what it becomes, of the same types. The result is the state after the last round.
func (p *Printer) Repeat(n int, state []Tensor, body func(round Tensor, state []Tensor) []Tensor) []Tensor {
	all := append([]Tensor{p.Integer(I32, 0)}, state...)
	one, last := p.Integer(I32, 1), p.Integer(I32, uint64(n))
	_, types := list(all)
	inner, heads := make([]Tensor, len(all)), make([]string, len(all))
	for i, t := range all {
		inner[i] = Tensor{p.name(), t.Type, t.Dims}
		heads[i] = inner[i].Name + " = " + t.Name
	}
	loop := p.name()
	fmt.Fprintf(&p.text, "    %s:%d = stablehlo.while(%s) : %s\n    cond {\n", loop, len(all), strings.Join(heads, ", "), types)
	p.block(func() []Tensor { return []Tensor{p.Compare("LT", inner[0], last)} })
	p.text.WriteString("    } do {\n")
	p.block(func() []Tensor { return append([]Tensor{p.Same("add", inner[0], one)}, body(inner[0], inner[1:])...) })
	p.text.WriteString("    }\n")
	results := make([]Tensor, len(state))
	for i, t := range state {
		results[i] = Tensor{fmt.Sprintf("%s#%d", loop, i+1), t.Type, t.Dims}
	}
	return results
}

// block prints a region of its own: what is computed there is known only there.
func (p *Printer) block(body func() []Tensor) {
	p.scopes = append(p.scopes, map[string]Tensor{})
	names, types := list(body())
	fmt.Fprintf(&p.text, "    stablehlo.return %s : %s\n", names, types)
	p.scopes = p.scopes[:len(p.scopes)-1]
}
