package main

// joule train: learn an energy from images.

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/device"
	"github.com/joule-ebm/joule/internal/settings"
	"github.com/joule-ebm/joule/mcmc"
	"github.com/joule-ebm/joule/run"
)

type trainOptions struct {
	configFlags
	out         string
	seed        uint64
	attribute   string
	resume      bool
	printConfig bool
	precision   string
	threads     uint
	patience    time.Duration
	logFormat   string
	hardware
	json bool
}

func newTrainCommand() *cobra.Command {
	var o trainOptions
	cmd := &cobra.Command{
		Use:   "train",
		Short: "Learn an energy from images",
		Long: `Learn an energy from images, by improved contrastive divergence (Du et al., ICML 2021). A run is a
directory: its configuration, metrics as JSON lines and for TensorBoard, pictures of samples as it
goes, checkpoints and the model. Equal settings and seeds give equal models, bit for bit, whatever
the number of threads.

Ctrl-C saves and stops; --resume goes on from there, and from the last checkpoint of a run that was
killed, with the configuration it was started with; data that have moved are named by --data. A limit
on time counts from the start or the resumption.

Several processes, on one machine or many, train together if joule was built with MPI and mpirun or
srun starts them (docs/cluster.md); they come to the same model as one process, bit for bit.

With --tile, squares of large pictures are learnt at full resolution; the model then judges pictures of any
size by their tiles, which finds what is small in them, and says where (docs/inspection.md).

Presets to start from, whose settings --print-config shows and --set changes. Where none is named, the
size of the images, their colours and their number choose it:
` + run.Usage() + `
Samplers, which --set sampler.kind= chooses; intensities are 0 to 1:
` + mcmc.Usage() + "\n" + dataset.Usage,
		Example: `  joule train                                             digits, in a few minutes
  joule train --for 10m --out digits
  joule train --resume --out digits --iterations 5000     go on with it
  joule train --set loss.opt=0 --set loss.ent=0           plain contrastive divergence
  joule train --from zoo:cifar10 --data cifar10.tar.gz    go on from the weights of a model whose run is gone
  joule train --preset mnist-conditional                  an energy for each digit
  joule train --data celeba/ --preset celeba128 --attribute Smiling
  joule train --data objects --set network.numbers=x,y    an energy for each position
  joule train --data objects --set network.numbers=shape,colour    for each shape of each colour
  joule train --data photos-of-good-parts/ --tile 64      to find defects: tiles of 64×64 pixels
  joule train --data parts --tile 32 --stride 16          rendered parts, to try that out
  joule train --data objects --attribute shape --set exclude='shape=cube&colour=red'
  joule train --set sampler.kind=mala --set sampler.step_size=5e-5 --set sampler.temperature=1e-4
  joule train --preset photos32 --data cifar-10-binary.tar.gz
  joule train --preset photos32 --print-config            the settings and what they mean
  mpirun -n 4 --bind-to none joule train --preset cifar10 --data cifar-10-binary.tar.gz`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return train(cmd, o) },
	}
	f := cmd.Flags()
	o.add(f)
	f.StringVar(&o.attribute, "attribute", "", "learn an energy for each value of this `attribute` of the data, such as Smiling")
	f.StringVar(&o.from, "from", "", "begin with the weights and the settings of this `model`: a run, a model file or zoo:NAME")
	o.tile.add(f)
	f.StringVarP(&o.out, "out", "o", "", "run `directory` (default runs/PRESET or runs/MODEL, or the next free name)")
	f.Int64Var(&o.iterations, "iterations", 0, "stop after so many iterations in all (default those of the preset, or of the model of --from, unless --for is given)")
	f.DurationVar(&o.duration, "for", 0, "stop after so much training, such as 10m")
	f.Uint64Var(&o.seed, "seed", 1, "of all random numbers")
	f.BoolVar(&o.resume, "resume", false, "go on with the run in --out")
	f.BoolVar(&o.printConfig, "print-config", false, "print the configuration and stop")
	f.StringVar(&o.precision, "precision", "", "of the chains' convolutions: float32, split, bf16 or auto (default the preset's)")
	f.UintVar(&o.threads, "threads", 0, "threads to use (default one a core)")
	o.addFlags(f)
	f.DurationVar(&o.patience, "patience", patience, "of several processes (mpirun): give up when the others let one wait so long; 0: never")
	f.StringVar(&o.logFormat, "log-format", "text", logFormatUsage)
	f.BoolVar(&o.json, "json", false, "print what was learnt as JSON")
	return cmd
}

