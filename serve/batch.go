package serve

// This file judges images of several requests at once: a batch of n images costs less than n images one after the other. An image waits
// only while others are on their way, and at most a fixed time.

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/detect"
	"github.com/joule-ebm/joule/detect/drift"
	"github.com/joule-ebm/joule/model"
)

// most is the number of images from which on nothing is gained by waiting for more. A picture of tiles is a batch by itself.
func (l *loaded) most() int {
	if l.model.Config.Tiled() {
		return 1
	}
	return 64
}

// A question is what images are judged by. Those with the same one are judged together.
type question struct {
	label int
	rate  float64 // of false alarms, to decide at; 0: no decision
}

// question is what to ask of images under a label, where decisions are made at that rate: there are none without p-values.
func (l *loaded) question(label int, rate float64) question {
	if label != model.AnyLabel || l.judge.Detector.Distribution == nil {
		rate = 0
	}
	return question{label, rate}
}

// A job is images to judge.
type job struct {
	ctx    context.Context // of who waits
	images []dataset.Image
	question
	done chan judged // has room for the answer, so that nobody waits for who has gone
}

type judged struct {
	judgements []detect.Judgement
	err        error
}

// submit judges images, together with those of others.
func (l *loaded) submit(ctx context.Context, images []dataset.Image, q question) ([]detect.Judgement, error) {
	j := &job{ctx: ctx, images: images, question: q, done: make(chan judged, 1)}
	select {
	case l.queue <- j:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case answer := <-j.done:
		return answer.judgements, answer.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// A batcher is the one who uses a judge.
type batcher struct {
	model   string
	judge   *detect.Judge
	drift   *drift.Detector // nil without a calibration
	queue   <-chan *job
	active  *atomic.Int64
	most    int // images
	wait    time.Duration
	metrics *metrics
}

func (b *batcher) run() {
	for first := range b.queue {
		for q, jobs := range b.gather(first) {
			b.judgeAll(jobs, q)
		}
	}
}

// gather takes what comes with the first, by question.
func (b *batcher) gather(first *job) map[question][]*job {
	batch, jobs, images := map[question][]*job{first.question: {first}}, int64(1), len(first.images)
	deadline := time.NewTimer(b.wait)
	defer deadline.Stop()
	for images < b.most {
		var next *job
		var more bool
		select {
		case next, more = <-b.queue:
		default:
			if jobs >= b.active.Load() { // nobody else is on the way
				return batch
			}
			select {
			case next, more = <-b.queue:
			case <-deadline.C:
				return batch
			}
		}
		if !more {
			return batch
		}
		batch[next.question] = append(batch[next.question], next)
		jobs++
		images += len(next.images)
	}
	return batch
}

// judgeAll judges the images of jobs whose clients still wait.
func (b *batcher) judgeAll(jobs []*job, q question) {
	var images []dataset.Image
	var waiting []*job
	for _, j := range jobs {
		if j.ctx.Err() == nil {
			waiting = append(waiting, j)
			images = append(images, j.images...)
		}
	}
	if len(waiting) == 0 {
		return
	}
	ctx, cancel := whileAny(waiting)
	defer cancel()
	begun := time.Now()
	b.judge.Rule.FalseAlarms = q.rate
	judgements, err := b.judge.Pictures(ctx, images, q.label)
	b.metrics.batch(b.model, len(judgements), time.Since(begun))
	for _, j := range waiting {
		if err != nil {
			j.done <- judged{err: err}
			continue
		}
		answer := judged{judgements: judgements[:len(j.images)]}
		judgements = judgements[len(j.images):]
		for _, one := range answer.judgements {
			if answer.err = one.Err(); answer.err != nil {
				break
			}
			if b.drift != nil && q.label == model.AnyLabel {
				b.drift.Add(float64(one.Score))
			}
		}
		j.done <- answer
	}
	if b.drift != nil {
		b.metrics.drifted(b.model, b.drift)
	}
}

// whileAny is a context that ends when nobody waits any more.
func whileAny(jobs []*job) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer cancel()
		for _, j := range jobs {
			select {
			case <-j.ctx.Done():
			case <-ctx.Done(): // judged
				return
			}
		}
	}()
	return ctx, cancel
}
