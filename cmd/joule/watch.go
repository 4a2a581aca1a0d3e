package main

// joule watch: judge images as they arrive, and notice when they drift.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/joule-ebm/joule/detect"
	"github.com/joule-ebm/joule/detect/stream"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/internal/terminal"
)

// exitDrift is the exit code that says that the stream has drifted.
const exitDrift exitCode = 3

type watchOptions struct {
	hardware
	detector   string
	falseAlarm rate
	every      float64
	stop       bool
	follow     bool
	out        string
	state      string
	threads    uint
	json       bool
}

func newWatchCommand() *cobra.Command {
	var o watchOptions
	cmd := &cobra.Command{
		Use:   "watch RUN [FOLDER]",
		Short: "Judge images as they arrive, and notice when they drift",
		Long: `Score the pictures whose names come on standard input, one a line, or all those in FOLDER, with a
calibrated model (see joule calibrate): RUN is a run directory or a model.safetensors file. Memory does
not grow with the stream. For each image there is a line of JSON, in order:

  n        its number in the stream, from 1
  image    its name
  energy, score, p, out_of_distribution, resized    as of joule score
  warnings what to know of how the image was read, if anything: JPEGs cut short, 16-bit values that use few bits
  rank     where the score lies among all before it: uniform in (0,1) while nothing changes
  drift    the evidence that the stream is no longer like the calibration images; from 1 on, alarm is true
  error    instead of all that, why the image cannot be read

Drift. An alarm is raised when the ranks are no longer uniform: scores have become higher, or lower, or
more alike. Without any drift, the images being like the calibration images, an alarm comes at
most once in --alarm-every images on average, however the scores are distributed. It is said once on
standard error; the stream goes on (unless --stop), and the exit code at the end is 3. It means that
p-values and decisions can no longer be relied on: look at the latest images, and calibrate again if
they are as they should be.

Going on. With --state a watch that was stopped or killed continues where it was when the same command
is given again. With --out no line is lost or written twice, whatever happens; on standard output lines
of the last second may come twice. A list must begin with the same names again. Of a folder, pictures
whose names sort after the last one are taken: give them names in order of arrival, such as times, and
they may be removed once they are judged. --follow waits for more of them until interrupted; a picture
that is not whole yet is read again once it has changed, and has a line with an error when it stays as
it is for 15 seconds. Links to folders within FOLDER are not followed.

The exit code is 0, 3 after drift, or 1 if some image could not be read.`,
		Example: `  find photos -name '*.jpg' | sort | joule watch RUN --false-alarm 1% > judged.ndjson
  joule watch RUN camera/ --follow --out judged.ndjson --state watch.json
  tail -n +1 -F arrivals.txt | joule watch RUN --detector combined --out judged.ndjson --state watch.json
  jq -c 'select(.out_of_distribution)' judged.ndjson`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			folder := ""
			if len(args) == 2 {
				if folder = args[1]; folder == "" {
					return usageErrorf("FOLDER is empty: name one, or leave it out to give the names of pictures on standard input")
				}
			}
			return watch(cmd, args[0], folder, o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.detector, "detector", "", "`name` of the detector that scores, see joule score")
	f.Var(&o.falseAlarm, "false-alarm", "call out of distribution at most this fraction of in-distribution images, such as 1%")
	f.Float64Var(&o.every, "alarm-every", 1e6, "without drift, raise an alarm once in so many `images` at most, on average")
	f.BoolVar(&o.stop, "stop", false, "stop at an alarm")
	f.BoolVar(&o.follow, "follow", false, "wait for more pictures in FOLDER")
	f.StringVarP(&o.out, "out", "o", "", "write the lines to this `file` (default standard output)")
	f.StringVar(&o.state, "state", "", "keep in this `file` how far the watch is, to go on from there")
	f.UintVar(&o.threads, "threads", 0, "threads to use (default one a core)")
	o.addFlags(f)
	f.BoolVar(&o.json, "json", false, "print what came of it as JSON; needs --out")
	return cmd
}

func watch(cmd *cobra.Command, path, folder string, o watchOptions) error {
	var source stream.Source = stream.Folder{Path: folder, Follow: o.follow}
	if folder == "" {
		source = stream.List{Reader: cmd.InOrStdin()}
	}
	switch {
	case o.follow && folder == "":
		return usageErrorf("--follow needs a FOLDER to watch; a list on standard input is followed anyway")
	case folder == "" && isTerminal(cmd.InOrStdin()):
		return usageErrorf("name a FOLDER, or give the names of pictures on standard input")
	case o.json && o.out == "":
		return usageErrorf("--json needs --out: standard output has the lines")
	case !(o.every > 1 && o.every <= 1e15):
		return usageErrorf("--alarm-every is %v: want more than 1, such as 1000000", o.every)
	case sameFile(o.out, o.state):
		return usageErrorf("--out and --state are both %s: give each its own file", o.out)
	}
	if info, err := os.Stat(folder); folder != "" && (err != nil || !info.IsDir()) {
		return fmt.Errorf("%s: not a folder; give the names of pictures on standard input", folder)
	}
	trained, err := openModel(path, folder)
	if err != nil {
		return err
	}
	e, err := o.openEngine(int(o.threads), engine.Float32)
	if err != nil {
		return err
	}
	judge, err := detect.NewJudge(e, trained, o.detector, detect.Rule{FalseAlarms: float64(o.falseAlarm)})
	if err != nil {
		return detectorError(trained, err)
	}
	s, err := stream.Open(judge, source, stream.Options{AlarmEvery: o.every, Output: o.out, Writer: cmd.OutOrStdout(), State: o.state})
	if err != nil {
		return detectorError(trained, err)
	}
	w := &watching{stream: s, judge: judge, options: o, stdout: cmd.OutOrStdout(), stderr: cmd.ErrOrStderr()}
	warn(w.stderr, judge, o.detector)
	err = w.all(cmd.Context())
	if closed := s.Close(); err == nil {
		err = closed
	}
	return err
}

// watching tells of a stream.
type watching struct {
	stream         *stream.Stream
	judge          *detect.Judge
	options        watchOptions
	stdout, stderr io.Writer
}

func (w *watching) all(ctx context.Context) error {
	alarm := w.stream.Report()
	if alarm.Drift && w.options.stop {
		return fmt.Errorf("%s: the stream has drifted at image %d, and --stop is given; calibrate again and begin another state",
			w.options.state, alarm.AlarmAt)
	}
	bar := newProgress(w.stderr, "watching", "images", -1)
	defer bar.Done()
	for line, err := range w.stream.Lines(ctx) {
		if errors.Is(err, context.Canceled) {
			bar.Done()
			return w.finish(!w.options.follow)
		}
		if err != nil {
			return err
		}
		bar.Add(1)
		if line.Result == nil || !line.Alarm {
			continue
		}
		if !alarm.Drift {
			alarm = w.stream.Report()
			bar.Done()
			fmt.Fprintf(w.stderr, "joule: drift: images are no longer like the calibration images, since about %d images; noticed at image %d, %s\n",
				alarm.Since, alarm.AlarmAt, terminal.OneLine(alarm.AlarmImage))
		}
		if w.options.stop {
			break
		}
	}
	bar.Done()
	return w.finish(false)
}

// finish saves the stream and says what came of it.
func (w *watching) finish(interrupted bool) error {
	if err := w.stream.Close(); err != nil {
		return err
	}
	r := w.stream.Report()
	if line := changedImages(int(r.Resized), int(r.Grayed), int(r.Images), w.judge.Model.Config.PictureSize()); line != "" {
		fmt.Fprintln(w.stderr, "joule: warning:", line)
	}
	var err error
	switch {
	case w.options.json:
		err = json.NewEncoder(w.stdout).Encode(r)
	case w.options.out != "":
		_, err = io.WriteString(w.stdout, w.summary(r))
	default:
		_, err = io.WriteString(w.stderr, w.summary(r))
	}
	switch {
	case err != nil:
		return err
	case interrupted && w.options.state != "":
		return fmt.Errorf("interrupted after %d images, all saved; give the same command to go on", r.Images+r.Failed)
	case interrupted:
		return fmt.Errorf("interrupted after %d images", r.Images+r.Failed)
	case r.Drift:
		return exitDrift
	case r.Failed > 0:
		return fmt.Errorf("%d images could not be read: see the lines with an error", r.Failed)
	}
	return nil
}

func (w *watching) summary(r stream.Report) string {
	text := fmt.Sprintf("%d images judged, %d could not be read", r.Images, r.Failed)
	if rate := w.judge.Rule.FalseAlarms; rate != 0 {
		text += fmt.Sprintf("; %d out of distribution, %.4g expected at a false-alarm rate of %s", r.OutOfDistribution, rate*float64(r.Images), percent(rate))
	}
	text += fmt.Sprintf("\nranks of the latest %d images: %.3f from uniform (Kolmogorov-Smirnov), p = %.2g\n", r.Latest, r.Distance, r.P)
	if r.Waiting > 0 {
		text += fmt.Sprintf("%d not whole yet, such as %s: without a line\n", r.Waiting, terminal.Printable(r.WaitingImage))
	}
	if r.Drift {
		return text + fmt.Sprintf("drift, noticed at image %d, %s: calibrate again before decisions are relied on\n", r.AlarmAt, terminal.Printable(r.AlarmImage))
	}
	return text + "no drift\n"
}