func train(cmd *cobra.Command, o trainOptions) error {
	given := cmd.Flags().Changed
	var limits *run.Limits
	if given("iterations") || given("for") {
		l := o.limits()
		limits = &l
	}
	if err := o.join(cmd, o.patience); err != nil {
		return err
	}
	screen, err := newTrainScreen(cmd.ErrOrStderr(), o.logFormat)
	if err != nil {
		return err
	}
	defer screen.clear()
	if err := o.check(); err != nil {
		return err
	}
	if err := refuseEmpty(cmd.Flags(), "from"); err != nil {
		return err
	}
	threads, err := o.shareOfCores(int(o.threads))
	if err != nil {
		return err
	}
	options := run.Options{Threads: threads, Group: o.group, Device: o.device, Devices: o.devices, Log: screen.log, Progress: screen.show, Work: screen.other}
	var result run.Result
	if o.resume {
		for _, flag := range []string{"preset", "from", "attribute", "tile", "stride", "picture", "tile-position", "seed", "set", "precision", "print-config"} {
			if given(flag) {
				return usageErrorf("--%s cannot be given with --resume: a run goes on with the configuration it was started with", flag)
			}
		}
		if o.out == "" {
			return usageErrorf("--resume needs --out, the directory of the run to go on with")
		}
		options.Data = o.data
		if result, err = run.Resume(cmd.Context(), o.out, limits, options); err != nil {
			return err
		}
	} else {
		if o.out != "" && !o.printConfig { // before the data are looked at
			if err := run.Vacant(o.out); err != nil {
				return err
			}
		}
		config, err := o.trainConfig(cmd.Context(), given, limits, func(c run.Choice) {
			screen.log.Info("preset chosen by the data, --preset names another", "preset", c.Preset, "data", c.Why)
		})
		if err != nil {
			return err
		}
		if o.printConfig {
			return settings.Write(cmd.OutOrStdout(), &config)
		}
		if o.out == "" {
			o.out = run.FreeDir(filepath.Join("runs", o.name()))
		}
		screen.log.Info("training", "settings", cmp.Or(o.preset, o.from), "out", o.out)
		if result, err = run.Start(cmd.Context(), o.out, config, options); err != nil {
			return err
		}
	}
	screen.clear()
	if o.json {
		if err := json.NewEncoder(cmd.OutOrStdout()).Encode(result); err != nil {
			return err
		}
	} else if !result.Interrupted {
		_, err := io.WriteString(cmd.OutOrStdout(), learnt(result))
		return err
	}
	if result.Interrupted {
		fmt.Fprintf(cmd.ErrOrStderr(), "joule: interrupted after %d iterations, all saved; go on with: joule train --resume --out %s\n",
			result.Iteration, shellWord(result.Dir))
		return errReported
	}
	return nil
}

// name is that of a run whose directory nobody has named: its preset's, or that of the model it begins with.
func (o *trainOptions) name() string {
	if o.from == "" {
		return o.preset
	}
	name := o.from
	if at, err := filepath.Abs(name); err == nil { // of . and ..
		name = at
	}
	name = filepath.Base(name)
	name = name[strings.LastIndexByte(name, ':')+1:] // of zoo:NAME
	return cmp.Or(strings.Trim(strings.TrimSuffix(name, ".safetensors"), string(filepath.Separator)), "model")
}

