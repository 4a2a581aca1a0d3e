package dataset

// The data sets drawn when asked for, at any size: packages objects and parts.

import (
	"context"
	"fmt"
	"slices"

	"github.com/joule-ebm/joule/dataset/internal/paint"
	"github.com/joule-ebm/joule/dataset/objects"
	"github.com/joule-ebm/joule/dataset/parts"
)

// The sides that pictures are drawn with, in pixels. Others are scaled from the nearest of them.
const (
	leastDrawn, mostDrawn    = 16, 1024
	usualObjects, usualParts = 32, 64
)

// objectsSets are objects, labelled by shape, and objects:shape, objects:colour and so on, labelled by that.
func objectsSets() []builtInSet {
	sets := []builtInSet{objectsLabelledBy(objects.Shape, "objects")}
	for k, a := range objects.Attributes {
		sets = append(sets, objectsLabelledBy(k, "objects:"+a.Name))
	}
	return sets
}

func objectsLabelledBy(attribute int, name string) builtInSet {
	split := func(first uint64, n int) builtInSplit {
		return func(ctx context.Context, want Size, progress func(done, total int)) (*Set, error) {
			set, err := drawSet(ctx, n, want, usualObjects, progress, func(i int, dst []uint8, side int) {
				objects.At(0, first+uint64(i)).Draw(dst, side)
			})
			if err != nil {
				return nil, err
			}
			for _, a := range objects.Attributes {
				set.Attributes = append(set.Attributes, Attribute{Name: a.Name, Values: a.Values, Labels: make([]int32, n)})
			}
			for _, a := range objects.Numbers {
				set.Numbers = append(set.Numbers, Number{Name: a.Name, Min: a.Min, Max: a.Max, Values: make([]float64, n)})
			}
			for i := range n {
				scene := objects.At(0, first+uint64(i))
				for k, label := range scene.Labels {
					set.Attributes[k].Labels[i] = int32(label)
				}
				for k, x := range scene.Numbers {
					set.Numbers[k].Values[i] = x
				}
			}
			return set, set.LabelBy(objects.Attributes[attribute].Name)
		}
	}
	return builtInSet{name: name, subject: Objects, unseen: name + ":" + Test, common: true, usual: Size{usualObjects, usualObjects, 3}, images: objects.Train, splits: map[string]builtInSplit{
		Train: split(0, objects.Train), Test: split(objects.FirstTest, objects.Test)}}
}

// partsSets are parts, of all kinds; parts:KIND; parts:DEFECT and parts:KIND:DEFECT, which have no splits.
func partsSets() (sets []builtInSet) {
	usual := Size{usualParts, usualParts, 3}
	add := func(name string, kinds ...int) {
		sets = append(sets, builtInSet{name: name, subject: Parts, unseen: name + ":" + Test, common: true, usual: usual, images: len(parts.TrainingParts(kinds...)),
			splits: map[string]builtInSplit{
				Train:   drawParts("kind", func() []parts.Part { return parts.TrainingParts(kinds...) }),
				Test:    drawParts("kind", func() []parts.Part { return parts.TestParts(kinds...) }),
				Defects: drawParts("defect", func() []parts.Part { return parts.FaultyParts(kinds, nil) })}})
		for defect, word := range parts.Defects {
			if one := name + ":" + word; defect != parts.Good {
				sets = append(sets, builtInSet{name: one, subject: Parts, unseen: one, usual: usual, images: len(parts.FaultyParts(kinds, []int{defect})), splits: map[string]builtInSplit{
					"": drawParts("kind", func() []parts.Part { return parts.FaultyParts(kinds, []int{defect}) })}})
			}
		}
	}
	add("parts")
	for kind, name := range parts.Kinds {
		add("parts:"+name, kind)
	}
	return sets
}

// drawParts draws the parts listed, labelled by their kind or defect.
func drawParts(attribute string, listed func() []parts.Part) builtInSplit {
	return func(ctx context.Context, want Size, progress func(done, total int)) (*Set, error) {
		list := listed()
		set, err := drawSet(ctx, len(list), want, usualParts, progress, func(i int, dst []uint8, side int) { list[i].Draw(dst, nil, side) })
		if err != nil {
			return nil, err
		}
		var kinds, defects []int32
		for _, p := range list {
			kinds, defects = append(kinds, int32(p.Kind)), append(defects, int32(p.Defect))
		}
		set.Attributes = []Attribute{named("kind", parts.Kinds, kinds), named("defect", parts.Defects, defects)}
		return set, set.LabelBy(attribute)
	}
}

// named is an attribute without the values that no image has.
func named(name string, values []string, labels []int32) Attribute {
	a := Attribute{Name: name, Labels: labels}
	for value, word := range values {
		if slices.Contains(labels, int32(value)) {
			a.Values = append(a.Values, word)
		}
	}
	for i, label := range labels {
		labels[i] = int32(slices.Index(a.Values, values[label]))
	}
	return a
}

// drawSet draws n square pictures in colour of the wanted size, or of the size nearest to it that can be drawn.
func drawSet(ctx context.Context, n int, want Size, usual int, progress func(done, total int), one func(i int, dst []uint8, side int)) (*Set, error) {
	side := usual
	if want.Height > 0 {
		side = min(max(want.Height, want.Width, leastDrawn), mostDrawn)
	}
	size := Size{side, side, 3}
	if err := affordable(n, size); err != nil {
		return nil, err
	}
	set := &Set{Height: side, Width: side, Channels: 3, Pixels: make([]uint8, n*size.Len())}
	const chunk = 256
	for done := 0; done < n; done += chunk {
		err := paint.Each(ctx, min(chunk, n-done), func(i int) { one(done+i, set.Image(done+i), side) })
		if err != nil {
			return nil, fmt.Errorf("drawing: %w", err)
		}
		progress(min(done+chunk, n), n)
	}
	return set, nil
}
