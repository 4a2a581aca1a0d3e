package model

// This file reads the language in which models are composed, an expression over the names of models:
//
//	mixture     = product { "|" product }                 or: of one of them
//	product     = factor { "&" factor } [ "@" NUMBER ]    and: of all of them; @ gives an alternative of a mixture its log-weight
//	factor      = "!" factor | NUMBER "*" factor          not: a weight of -0.001; another weight
//	            | "(" mixture ")"
//	            | NAME [ ":" LABEL ]                      a model, or one class of a conditional model
//
// such as young:1 & smiling:1 & !male:1. A label is the name of a class or its number from 0, in quotes if it has spaces or signs of
// the language in it. Mistakes name the character.

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/joule-ebm/joule/energy"
)

// Negation is the weight of a model behind "!", as in the code of Du et al. (2021).
const Negation = -0.001

// Bounds of what is no mistake.
const (
	longestExpression = 10_000 // bytes
	deepestExpression = 100    // parentheses, negations and weights within each other
	largestWeight     = 1e6
	largestLogWeight  = 1e12 // log Z at low temperatures is large
)

type nodeKind uint8

const (
	nodePart nodeKind = iota
	nodeWeighted
	nodeAnd
	nodeOr
)

// node is an expression.
type node struct {
	kind        nodeKind
	at          int    // where it begins, in bytes
	name, label string // of a part
	labelled    bool
	labelAt     int
	weight      float64   // of a weighted node
	logWeights  []float64 // of the alternatives of a mixture; nil: equal
	of          []*node
}

// parts are the leaves.
func (n *node) parts() (leaves []*node) {
	if n.kind == nodePart {
		return []*node{n}
	}
	for _, part := range n.of {
		leaves = append(leaves, part.parts()...)
	}
	return leaves
}

// String is the expression in the language, parsed again to the same node.
func (n *node) String() string {
	var texts []string
	for i, part := range n.of {
		text := part.String()
		if part.kind > nodeWeighted && part.kind >= n.kind || n.kind == nodeWeighted && part.kind > nodeWeighted {
			text = "(" + text + ")"
		}
		if n.kind == nodeOr && n.logWeights != nil {
			text += " @ " + strconv.FormatFloat(n.logWeights[i], 'g', -1, 64)
		}
		texts = append(texts, text)
	}
	switch n.kind {
	case nodeAnd:
		return strings.Join(texts, " & ")
	case nodeOr:
		return strings.Join(texts, " | ")
	case nodeWeighted:
		if n.weight == Negation {
			return "!" + texts[0]
		}
		return strconv.FormatFloat(n.weight, 'g', -1, 64) + "*" + texts[0]
	}
	switch {
	case !n.labelled:
		return n.name
	case n.label == "" || strings.ContainsFunc(n.label, endsLabel):
		quote := `"`
		if strings.Contains(n.label, quote) {
			quote = "'"
		}
		return n.name + ":" + quote + n.label + quote
	}
	return n.name + ":" + n.label
}

// parser reads an expression from left to right.
type parser struct {
	text  string
	at    int // in bytes
	depth int
}

// parse reads an expression.
func parse(text string) (*node, error) {
	p := &parser{text: text}
	if len(text) > longestExpression {
		return nil, fmt.Errorf("an expression of %d bytes: want at most %d", len(text), longestExpression)
	}
	if !utf8.ValidString(text) {
		return nil, fmt.Errorf("the expression %q is no UTF-8 text", text)
	}
	n, err := p.mixture()
	if err != nil {
		return nil, err
	}
	if p.peek() != end {
		return nil, p.wrong(p.at, "want &, | or the end")
	}
	return n, nil
}

// wrong points at the character that begins at a byte.
func (p *parser) wrong(at int, format string, args ...any) error {
	return wrongAt(p.text, at, format, args...)
}

// wrongAt points at a character of an expression.
func wrongAt(text string, at int, format string, args ...any) error {
	from, to, before, after := 0, len(text), "", ""
	if at > 40 {
		for from, before = at-30, "..."; !utf8.RuneStart(text[from]); { // not within a character
			from++
		}
	}
	if to > at+40 {
		to, after = at+30, "..."
		for !utf8.RuneStart(text[to]) {
			to++
		}
	}
	return fmt.Errorf("character %d of the expression (%s%s▸%s%s): %w", utf8.RuneCountInString(text[:at])+1, before, text[from:at], text[at:to], after,
		fmt.Errorf(format, args...))
}

const end = -1 // in place of a character

// peek is the next character that is no space.
func (p *parser) peek() rune {
	p.at += len(p.text[p.at:]) - len(strings.TrimLeftFunc(p.text[p.at:], unicode.IsSpace))
	if p.at == len(p.text) {
		return end
	}
	r, _ := utf8.DecodeRuneInString(p.text[p.at:])
	return r
}

// accept takes the sign r, if it is next.
func (p *parser) accept(r rune) bool {
	if p.peek() != r {
		return false
	}
	p.at += utf8.RuneLen(r)
	return true
}

