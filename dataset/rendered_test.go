package dataset

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/dataset/objects"
	"github.com/joule-ebm/joule/dataset/parts"
)

func TestObjects(t *testing.T) {
	ctx := context.Background()
	calls := 0
	set, err := Open(ctx, "objects:test", Size{}, WithProgress(func(done, total int) { calls++ }))
	if err != nil {
		t.Fatal(err)
	}
	if set.Len() != objects.Test || set.Size() != (Size{32, 32, 3}) || set.Subject != Objects || set.Resized || calls == 0 {
		t.Errorf("%d images of %v, subject %q, resized %v, %d reports of progress", set.Len(), set.Size(), set.Subject, set.Resized, calls)
	}
	scene, picture := objects.At(0, objects.FirstTest+77), make([]uint8, 32*32*3)
	scene.Draw(picture, 32)
	if !bytes.Equal(picture, set.Image(77)) {
		t.Error("image 77 is not scene 77 of those to test with")
	}
	for k, a := range set.Attributes {
		if a.Name != objects.Attributes[k].Name || a.Labels[77] != int32(scene.Labels[k]) {
			t.Errorf("attribute %s of image 77 is %s", a.Name, a.Values[a.Labels[77]])
		}
	}
	for k, n := range set.Numbers {
		if n.Name != objects.Numbers[k].Name || n.Values[77] != scene.Numbers[k] {
			t.Errorf("number %s of image 77 is %v", n.Name, n.Values[77])
		}
	}
	if !slices.Equal(set.Classes, objects.Attributes[objects.Shape].Values) || !slices.Equal(set.Labels, set.Attributes[objects.Shape].Labels) {
		t.Errorf("labelled by %v", set.Classes)
	}

	// A label is chosen by name; a size is drawn, not scaled; other shapes are cut from what is drawn.
	blue, err := Open(ctx, "objects:colour:test", Size{Height: 16, Width: 16})
	if err != nil {
		t.Fatal(err)
	}
	if blue.Classes[blue.Labels[77]] != objects.Attributes[objects.Colour].Values[scene.Labels[objects.Colour]] || blue.Resized || blue.Size() != (Size{16, 16, 3}) {
		t.Errorf("image 77 of %v is %s, resized %v", blue.Size(), blue.Classes[blue.Labels[77]], blue.Resized)
	}
	if wide, err := Open(ctx, "parts:nut:bend", Size{16, 24, 1}); err != nil || wide.Size() != (Size{16, 24, 1}) || !wide.Resized {
		t.Errorf("%v, %v", wide, err)
	}
	// Training scenes are others.
	again := objects.At(0, 77)
	again.Draw(picture, 32)
	if bytes.Equal(picture, set.Image(77)) {
		t.Error("scene 77 is in both splits")
	}

	stopped, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := Open(stopped, "objects", Size{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestPartsSets(t *testing.T) {
	ctx, small := context.Background(), Size{Height: 16, Width: 16}
	for _, c := range []struct {
		ref     string
		n       int
		classes []string
	}{
		{"parts:test", len(parts.Kinds) * parts.Test, parts.Kinds},
		{"parts:nut", parts.Train, []string{"nut"}},
		{"parts:nut:test", parts.Test, []string{"nut"}},
		{"parts:nut:defects", 5 * parts.Faulty, parts.Defects[1:]},
		{"parts:scratch", len(parts.Kinds) * parts.Faulty, parts.Kinds},
		{"parts:nut:bend", parts.Faulty, []string{"nut"}},
	} {
		set, err := Open(ctx, c.ref, small)
		if err != nil {
			t.Errorf("%s: %v", c.ref, err)
			continue
		}
		counts := make([]int, len(set.Classes))
		for _, label := range set.Labels {
			counts[label]++
		}
		if set.Len() != c.n || !slices.Equal(set.Classes, c.classes) || slices.Min(counts) != c.n/len(c.classes) {
			t.Errorf("%s: %d images, of the classes %v %v", c.ref, set.Len(), set.Classes, counts)
		}
	}
	defects, err := Open(ctx, "parts:nut:defects", small)
	if err != nil {
		t.Fatal(err)
	}
	picture := make([]uint8, 16*16*3)
	parts.FaultyParts([]int{slices.Index(parts.Kinds, "nut")}, nil)[33].Draw(picture, nil, 16)
	if !bytes.Equal(picture, defects.Image(33)) {
		t.Error("image 33 is not the 34th of the faulty parts, which have masks")
	}
}

func TestRenderedRefuses(t *testing.T) {
	for ref, words := range map[string]string{
		"objects:shap":       "objects:colour, objects:position, objects:shape, objects:size",
		"parts:nut:tear":     "parts:nut",
		"objects:val":        "objects has no val split: use objects:test or objects:train",
		"parts:scratch:test": "parts:scratch has no splits",
		"object":             "fashion-mnist, mnist, objects, parts",
	} {
		_, err := Open(context.Background(), ref, Size{})
		if err == nil || !strings.Contains(err.Error(), words) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v; want one line with %q", ref, err, words)
		}
	}
}

func TestContrastOfRendered(t *testing.T) {
	for _, ref := range []string{"objects", "objects:shape", "parts:nut:test"} {
		if got := Contrast(ref, Size{32, 32, 3}); got != "mnist:test" {
			t.Errorf("%s: %s", ref, got)
		}
	}
}
