package main

// joule watch: judge a stream of images, and notice when it drifts.

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/detect"
	"github.com/joule-ebm/joule/detect/drift"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/internal/durable"
	"github.com/joule-ebm/joule/model"
)

// exitDrift is the exit code that says that the stream has drifted.
const exitDrift exitCode = 3

// saveEvery is the time between two writes of the state.
var saveEvery = time.Second // tests shorten it

type watchOptions struct {
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
		Short: "Judge a stream of images, and notice when it drifts",
		Long: `Score the pictures whose names come on standard input, one a line, or all those in FOLDER, with a
calibrated model (see joule calibrate): RUN is a run directory or a model.safetensors file. Memory does
not grow with the stream. For each image there is a line of JSON, in order:

  n        its number in the stream, from 1
  image    its name
  energy, score, p, unusual, resized    as of joule score
  rank     where the score lies among all before it: uniform in (0,1) while nothing changes
  drift    the evidence that the stream is no longer like the calibration images; from 1 on, alarm is true
  error    instead of all that, why the image cannot be read

Drift. An alarm is raised when the ranks are no longer uniform: images have become more unusual, or less
so, or more alike. Without any drift, the images being like the calibration images, an alarm comes at
most once in --alarm-every images on average, however the scores are distributed. It is said once on
standard error; the stream goes on (unless --stop), and the exit code at the end is 3. It means that
p-values and decisions can no longer be relied on: look at the latest images, and calibrate again if
they are as they should be.

Going on. With --state a watch that was stopped or killed continues where it was when the same command
is given again. With --out no line is lost or written twice, whatever happens; on standard output lines
of the last second may come twice. A list must begin with the same names again. Of a folder, pictures
whose names sort after the last one are taken: give them names in order of arrival, such as times, and
they may be removed once they are judged. --follow waits for more of them until interrupted. Links to
folders within FOLDER are not followed.

The exit code is 0, 3 after drift, or 1 if some image could not be read.`,
		Example: `  find photos -name '*.jpg' | sort | joule watch RUN --false-alarm 1% > judged.ndjson
  joule watch RUN camera/ --follow --out judged.ndjson --state watch.json
  tail -n +1 -F arrivals.txt | joule watch RUN --detector combined --out judged.ndjson --state watch.json
  jq -c 'select(.unusual)' judged.ndjson`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			folder := ""
			if len(args) == 2 {
				folder = args[1]
			}
			return watch(cmd, args[0], folder, o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.detector, "detector", detect.Default, "`name` of the detector that scores, see joule score")
	f.Var(&o.falseAlarm, "false-alarm", "call unusual at most this fraction of usual images, such as 1%")
	f.Float64Var(&o.every, "alarm-every", 1e6, "without drift, raise an alarm once in so many `images` at most, on average")
	f.BoolVar(&o.stop, "stop", false, "stop at an alarm")
	f.BoolVar(&o.follow, "follow", false, "wait for more pictures in FOLDER")
	f.StringVarP(&o.out, "out", "o", "", "write the lines to this `file` (default standard output)")
	f.StringVar(&o.state, "state", "", "keep in this `file` how far the watch is, to go on from there")
	f.UintVar(&o.threads, "threads", 0, "threads to use (default one a core)")
	f.BoolVar(&o.json, "json", false, "print what came of it as JSON; needs --out")
	return cmd
}

