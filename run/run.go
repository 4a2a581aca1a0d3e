// Package run is one training run as a directory:
//
//	config.yaml         the configuration, complete
//	metrics.jsonl       the numbers of every iteration
//	events.out.tfevents.*  the same for TensorBoard, with the pictures
//	samples/000123.png  samples after that iteration
//	checkpoint          the state to go on from, with the one before it
//	model.safetensors   the model
//
// [Start] begins a run, [Resume] goes on with one that was killed, interrupted or has new limits, and package model opens
// what it learnt. A run killed at any moment and resumed leaves the same model and metrics, times aside, as one never killed.
package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/joule-ebm/joule/cd"
	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/detect/benchmark"
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/device"
	"github.com/joule-ebm/joule/eval/collapse"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/durable"
	"github.com/joule-ebm/joule/internal/kernels"
	"github.com/joule-ebm/joule/internal/settings"
	"github.com/joule-ebm/joule/mcmc"
	"github.com/joule-ebm/joule/model"
)

// spectrumImages are as many as a spectrum is measured of: six numbers for each frequency do not need more.
const spectrumImages = 2000

// The files of a run directory.
const (
	configFile     = model.ConfigFile
	metricsFile    = "metrics.jsonl"
	samplesDir     = "samples"
	samplesFile    = "samples.png"
	checkpointFile = "checkpoint"
	stoppedFile    = "checkpoint.stopped"
	modelFile      = model.File
)

// Options are choices that do not change the numbers of a run, but for rounding on another device. The zero value works.
type Options struct {
	Threads  int            // 0: all cores
	Data     string         // where the data of a run to resume are by now; empty: where they were
	Device   string         // as package engine/device names it; empty: the CPU
	Devices  int            // of an accelerator, that share each batch; 0: 1
	Group    engine.Group   // the processes that train together; nil: this one alone
	Log      *slog.Logger   // of what happens; nil: nowhere
	Spent    Spent          // before, that counts towards the limits too; the zero value: none
	Progress func(Progress) // called after every iteration; may be nil
	// Work is called as work goes on that is no training: done of total images read or steps of chains made. It may be nil.
	Work func(what, unit string, done, total int64)
}

func (o *Options) work(what, unit string, done, total int) {
	if o.Work != nil {
		o.Work(what, unit, int64(done), int64(total))
	}
}

// Spent is time that a run has taken before it was resumed.
type Spent struct{ Time, Processor time.Duration }

// Progress is how far a run is.
type Progress struct {
	Iteration  int64         // made so far
	Iterations int64         // to make; 0: no limit
	Fraction   float64       // of the run that is done, 0 to 1, by the limit that will end it; 0 without limits
	Rate       float64       // iterations a second, lately
	Left       time.Duration // estimate; 0 without limits
	Metrics    cd.Metrics    // of this iteration
}

// Result is what a run came to.
type Result struct {
	Dir         string              `json:"dir"`
	Iteration   int64               `json:"iteration"`
	Interrupted bool                `json:"interrupted"` // by its context; the rest is then empty
	Model       string              `json:"model"`       // path of the model
	Samples     string              `json:"samples"`     // path of the last picture of samples
	Data        string              `json:"data"`        // the data set
	Outliers    string              `json:"outliers"`    // what the images held out were compared with
	Detection   benchmark.Detection `json:"detection"`   // how well their energies tell them apart
}

// runner is a run while it trains.
type runner struct {
	dir        *directory
	config     Config
	options    Options
	engine     engine.Engine // of the loss and of energies, which are always float32
	chains     engine.Engine // of chains
	began      int64         // the iteration that it was resumed at; 0: it never was, or has gone back since
	changed    bool          // the configuration is to be written anew
	dataBefore string        // where the data were before this process; empty of a run that it starts
	kernels    *kernels.Set  // those that all processes of a group can run; nil: the best
	energy     *energy.Energy
	trainer    *cd.Trainer
	training   *dataset.Set
	heldOut    *dataset.Set
	pictures   *dataset.Set   // held out: those that the images held out are tiles of, or the images themselves
	classes    []string       // of a model that is conditional on them
	unlearnt   []string       // those of them that no training image is of
	numbers    []model.Number // of one that is conditional on numbers
	conditions []float32      // these numbers of each training image
	data       dataset.Fingerprint
	images     dataset.Inventory // of the data; empty once it is written down
	recovery   recovery
	collapse   collapse.Memory
	watch      *collapse.Watch // that looks at samples from noise; nil before the first look
	lookChain  *mcmc.Chain     // that draws them
	meter      *model.Meter    // of energies; nil before they are first measured
	log        *records
	begun      time.Time  // this process
	saving     chan error // receives when the checkpoint that is being written is on the disk; nil: none is
	unsaved    error      // why the last one is not on the disk, if it could not be written
}

