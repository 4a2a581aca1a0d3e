package shipped_test

import (
	"testing"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/eval/features/shipped"
)

func TestWhichNetwork(t *testing.T) {
	for _, test := range []struct {
		subject              string
		height, width, depth int
		own, sized           string // names; empty: none
	}{
		{dataset.Digits, 28, 28, 1, "digits", "digits"},
		{dataset.Clothes, 28, 28, 1, "", "digits"},
		{"", 28, 28, 1, "", "digits"},
		{dataset.Digits, 32, 32, 1, "", ""},
		{dataset.Objects, 32, 32, 3, "scenes", "scenes"},
		{dataset.Objects, 64, 64, 3, "scenes", "scenes"},
		{"", 64, 64, 3, "", ""},
		{"", 32, 32, 3, "photographs", "photographs"},
		{dataset.Parts, 32, 32, 3, "", "photographs"},
	} {
		set := &dataset.Set{Subject: test.subject, Height: test.height, Width: test.width, Channels: test.depth}
		own, err := shipped.For(&cpu.Engine{}, set)
		if err != nil {
			t.Fatal(err)
		}
		sized, err := shipped.Sized(&cpu.Engine{}, set)
		if err != nil {
			t.Fatal(err)
		}
		if (own == nil) != (test.own == "") || own != nil && own.Name() != test.own || (sized == nil) != (test.sized == "") || sized != nil && sized.Name() != test.sized {
			t.Errorf("%q, %dx%dx%d: %v and %v, want %q and %q", test.subject, test.height, test.width, test.depth, own, sized, test.own, test.sized)
		}
	}
	if _, err := shipped.Named(&cpu.Engine{}, "vgg"); err == nil {
		t.Error("a network that does not come with joule is made")
	}
}
