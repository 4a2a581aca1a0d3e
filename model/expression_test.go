package model

import (
	"strings"
	"testing"
)

func TestExpressions(t *testing.T) {
	for text, want := range map[string]string{
		"a":                              "a",
		" young:1 & smiling:1 & !male:1": "young:1 & smiling:1 & !male:1",
		"a|b&c":                          "a | b & c",
		"(a|b)&c":                        "(a | b) & c",
		"(a | b) | c":                    "(a | b) | c",
		"a & (b & c)":                    "a & (b & c)",
		"0.50*a & -1e-3*b & -.01*!c":     "0.5*a & !b & -0.01*!c",
		"2*(a | b)":                      "2*(a | b)",
		"!(a:0 & b) | ((c))":             "!(a:0 & b) | c",
		"a @ -1.5 | b & c @ 1e3":         "a @ -1.5 | b & c @ 1000",
		"a:T-shirt/top | a:'left over' | a:\"it's\"": `a:T-shirt/top | a:"left over" | a:"it's"`,
		"größe-2:ß & _x":                             "größe-2:ß & _x",
		"a:''":                                       `a:""`,
	} {
		n, err := parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if got := n.String(); got != want {
			t.Errorf("%s is read as %s, want %s", text, got, want)
		}
	}
}

// Mistakes are pointed at.
func TestExpressionMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"":                                   "character 1 of the expression (▸): want a name",
		"a && b":                             "character 4 of the expression (a &▸& b): want a name",
		"a || b":                             "character 4 of the expression (a |▸| b): want a name, a weight, ! or (: one | is enough",
		"a @ 1e13 | b @ 1":                   "a log-weight of at most 1e+12",
		"a b":                                "character 3 of the expression (a ▸b): want &, | or the end",
		"(a | b":                             "character 7 of the expression ((a | b▸): want &, | or )",
		"a)":                                 "character 2",
		"2 a":                                "character 3 of the expression (2 ▸a): want * after a number",
		"1e400*a":                            "character 1 of the expression (▸1e400*a): want a number",
		"1e7*a":                              "a weight of at most 1e+06",
		"ö & ß:":                             "character 7 of the expression (ö & ß:▸): want a label",
		"a:'x":                               "character 3 of the expression (a:▸'x): the quotation",
		"a @ 1 | b":                          "character 10 of the expression (a @ 1 | b▸): a log-weight",
		"a | b @ 1":                          "character 7 of the expression (a | b ▸@ 1): a log-weight",
		"a @ 1":                              "character 3 of the expression (a ▸@ 1): a log-weight (@) is for the alternatives",
		"a @ x | b":                          "want a number",
		"%":                                  "▸%",
		"a\x00":                              "character 2",
		"a & \xff":                           "no UTF-8",
		"!" + strings.Repeat("(", 200) + "a": "more than 100 levels",
		strings.Repeat("a & ", 100) + "? & " + strings.Repeat("b & ", 100): "character 401 of the expression (...& a & a & a & a & a & a & a & ▸? & b & b & b & b & b & b & b ...)",
		strings.Repeat("a&", 6000): "12000 bytes",
	} {
		_, err := parse(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: error %v, want %q", text, err, want)
		}
	}
}

// What is read is written as text that is read as the same; nothing makes the parser fail otherwise than by an error.
func FuzzExpression(f *testing.F) {
	for _, seed := range []string{"young:1 & smiling:1 & !male:1", "0.5*(a|b) @ -1 | c:'x y' @ 2e3", "!!a", "-1*a:\"\"", "((", "a:&", "1e*a", "ä:ö"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := parse(text)
		if err != nil {
			if strings.TrimSpace(err.Error()) == "" {
				t.Error("an error that says nothing")
			}
			return
		}
		again, err := parse(n.String())
		if err != nil {
			t.Fatalf("%q is read as %s, which is refused: %v", text, n, err)
		}
		if again.String() != n.String() || len(again.parts()) != len(n.parts()) {
			t.Fatalf("%q is read as %s, that as %s", text, n, again)
		}
	})
}