// Start begins a run in dir, which must be new or empty, and trains until a limit is reached or ctx is done. An interrupted run
// has saved its state and is no error.
func Start(ctx context.Context, dir string, c Config, o Options) (Result, error) {
	d := &directory{path: dir}
	if o.writes() { // before the data are read, which may take long
		var err error
		if d, err = create(dir); err != nil {
			return Result{}, err
		}
	}
	r, err := prepare(ctx, c, o)
	if err == nil {
		r.config.From = fromAnywhere(r.config.From)
		err = r.beginFrom()
	}
	if err != nil {
		if o.writes() {
			d.abandon()
		}
		return Result{}, err
	}
	if r.dir = d; !o.writes() {
		return r.run(ctx)
	}
	r.warnUnlocked()
	if err := writeConfig(r.dir.file(configFile), &r.config); err != nil {
		r.dir.abandon()
		return Result{}, err
	}
	defer r.dir.leave()
	return r.run(ctx)
}

// Resume goes on with the run in dir, with the configuration it was started with, but for limits if they are not nil, and for the place of
// the data, which must have the same images. Where there is no run the error is an [fs.ErrNotExist].
func Resume(ctx context.Context, dir string, limits *Limits, o Options) (Result, error) {
	d := &directory{path: dir}
	if o.writes() {
		if _, err := os.Stat(filepath.Join(dir, configFile)); err != nil {
			return Result{}, noRun(dir)
		}
		var err error
		if d, err = enter(dir); err != nil {
			return Result{}, err
		}
		defer d.leave()
	}
	c, err := configOfAll(&o, func() (Config, error) { return readConfig(d.file(configFile)) })
	if err != nil {
		return Result{}, err
	}
	if limits != nil {
		c.Limits = *limits
	}
	before := c.Data
	if c.Dir = dir; o.Data != "" {
		c.Data = o.Data
	}
	r, err := prepare(ctx, c, o)
	if err != nil {
		return Result{}, err
	}
	r.dir, r.dataBefore, r.changed = d, before, limits != nil || o.Data != ""
	r.warnUnlocked()
	if err := r.load(); err != nil {
		return Result{}, err
	}
	return r.run(ctx)
}

func (r *runner) warnUnlocked() {
	if r.dir.unlocked {
		r.options.Log.Warn("this file system has no locks: nothing keeps a second process from training in the same directory", "out", r.dir.path)
	}
}

// noRun is the directory in which there is no run. It is an [fs.ErrNotExist].
type noRun string

func (dir noRun) Error() string {
	return fmt.Sprintf("%s: no run to resume (no %s): start one without --resume", string(dir), configFile)
}

func (noRun) Unwrap() error { return fs.ErrNotExist }