func watch(cmd *cobra.Command, path, folder string, o watchOptions) error {
	switch {
	case o.follow && folder == "":
		return usageErrorf("--follow needs a FOLDER to watch; a list on standard input is followed anyway")
	case folder == "" && isTerminalInput(cmd.InOrStdin()):
		return usageErrorf("name a FOLDER, or give the names of pictures on standard input")
	case o.json && o.out == "":
		return usageErrorf("--json needs --out: standard output has the lines")
	case !(o.every > 1 && o.every <= 1e15):
		return usageErrorf("--alarm-every is %v: want more than 1, such as 1000000", o.every)
	}
	if info, err := os.Stat(folder); folder != "" && (err != nil || !info.IsDir()) {
		return fmt.Errorf("%s: not a folder; give the names of pictures on standard input", folder)
	}
	trained, err := model.Open(path)
	if err != nil {
		return err
	}
	judge, err := newJudge(&cpu.Engine{Threads: int(o.threads)}, trained, scoreOptions{detector: o.detector, falseAlarm: o.falseAlarm}, model.AnyLabel)
	if err != nil {
		return err
	}
	if judge.detector.Distribution == nil {
		_, err := detect.CalibrationOf(trained)
		return calibrateFirst(trained, err)
	}
	if o.state != "" {
		lock, err := durable.TakeLock(o.state + ".lock")
		switch {
		case errors.Is(err, durable.ErrLocked):
			return fmt.Errorf("%s: another watch keeps its state there; stop it, or name another file", o.state)
		case err != nil:
			return err
		}
		defer lock.Release()
	}
	w := &watching{judge: judge, size: trained.Config.ImageSize(), options: o, stderr: cmd.ErrOrStderr(), saved: time.Now()}
	if w.drift, err = drift.New(judge.detector.Distribution, o.every); err != nil {
		return err
	}
	if err := w.open(cmd.OutOrStdout(), trained.Path, folder); err != nil {
		return err
	}
	defer w.close()
	judge.warn(w.stderr)
	if w.drift.State().Alarm != 0 && o.stop {
		return fmt.Errorf("%s: the stream has drifted at image %d, and --stop is given; calibrate again and begin another state", o.state, w.state.AlarmAt)
	}
	w.bar = newProgress(w.stderr, "watching", "images", -1)
	err = w.all(cmd.Context(), newNames(cmd, folder, o.follow, &w.state))
	w.bar.Done()
	if err := w.save(); err != nil {
		return err
	}
	interrupted := errors.Is(err, context.Canceled)
	if err != nil && !interrupted {
		return err
	}
	return w.finish(cmd.OutOrStdout(), interrupted && !o.follow)
}

// isTerminalInput says whether somebody would have to type the names.
func isTerminalInput(in io.Reader) bool {
	f, ok := in.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// watching is a watch at work.
type watching struct {
	judge   *judge
	drift   *drift.Detector
	size    dataset.Size
	options watchOptions
	stderr  io.Writer
	bar     *progress

	lines *bufio.Writer // the output
	file  *os.File      // behind it, if it is a file of its own
	state watchState
	saved time.Time // when the state was last written
}

// watched is a line of the output.
type watched struct {
	N       int64  `json:"n"`
	Image   string `json:"image"`
	Resized bool   `json:"resized"`
	judgement
	Rank  float64 `json:"rank"`
	Drift float64 `json:"drift"`
	Alarm bool    `json:"alarm,omitempty"`
}

// unread is the line of an image that cannot be read.
type unread struct {
	N     int64  `json:"n"`
	Image string `json:"image"`
	Error string `json:"error"`
}

// arrival is an image of the stream, or why there is none.
type arrival struct {
	img dataset.Image
	err error
}

// all takes images as they arrive: as many at a time as are there, at most a batch.
func (w *watching) all(ctx context.Context, names nameSource) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	arrivals := make(chan arrival, w.judge.meter.Batch())
	go func() {
		defer close(arrivals)
		for img, err := range dataset.Pictures(ctx, names.all(ctx), w.size) {
			select {
			case arrivals <- arrival{img, err}:
			case <-ctx.Done():
				return
			}
		}
	}()
	for first := range arrivals {
		batch := []arrival{first}
	more:
		for len(batch) < w.judge.meter.Batch() {
			select {
			case next, ok := <-arrivals:
				if !ok {
					break more
				}
				batch = append(batch, next)
			default:
				break more
			}
		}
		if err := w.batch(ctx, batch); err != nil {
			return err
		}
		if w.options.stop && w.drift.State().Alarm != 0 {
			return nil
		}
	}
	return errors.Join(ctx.Err(), names.err())
}

func (w *watching) batch(ctx context.Context, batch []arrival) error {
	var pixels []uint8
	for _, a := range batch {
		if a.err == nil {
			pixels = append(pixels, a.img.Pixels...)
		}
	}
	judgements, err := w.judge.all(ctx, pixels)
	if err != nil {
		return err
	}
	for _, a := range batch {
		if a.img.Name == "" {
			return a.err
		}
		err := a.err
		var j judgement
		if err == nil {
			j, judgements = judgements[0], judgements[1:]
			if err = j.check(); err != nil {
				err = fmt.Errorf("%s: %w", a.img.Name, err)
			}
		}
		if err := w.add(a.img, j, err); err != nil {
			return err
		}
		if w.options.stop && w.drift.State().Alarm != 0 {
			break
		}
	}
	w.bar.Add(int64(len(batch)))
	if err := w.lines.Flush(); err != nil {
		return err
	}
	if time.Since(w.saved) >= saveEvery {
		return w.save()
	}
	return nil
}