// trainConfig is the configuration that the command line asks for.
func (o *trainOptions) trainConfig(ctx context.Context, given func(string) bool, limits *run.Limits, tell func(run.Choice)) (run.Config, error) {
	c, err := o.config(ctx, tell)
	if err != nil {
		return c, err
	}
	if given("precision") {
		c.Sampler.Precision = o.precision
	}
	if given("seed") {
		c.Seed = o.seed
	}
	if o.attribute != "" {
		if len(c.Network.Numbers) > 0 {
			return c, usageErrorf("--attribute %s: the model is conditional on the numbers %s: give --set network.numbers= too, or leave it out",
				o.attribute, strings.Join(c.Network.Numbers, ","))
		}
		c.Attribute, c.Network.Conditional = o.attribute, true
	}
	if limits != nil {
		c.Limits = *limits
	}
	o.tile.change(&c)
	if err := checkSets(o.sets, c); err != nil {
		return c, err
	}
	if err := c.Validate(); err != nil {
		return c, usageError{err}
	}
	c.Sampler.Precision = string(device.Resolve(o.device, engine.Precision(c.Sampler.Precision)))
	return c, nil
}

// tileFlags say how pictures are divided into tiles.
type tileFlags struct {
	side, stride int
	picture      []int
	position     bool
}

func (t *tileFlags) add(f *pflag.FlagSet) {
	f.IntVar(&t.side, "tile", 0, "learn tiles of the pictures, with sides of so many `pixels`, instead of whole pictures")
	f.IntVar(&t.stride, "stride", 0, "`pixels` from one tile to the next (default half a side)")
	f.IntSliceVar(&t.picture, "picture", nil, "`height,width` that pictures are brought to before they are divided (default their own)")
	f.BoolVar(&t.position, "tile-position", false, "learn an energy for each position of a tile: for pictures of parts that always lie alike")
}

// change sets the settings that the flags stand for.
func (t *tileFlags) change(c *run.Config) {
	if t.side != 0 {
		c.Tiles.Side = t.side
	}
	if t.stride != 0 {
		c.Tiles.Stride = t.stride
	}
	if t.picture != nil {
		c.Tiles.Picture = t.picture
	}
	if t.position {
		c.Network.Numbers = []string{dataset.TileX, dataset.TileY}
	}
}

// learnt are the last lines: what came of the run, where to look, and what to try next.
func learnt(r run.Result) string {
	d, dir := r.Detection, shellWord(r.Dir)
	const few = 30 // too few images to say
	verdict := "it tells them apart"
	switch {
	case d.NumIn < few:
		verdict = fmt.Sprintf("from %d images, too few to say whether it tells them apart", d.NumIn)
	case d.AUROC < 0.6:
		verdict = "it does not tell them apart yet: train longer"
	case d.AUROC < 0.9:
		verdict = "it begins to tell them apart"
	}
	pictures := ""
	if samples := filepath.Join(r.Dir, "samples"); isDir(samples) {
		pictures = "; while it learnt: " + samples
	}
	return fmt.Sprintf(`
After %d iterations the model is in %s.
Energies of images it has not seen: %s %.3g, %s %.3g (median); %s (AUROC %.4f; chance is 0.5, perfect 1).
Samples from noise: %s%s

Try next:
  joule sample %s -n 100 -o grid.png --gif chains.gif
  joule eval ood %s --in %s --out-of %s
  joule train --resume --out %s --iterations %d
`, r.Iteration, r.Model, r.Data, d.MedianIn, r.Outliers, d.MedianOut, verdict, d.AUROC,
		r.Samples, pictures, dir, dir, shellWord(r.Data), r.Outliers, dir, 2*r.Iteration)
}

// shellWord quotes a word for a POSIX shell if need be.
func shellWord(word string) string {
	plain := strings.IndexFunc(word, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+:,=@%", r)
	}) < 0
	if plain && word != "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
