package run_test

// This file takes an energy of one's own, a Go function, through everything that the networks built in go through: it is trained,
// killed and resumed (kill_test.go), saved, opened again, calibrated and scored, and draws samples.

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/joule-ebm/joule/detect"
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/model"
	"github.com/joule-ebm/joule/run"
)

// ownEnergy is the name of an energy that no part of Joule knows: a Gaussian about a learnt image, and a layer that looks for edges.
const ownEnergy = "a test's own"

func init() {
	err := model.Register(ownEnergy, func(o energy.Options) (*energy.Energy, error) {
		return &energy.Energy{Image: o.Image, Classes: o.Classes, Build: func(p *energy.Params, x, label *expr.Value) []*expr.Value {
			d := expr.Sub(x, p.Get("mean", x.Shape(), energy.Constant(0.5, energy.Array)))
			edges := energy.Condition(p, "label", energy.Conv(p, "edges", x, 4, energy.PlainKernel), label)
			return []*expr.Value{expr.Affine(expr.Total(expr.Mul(d, d)), 0.01, 0), energy.Head(p, "head", edges)}
		}}, nil
	})
	if err != nil {
		panic(err)
	}
}

func TestOwnEnergy(t *testing.T) {
	for _, conditional := range []string{"false", "true"} {
		data, dir := stripes(t, t.TempDir(), 300, 1), filepath.Join(t.TempDir(), "run")
		c := config(t, data, "network.name="+ownEnergy, "network.filters=0", "network.conditional="+conditional, calibrating)
		ctx, options := stopAt(t, 10)
		if _, err := run.Start(ctx, dir, c, options); err != nil {
			t.Fatal(err)
		}
		result := resume(t, dir, nil)
		if result.Interrupted || result.Iteration != 30 {
			t.Fatalf("the run ended as %+v", result)
		}

		m, err := model.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		copied := filepath.Join(t.TempDir(), "copy.safetensors")
		if err := m.Save(copied); err != nil {
			t.Fatal(err)
		}
		again, err := model.Open(copied)
		if err != nil {
			t.Fatal(err)
		}
		_, heldOut, err := again.Config.OpenData(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		e := &cpu.Engine{Threads: 1}
		before, err := m.Energies(t.Context(), e, heldOut.Pixels, model.AnyLabel)
		if err != nil {
			t.Fatal(err)
		}
		after, err := again.Energies(t.Context(), e, heldOut.Pixels, model.AnyLabel)
		if err != nil || !slices.Equal(before, after) {
			t.Errorf("saved and opened again: other energies (%v)", err)
		}

		// The run has calibrated it; the same images make the same calibration of the copy, which stays in its file.
		own, err := detect.CalibrationOf(m)
		if err != nil {
			t.Fatal(err)
		}
		calibration, err := detect.Calibrate(t.Context(), e, again, own.Data, heldOut.Pixels, nil)
		if err == nil {
			err = detect.Save(again, calibration)
		}
		if err != nil {
			t.Fatal(err)
		}
		if again, err = model.Open(copied); err != nil || string(again.Calibration) != string(m.Calibration) {
			t.Errorf("calibrated again: another calibration (%v)", err)
		}
		gradients, err := again.Gradients(t.Context(), e, heldOut.Pixels, model.AnyLabel)
		if err != nil || len(gradients) != 2 || len(gradients[0]) != len(heldOut.Pixels) {
			t.Errorf("%d scales of gradients (%v)", len(gradients), err)
		}
		images, err := again.Sample(t.Context(), e, model.Sampling{Images: 3, Seed: 1, Steps: 4})
		if err != nil || len(images) != 3*heldOut.Size().Len() {
			t.Errorf("%d bytes of samples (%v)", len(images), err)
		}
	}
}

// A name is given once, and not to what has one.
func TestRegisterRefuses(t *testing.T) {
	build := func(o energy.Options) (*energy.Energy, error) { return energy.New("quick", o) }
	for name, build := range map[string]model.Builder{ownEnergy: build, "quick": build, "": build, "nothing": nil} {
		if err := model.Register(name, build); err == nil {
			t.Errorf("no error for %q", name)
		}
	}
}