// prepare makes all that a run needs beside its directory.
func prepare(ctx context.Context, c Config, o Options) (*runner, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if !o.writes() { // what it has to say rank 0 says too
		o.Log, o.Progress, o.Work = nil, nil, nil
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	r := &runner{config: c, options: o, begun: time.Now()}
	var err error
	if o.together() {
		if r.kernels, err = r.compareProcesses(); err != nil {
			return nil, err
		}
	}
	if err := r.openEngines(); err != nil {
		return nil, err
	}
	if err := r.openData(ctx); err != nil {
		return nil, err
	}
	if err := r.compareData(); err != nil {
		return nil, err
	}
	if r.energy, err = c.NewEnergy(len(r.classes) + len(r.numbers)); err != nil {
		return nil, err
	}
	return r, r.begin()
}

// begin puts the trainer at the beginning.
func (r *runner) begin() error {
	s, err := r.config.training(r.options.Threads)
	if err != nil {
		return err
	}
	s.ChainEngine, s.Conditions = r.chains, r.conditions
	if r.trainer, err = cd.NewTrainer(r.engine, r.energy, s); err != nil {
		return err
	}
	r.trainer.BeforeUpdate = r.saved
	return nil
}

// openEngines makes what the run computes on. Programs of one engine share memory: there is one, unless chains have a precision of their
// own.
func (r *runner) openEngines() (err error) {
	o := device.Options{Threads: r.options.Threads, Lanes: r.config.Optimiser.Lanes, Group: r.options.Group, Kernels: r.kernels,
		Devices: r.options.Devices, Precision: engine.Float32, Log: r.options.Log}
	if r.engine, err = device.Open(r.options.Device, o); err != nil {
		return err
	}
	if _, keeps := r.engine.(engine.Keeper); keeps && 0 < r.config.Loss.KLChains && r.config.Loss.KLChains < r.config.Optimiser.Batch {
		r.options.Log.Info("on this device an iteration is one program, in which L_opt and L_ent look at all chains", "loss.kl_chains", r.config.Loss.KLChains)
	}
	r.chains = r.engine
	if p := device.Resolve(r.options.Device, engine.Precision(r.config.Sampler.Precision)); p != engine.Float32 {
		o.Precision = p
		r.chains, err = device.Open(r.options.Device, o)
	}
	return err
}

// openData reads the data set and holds some of it out.
func (r *runner) openData(ctx context.Context) error {
	c := &r.config
	if c.Data == "" {
		return errors.New("setting data is empty: say where the images are, such as --data mnist or --data photos.zip")
	}
	source := c.Source().String()
	r.options.Log.Info("reading the data", "set", source)
	options, err := c.DataOptions()
	if err != nil {
		return err
	}
	set, err := dataset.Open(ctx, source, c.PictureSize(), append(options, dataset.WithProgress(func(done, total int) {
		r.options.work("reading", "images", done, total)
	}))...)
	if err != nil {
		return fmt.Errorf("data set %w", err)
	}
	for _, line := range set.Contents.Warnings {
		r.options.Log.Warn(line)
	}
	if changed, less := set.Changed(); less {
		r.options.Log.Warn(changed + "; for another size or for colours set network.image")
	}
	for _, s := range set.Skipped {
		r.options.Log.Warn("left out an image that cannot be read", "image", s.Name, "reason", s.Err)
	}
	if set.Len() < 2 {
		return fmt.Errorf("data set %s: %d images are too few to learn from", c.Data, set.Len())
	}
	if c.Network.Conditional && len(c.Network.Numbers) == 0 {
		if r.classes = set.Classes; len(r.classes) == 0 {
			if names := set.AttributeNames(); len(names) > 0 {
				return fmt.Errorf("data set %s: the images have no classes, which network.conditional needs: name the attribute that is to be them, such as "+
					"--attribute %s (they have %s)", c.Data, names[0], strings.Join(names[:min(10, len(names))], ", "))
			}
			return fmt.Errorf("data set %s: the images have no classes, which network.conditional needs: set it to false", c.Data)
		}
	}
	r.data, r.images = c.FingerprintOf(set), set.Inventory()
	if r.training, r.pictures, err = c.Split(set); err != nil {
		return err
	}
	if n := r.pictures.Len(); n < c.HeldOut {
		r.options.Log.Info("fewer images are held out than held_out says: a tenth of all", "held_out", n, "says", c.HeldOut)
	}
	if r.training, r.heldOut, err = c.Divide(r.training, r.pictures); err != nil {
		return fmt.Errorf("data set %w", err)
	}
	r.unlearnt = r.withoutImages(r.training.Labels)
	if c.Noise == model.SpectrumNoise {
		some := r.training.AtMost(spectrumImages, c.Seed)
		if c.Spectrum, err = mcmc.SpectrumOf(some.Pixels, expr.Shape{c.Network.Image[0], c.Network.Image[1], c.Network.Image[2]}); err != nil {
			return fmt.Errorf("data set %s: %w", c.Data, err)
		}
	}
	if err := r.takeNumbers(); err != nil {
		return fmt.Errorf("data set %s: %w", c.Data, err)
	}
	r.options.Log.Info("data", "taken", set.Contents.String(), "images", r.training.Len(), "held_out", r.heldOut.Len(), "resized", set.Resized)
	if c.Tiled() {
		r.options.Log.Info("images are tiles", "of", fmt.Sprintf("%dx%d", set.Height, set.Width), "side", c.Tiles.Side, "stride", c.Tiles.Stride,
			"pictures_held_out", r.pictures.Len())
	}
	return nil
}

// withoutImages are those of the classes that no label is of.
func (r *runner) withoutImages(labels []int32) (classes []string) {
	seen := make([]bool, len(r.classes))
	if len(seen) > 0 {
		for _, label := range labels {
			seen[label] = true
		}
	}
	for class, name := range r.classes {
		if !seen[class] {
			classes = append(classes, name)
		}
	}
	return classes
}

// takeNumbers makes the numbers and attributes that the model is conditional on the conditions of the training images, and their indices the
// labels.
func (r *runner) takeNumbers() error {
	var columns []dataset.Number
	for _, name := range r.config.Network.Numbers {
		of, err := r.training.NumbersOf(name)
		if err != nil {
			return fmt.Errorf("setting network.numbers: %w", err)
		}
		columns = append(columns, of...)
	}
	if columns == nil {
		return nil
	}
	n := r.training.Len()
	r.conditions, r.training.Labels = make([]float32, 0, n*len(columns)), make([]int32, n)
	for _, c := range columns {
		r.numbers = append(r.numbers, model.Number{Name: c.Name, Min: c.Min, Max: c.Max})
	}
	for i := range n {
		r.training.Labels[i] = int32(i)
		for k, c := range columns {
			r.conditions = append(r.conditions, float32(r.numbers[k].Scaled(c.Values[i])))
		}
	}
	return nil
}

// run trains and looks at what came of it.
func (r *runner) run(ctx context.Context) (Result, error) {
	if r.changed && r.options.writes() {
		if err := r.rewrite(); err != nil {
			return Result{}, err
		}
	}
	if r.options.writes() {
		err := r.listImages()
		if err != nil {
			return Result{}, r.resumable(err)
		}
		if r.log, err = openRecords(r.dir, r.trainer.Iteration); err != nil {
			return Result{}, err
		}
		defer r.log.close()
		defer func() { _ = r.saved() }() // where something else went wrong
	}
	if r.trainer.Iteration == 0 { // a state to go back to, and a first sign of a full disk
		err := r.saveCheckpoint()
		if err == nil {
			err = r.saved()
		}
		if err != nil {
			return Result{}, r.resumable(err)
		}
	} else {
		r.options.Log.Info("resumed", "iteration", r.trainer.Iteration, "on", engine.Describe(r.engine))
	}
	result, err := r.trainAndFinish(ctx)
	if err == nil {
		err = r.log.close()
	}
	return result, err
}

// listImages writes down which images the data are, to say later which of them came or went. Those that are built in do neither.
func (r *runner) listImages() error {
	images, file := r.images, r.dir.file(model.ImagesFile)
	r.images = dataset.Inventory{}
	if _, err := os.Stat(file); err == nil || r.training.Contents.Format == dataset.BuiltIn {
		return nil
	}
	return durable.WriteFile(file, func(w io.Writer) error {
		_, err := images.WriteTo(w)
		return err
	})
}

// rewrite brings the files of a run that is resumed up to date with its new limits, and the new place of its data.
func (r *runner) rewrite() error {
	if err := writeConfig(r.dir.file(configFile), &r.config); err != nil || r.options.Data == "" {
		return err
	}
	m, err := model.Open(r.dir.file(modelFile))
	if err != nil {
		return nil // there is none yet, or it will be written again
	}
	m.Config.Data = r.config.Data
	return m.Save(r.dir.file(modelFile))
}

func (r *runner) trainAndFinish(ctx context.Context) (Result, error) {
	stopped := Result{Dir: r.dir.path, Interrupted: true}
	r.began = r.trainer.Iteration
	calibrated := ""
	if r.options.writes() && r.began > 0 {
		calibrated = r.calibratedWith()
	}
	interrupted, err := r.train(ctx)
	if calibrated != "" && calibrated != model.HeldOutName(r.config.Data) && calibrated != model.HeldOutName(r.dataBefore) && r.trainer.Iteration > r.began {
		r.options.Log.Warn("the calibration was that of the model before: calibrate again", "calibrated_with", calibrated)
	}
	if err == nil {
		err = r.saveStop()
	}
	switch {
	case errors.Is(err, cd.ErrDiverged): // and would again
		return stopped, err
	case err != nil:
		return stopped, r.resumable(err)
	}
	stopped.Iteration = r.trainer.Iteration
	if interrupted {
		return stopped, r.waitForRank0()
	}
	result, err := r.finish(r.options.uninterrupted(ctx))
	if err != nil && ctx.Err() != nil {
		return stopped, nil
	}
	return result, err
}

// resumable says how to go on once what stopped the run is put right.
func (r *runner) resumable(err error) error {
	return fmt.Errorf("%w (continue from the last checkpoint with joule train --resume --out %s)", err, r.dir.path)
}

func writeConfig(path string, c *Config) error {
	return durable.WriteFile(path, func(w io.Writer) error { return settings.Write(w, c) })
}

func readConfig(path string) (Config, error) {
	c := before()
	file, err := os.Open(path)
	if err != nil {
		return c, err
	}
	defer file.Close()
	if err := settings.Read(file, &c); err != nil {
		return c, fmt.Errorf("%s: damaged, restore it: %w", path, err)
	}
	return c, nil
}
