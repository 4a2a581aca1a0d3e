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

// most is the number of images from which on nothing is gained by waiting for more.
const most = 64

// A job is images to judge.
type job struct {
	ctx    context.Context // of who waits
	images []dataset.Image
	label  int
	done   chan judged // has room for the answer, so that nobody waits for who has gone
}

type judged struct {
	judgements []detect.Judgement
	err        error
}

// submit judges images, together with those of others.
func (l *loaded) submit(ctx context.Context, images []dataset.Image, label int) ([]detect.Judgement, error) {
	j := &job{ctx: ctx, images: images, label: label, done: make(chan judged, 1)}
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
	wait    time.Duration
	metrics *metrics
}

func (b *batcher) run() {
	for first := range b.queue {
		for label, jobs := range b.gather(first) {
			b.judgeAll(jobs, label)
		}
	}
}

// gather takes what comes with the first, by label.
func (b *batcher) gather(first *job) map[int][]*job {
	batch, jobs, images := map[int][]*job{first.label: {first}}, int64(1), len(first.images)
	deadline := time.NewTimer(b.wait)
	defer deadline.Stop()
	for images < most {
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
		batch[next.label] = append(batch[next.label], next)
		jobs++
		images += len(next.images)
	}
	return batch
}

// judgeAll judges the images of jobs whose clients still wait.
func (b *batcher) judgeAll(jobs []*job, label int) {
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
	begun := time.Now()
	judgements, err := b.judge.Pictures(context.Background(), images, label)
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
			if b.drift != nil && label == model.AnyLabel {
				b.drift.Add(float64(one.Score))
			}
		}
		j.done <- answer
	}
	if b.drift != nil {
		b.metrics.drifted(b.model, b.drift)
	}
}
