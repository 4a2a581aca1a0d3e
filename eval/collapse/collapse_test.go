package collapse_test

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/eval/collapse"
)

// Digits of one class show one kind, lie nearer together than all digits do, and are farther from them by their features.
func TestLook(t *testing.T) {
	ctx := context.Background()
	digits, err := dataset.Open(ctx, "mnist:test", dataset.Size{})
	if err != nil {
		t.Fatal(err)
	}
	w, err := collapse.NewWatch(ctx, &cpu.Engine{}, digits, 1)
	if err != nil {
		t.Fatal(err)
	}
	few := func(set *dataset.Set) collapse.Look {
		l, err := w.Look(ctx, set.Draw(collapse.Images, 2).Pixels)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	all, ones := few(digits), few(digits.OfClass(1))
	t.Logf("all: %+v, ones: %+v", all, ones)
	if all.Kinds() < 7 || all.Kinds() > 10 || w.Data.Kinds() < 7 || ones.Kinds() > 1.2 {
		t.Errorf("%.2f kinds of digits, %.2f in the watch's own, %.2f of ones; want about 8.7 and 1", all.Kinds(), w.Data.Kinds(), ones.Kinds())
	}
	if ones.Spacing > 0.7*all.Spacing || ones.FD < 1.5*all.FD || math.Abs(all.FD/w.Data.FD-1) > 0.5 {
		t.Errorf("digits %+v, ones %+v, the watch's own %+v", all, ones, w.Data)
	}
	var m collapse.Memory
	m.See(w.Data, all, ones)
	if how, news := m.See(w.Data, all, ones); !news || !strings.Contains(how, "1.0 kinds of images where the replay buffer shows") {
		t.Errorf("%q, %v", how, news)
	}
	if clothes, err := dataset.Open(ctx, "fashion-mnist", dataset.Size{}); err != nil {
		t.Fatal(err)
	} else if w, err := collapse.NewWatch(ctx, &cpu.Engine{}, clothes, 1); err != nil || !math.IsNaN(w.Data.Kinds()) || w.Data.Spacing < 0.05 {
		t.Errorf("clothes, of which no network knows the kinds: %+v, %v", w.Data, err)
	}
}

// Beside data of one image, which is next to no other, samples of any kind have not collapsed.
func TestLookBesideOneImage(t *testing.T) {
	digits, err := dataset.Open(t.Context(), "mnist:test", dataset.Size{})
	if err != nil {
		t.Fatal(err)
	}
	w, err := collapse.NewWatch(t.Context(), &cpu.Engine{}, digits.Draw(1, 1), 1)
	if err != nil {
		t.Fatal(err)
	}
	far, err := w.Look(t.Context(), digits.Draw(collapse.Images, 2).Pixels)
	if err != nil || far.Spacing < 0.05 {
		t.Errorf("samples %+v, %v", far, err)
	}
	var m collapse.Memory
	for range 3 {
		if how, _ := m.See(w.Data, far, collapse.Look{}); how != "" {
			t.Errorf("collapsed: %s", how)
		}
	}
}

// The rule: fewer than half as many kinds as both others, or less than half as far apart, twice in a row.
func TestSee(t *testing.T) {
	kinds := func(n, spacing float64) collapse.Look { return collapse.Look{Entropy: math.Log(n), Spacing: spacing} }
	good, one, near, unknown := kinds(9, 0.3), kinds(1, 0.3), kinds(9, 0.1), collapse.Look{Entropy: math.NaN(), Spacing: 0.3}
	const no, yes, news, over = "no", "yes", "news", "over"
	for _, test := range []struct {
		name    string
		buffer  collapse.Look
		samples []collapse.Look
		want    []string
	}{
		{"fine", good, []collapse.Look{good, kinds(4.6, 0.16)}, []string{no, no}},
		{"few kinds", good, []collapse.Look{one, one, one, good, one, one}, []string{no, news, yes, over, no, news}},
		{"near together", good, []collapse.Look{near, one, good}, []string{no, news, over}},
		{"now and then", good, []collapse.Look{one, good, one, good}, []string{no, no, no, no}},
		{"the buffer too", one, []collapse.Look{one, one}, []string{no, no}},
		{"no network", unknown, []collapse.Look{unknown, unknown}, []string{no, no}},
		{"no network, near", unknown, []collapse.Look{near, near}, []string{no, news}},
	} {
		var m collapse.Memory
		for i, s := range test.samples {
			how, changed := m.See(good, test.buffer, s)
			got := map[[2]bool]string{{false, false}: no, {true, false}: yes, {true, true}: news, {false, true}: over}[[2]bool{how != "", changed}]
			if got != test.want[i] {
				t.Errorf("%s, look %d: %s (%q), want %s", test.name, i+1, got, how, test.want[i])
			}
		}
	}
}