func (p *parser) mixture() (*node, error) {
	p.peek()
	or := &node{kind: nodeOr, at: p.at}
	for len(or.of) == 0 || p.accept('|') {
		part, err := p.product()
		if err != nil {
			return nil, err
		}
		or.of = append(or.of, part)
		at := p.at
		if weighted := p.accept('@'); weighted {
			weight, err := p.number()
			if err != nil {
				return nil, err
			}
			if math.Abs(weight) > largestLogWeight {
				return nil, p.wrong(at, "want a log-weight of at most %g", float64(largestLogWeight))
			}
			or.logWeights = append(or.logWeights, weight)
		}
		if n := len(or.logWeights); n > 0 && n != len(or.of) {
			return nil, p.wrong(at, "a log-weight (@) for all alternatives of a mixture or for none")
		}
		if p.peek() != '|' && len(or.of) == 1 && or.logWeights != nil {
			return nil, p.wrong(at, "a log-weight (@) is for the alternatives of a mixture (|)")
		}
	}
	if len(or.of) == 1 {
		return or.of[0], nil
	}
	return or, nil
}

func (p *parser) product() (*node, error) {
	p.peek()
	and := &node{kind: nodeAnd, at: p.at}
	for len(and.of) == 0 || p.accept('&') {
		part, err := p.factor()
		if err != nil {
			return nil, err
		}
		and.of = append(and.of, part)
	}
	if len(and.of) == 1 {
		return and.of[0], nil
	}
	return and, nil
}

func (p *parser) factor() (*node, error) {
	r := p.peek()
	at := p.at
	if p.depth++; p.depth > deepestExpression {
		return nil, p.wrong(at, "more than %d levels", deepestExpression)
	}
	defer func() { p.depth-- }()
	weight := Negation
	switch {
	case p.accept('('):
		n, err := p.mixture()
		if err != nil {
			return nil, err
		}
		if !p.accept(')') {
			return nil, p.wrong(p.at, "want &, | or )")
		}
		return n, nil
	case p.accept('!'):
	case startsNumber(r):
		var err error
		if weight, err = p.number(); err != nil {
			return nil, err
		}
		if math.Abs(weight) > largestWeight {
			return nil, p.wrong(at, "want a weight of at most %g", float64(largestWeight))
		}
		if !p.accept('*') {
			return nil, p.wrong(p.at, "want * after a number, such as 0.5*name")
		}
	case startsName(r):
		return p.part()
	case at > 0 && (r == '&' || r == '|') && p.text[at-1] == byte(r):
		return nil, p.wrong(at, "want a name, a weight, ! or (: one %c is enough", r)
	default:
		return nil, p.wrong(at, "want a name, a weight, ! or (")
	}
	of, err := p.factor()
	return &node{kind: nodeWeighted, at: at, weight: weight, of: []*node{of}}, err
}

func (p *parser) part() (*node, error) {
	n := &node{kind: nodePart, at: p.at}
	n.name = p.take(func(r rune) bool { return !inName(r) })
	if !p.accept(':') {
		return n, nil
	}
	n.labelled = true
	quote := p.peek()
	n.labelAt = p.at
	if quote != '"' && quote != '\'' {
		if n.label = p.take(endsLabel); n.label == "" {
			return nil, p.wrong(p.at, "want a label after :")
		}
		return n, nil
	}
	p.at++
	n.label = p.take(func(r rune) bool { return r == quote })
	if p.at == len(p.text) {
		return nil, p.wrong(n.labelAt, "the quotation does not end")
	}
	p.at++
	return n, nil
}

func (p *parser) number() (float64, error) {
	p.peek()
	at, last := p.at, rune(end)
	text := p.take(func(r rune) bool {
		sign := (r == '+' || r == '-') && (last == end || last == 'e' || last == 'E')
		last = r
		return !(sign || r >= '0' && r <= '9' || r == '.' || r == 'e' || r == 'E')
	})
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, p.wrong(at, "want a number")
	}
	return v, nil
}

// take takes the characters before the first that ends it.
func (p *parser) take(ends func(rune) bool) string {
	from := p.at
	if n := strings.IndexFunc(p.text[from:], ends); n >= 0 {
		p.at += n
	} else {
		p.at = len(p.text)
	}
	return p.text[from:p.at]
}

func startsNumber(r rune) bool { return r != end && strings.ContainsRune("+-.0123456789", r) }
func startsName(r rune) bool   { return r == '_' || unicode.IsLetter(r) }
func inName(r rune) bool       { return startsName(r) || r == '-' || unicode.IsDigit(r) }
func endsLabel(r rune) bool    { return unicode.IsSpace(r) || strings.ContainsRune(`&|!()*:@'"`, r) }

// energy builds the expression; part gives the energies of its leaves.
func (n *node) energy(mixture energy.Mixture, part func(*node) (*energy.Energy, error)) (*energy.Energy, error) {
	if n.kind == nodePart {
		return part(n)
	}
	var of []*energy.Energy
	for _, child := range n.of {
		e, err := child.energy(mixture, part)
		if err != nil {
			return nil, err
		}
		of = append(of, e)
	}
	switch n.kind {
	case nodeWeighted:
		return energy.Weighted(n.weight, of[0]), nil
	case nodeAnd:
		return energy.And(of...)
	}
	mixture.LogWeights = n.logWeights
	return energy.Or(mixture, of...)
}