// add writes the line of one image and counts it. unreadable is why it was not judged, or nil.
func (w *watching) add(img dataset.Image, j judgement, unreadable error) error {
	s := &w.state
	s.pass(img.Name)
	if unreadable != nil {
		s.Failed++
		return w.write(unread{s.Done, img.Name, oneLine(unreadable.Error())})
	}
	before := w.drift.State().Alarm
	u := w.drift.Add(float64(j.Score))
	s.Scored++
	if j.Unusual != nil && *j.Unusual {
		s.Unusual++
	}
	if img.Resized {
		s.Resized++
	}
	now := w.drift.State()
	if now.Alarm != before {
		w.bar.Done()
		s.AlarmAt, s.AlarmImage = s.Done, img.Name
		fmt.Fprintf(w.stderr, "joule: drift: images are no longer like the calibration images, since about %d images; noticed at image %d, %s\n",
			now.Images-now.Since+1, s.Done, oneLine(img.Name))
	}
	return w.write(watched{s.Done, img.Name, img.Resized, j, u, w.drift.Statistic() / w.options.every, now.Alarm != 0})
}

func (w *watching) write(line any) error {
	text, err := json.Marshal(line)
	if err != nil {
		return err
	}
	if w.file != nil {
		w.state.Bytes += int64(len(text)) + 1
	}
	_, err = w.lines.Write(append(text, '\n'))
	return err
}

// watchReport is what --json prints in the end.
type watchReport struct {
	Images   int64   `json:"images"` // judged
	Failed   int64   `json:"failed"` // could not be read
	Unusual  int64   `json:"unusual"`
	Resized  int64   `json:"resized"`
	Distance float64 `json:"ks_distance"` // of the latest ranks from uniform ones
	P        float64 `json:"ks_p"`
	Drift    bool    `json:"drift"`
	AlarmAt  int64   `json:"alarm_at,omitempty"`    // number of the image that raised the alarm
	Image    string  `json:"alarm_image,omitempty"` // its name
}

// finish says what came of the watch.
func (w *watching) finish(stdout io.Writer, interrupted bool) error {
	s := &w.state
	r := watchReport{Images: s.Scored, Failed: s.Failed, Unusual: s.Unusual, Resized: s.Resized, Drift: w.drift.State().Alarm != 0,
		AlarmAt: s.AlarmAt, Image: s.AlarmImage}
	r.Distance, r.P = w.drift.Uniformity()
	if s.Resized > 0 {
		fmt.Fprintf(w.stderr, "joule: warning: %d images were scaled or cropped to %dx%d\n", s.Resized, w.size.Height, w.size.Width)
	}
	var err error
	switch {
	case w.options.json:
		err = json.NewEncoder(stdout).Encode(r)
	case w.options.out != "":
		_, err = io.WriteString(stdout, w.summary(r))
	default:
		_, err = io.WriteString(w.stderr, w.summary(r))
	}
	switch {
	case err != nil:
		return err
	case interrupted && w.options.state != "":
		return fmt.Errorf("interrupted after %d images, all saved; give the same command to go on", s.Done)
	case interrupted:
		return fmt.Errorf("interrupted after %d images", s.Done)
	case r.Drift:
		return exitDrift
	case r.Failed > 0:
		return fmt.Errorf("%d images could not be read: see the lines with an error", r.Failed)
	}
	return nil
}

func (w *watching) summary(r watchReport) string {
	text := fmt.Sprintf("%d images judged, %d could not be read", r.Images, r.Failed)
	if rate := w.judge.rate; rate != 0 {
		text += fmt.Sprintf("; %d unusual, %.4g expected at a false-alarm rate of %s", r.Unusual, rate*float64(r.Images), percent(rate))
	}
	text += fmt.Sprintf("\nranks of the latest %d images: %.3f from uniform (Kolmogorov-Smirnov), p = %.2g\n",
		len(w.drift.State().Latest), r.Distance, r.P)
	if r.Drift {
		return text + fmt.Sprintf("drift, noticed at image %d, %s: calibrate again before decisions are relied on\n", r.AlarmAt, printable(r.Image))
	}
	return text + "no drift\n"
}
