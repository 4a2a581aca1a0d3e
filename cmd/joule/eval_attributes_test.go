package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/eval/attributes"
	"github.com/joule-ebm/joule/expr"
)

func TestEvalAttributes(t *testing.T) {
	trained := newModel(t, expr.Shape{28, 28, 1}, "0", "1")
	code, out, stderr := joule("eval", "attributes", trained, "-n", "6", "--steps", "2", "--label", "1", "--want", "digit=3|digit=1", "--json")
	var r attributes.Report
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != 0 {
		t.Fatalf("%v, exit code %d: %s", err, code, stderr)
	}
	if r.Samples != 6 || r.Steps != 2 || r.Shown.Of != 6 || r.Chance.Value < 0.15 || r.Chance.Value > 0.3 || r.Want != "digit=3|digit=1" {
		t.Errorf("%+v", r)
	}
	if out := mustJoule(t, "eval", "attributes", trained, "-n", "3", "--steps", "1"); !strings.Contains(out, "3 samples by chains of 1 steps") || !strings.Contains(out, "digit: ") {
		t.Error(out)
	}
	for _, r := range []refused{
		{[]string{"eval", "attributes", trained, "--want", "digit"}, 2, "--want"},
		{[]string{"eval", "attributes", trained, "--want", "digit=x", "--steps", "1", "-n", "1"}, 1, `no digit "x"`},
		{[]string{"eval", "attributes", trained, "--in", "fashion-mnist", "--steps", "1", "-n", "1"}, 1, "nothing reads"},
	} {
		r.check(t)
	}
}
